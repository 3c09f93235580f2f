"""`concurrency: Replace`: older runs of the schedule are stopped, not terminated, and end before the new one begins."""

from typing import Any

import msgspec
import pytest

from orchestrator.argo.names import ARGO_CRON, SHARD
from orchestrator.cluster.objects import Workflow
from orchestrator.steps.replace import NotReplacedError, replace_older
from tests.clusters import FakeCluster, workflow

OF_SCHEDULE = {ARGO_CRON: "scanmatrix"}


class Stopping(FakeCluster):
    """Workflows that are stopped end after as many more looks."""

    looks = 2

    def workflows(self, selector: str = "") -> Any:
        for name, each in self.there.items():
            if selector.startswith(ARGO_CRON) and each.spec.shutdown:
                self.looks -= 1
                if self.looks < 0:
                    self.there[name] = msgspec.structs.replace(
                        each, status=msgspec.structs.replace(each.status, phase="Failed")
                    )
        yield from super().workflows(selector)

    def patch_workflow(self, name: str, patch: Any) -> Workflow:
        each = self.there[name]
        spec = msgspec.structs.replace(each.spec, shutdown=patch["spec"]["shutdown"])
        self.there[name] = msgspec.structs.replace(each, spec=spec)
        return super().patch_workflow(name, patch)


def scheduled(name: str, created: str, phase: str = "Running", **more: Any) -> Workflow:
    return workflow(name, phase, run=name, created=created, labels=OF_SCHEDULE, **more)


def replaced(cluster: FakeCluster, name: str = "new", patience: float = 10) -> list[str]:
    return list(replace_older(name, cluster, patience=patience, poll=0))  # type: ignore[arg-type]


def test_older_runs_of_the_schedule_are_stopped_and_waited_for():
    cluster = Stopping(
        scheduled("older", "2025-01-01T00:00:00Z"),
        scheduled("ended", "2025-01-01T00:00:00Z", "Succeeded"),
        scheduled("new", "2025-01-02T00:00:00Z"),
        scheduled("newer", "2025-01-03T00:00:00Z"),
        workflow("by-hand", run="by-hand"),
    )
    assert replaced(cluster) == ["older"]
    assert cluster.patches == [("older", {"spec": {"shutdown": "Stop"}})]


def test_its_shards_are_stopped_before_it():
    shard = workflow("older-001", run="older", owner="uid-older", labels={SHARD: "001"})
    other = workflow("stranger", run="older")
    cluster = Stopping(
        scheduled("older", "2025-01-01T00:00:00Z"), shard, other, scheduled("new", "2025-01-02T00:00:00Z")
    )
    replaced(cluster)
    assert [name for name, _ in cluster.patches] == ["older-001", "older"]


def test_of_two_that_began_in_the_same_second_one_is_older():
    for mine, theirs in (("a", "b"), ("b", "a")):
        cluster = Stopping(scheduled(mine, "2025-01-01T00:00:00Z"), scheduled(theirs, "2025-01-01T00:00:00Z"))
        assert replaced(cluster, mine) == ([theirs] if theirs < mine else [])


def test_a_run_that_no_schedule_started_replaces_none():
    cluster = Stopping(
        scheduled("older", "2025-01-01T00:00:00Z"), workflow("new", run="new", created="2025-01-02T00:00:00Z")
    )
    assert replaced(cluster) == []
    assert cluster.patches == []


def test_an_older_run_that_does_not_end_keeps_the_new_one_from_starting():
    cluster = FakeCluster(scheduled("older", "2025-01-01T00:00:00Z"), scheduled("new", "2025-01-02T00:00:00Z"))
    with pytest.raises(NotReplacedError, match="older"):
        replaced(cluster, patience=0)
