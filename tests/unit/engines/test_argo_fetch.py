"""What becomes of the Workflow that prints results, and what is said of a run that has none."""

import base64
from typing import Any

import msgspec
import pytest

from orchestrator.argo.log_archive import pack
from orchestrator.argo.parameters import Parameter
from orchestrator.cluster.errors import ObjectNotFoundError
from orchestrator.cluster.objects import Pod
from orchestrator.config.loading import default_config
from orchestrator.engines.argo import output
from orchestrator.engines.argo.engine import ArgoEngine
from orchestrator.engines.interface import EngineError
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan, put_clean_run
from tests.clusters import FakeCluster, workflow


class Printing(FakeCluster):
    """Creates Workflows whose pod prints some lines, and which end after as many looks; counts deletions."""

    def __init__(self, *there: Any, lines: list[str] | None = None, looks: int = 3, phase: str = "Failed") -> None:
        super().__init__(*there)
        self.phase = phase
        self.lines, self.looks = lines, looks
        self.deleted: list[tuple[str, bool]] = []

    def create_workflow(self, manifest: Any) -> Any:
        name = manifest["metadata"]["name"]
        only = [{"name": str(Parameter.ONLY), "value": "results"}]
        self.there[name] = workflow(name, parameters=only)
        return self.there[name]

    def workflow(self, name: str) -> Any:
        found = super().workflow(name)
        self.looks -= 1
        if self.looks < 0 or self.patches:
            return msgspec.structs.replace(found, status=msgspec.structs.replace(found.status, phase="Succeeded"))
        return found

    def pods(self, selector: str, *, fields: str = "") -> Any:
        code = 0 if self.lines is not None else 2
        status = {"name": "main", "state": {"terminated": {"exitCode": code}} if self.phase == "Failed" else {}}
        yield msgspec.convert(
            {"metadata": {"name": "p"}, "status": {"phase": self.phase, "containerStatuses": [status]}}, Pod
        )

    def log(self, *_: object, **__: object) -> str:
        return "\n".join(["scanmatrix-step: run run-1 has no results yet"] if self.lines is None else self.lines)

    def follow_log(self, *_: object, **__: object) -> Any:
        yield from self.lines or ()

    def delete_workflow(self, name: str) -> None:
        ended = self.there[name].ended or self.looks < 0 or bool(self.patches)
        self.deleted.append((name, ended))
        del self.there[name]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_POLL", 0.001)


@pytest.fixture
def lines(tmp_path) -> list[str]:
    volume, plan = Volume(tmp_path / "cluster"), make_plan()
    put_clean_run(volume, plan)
    aggregate(plan, volume)
    return list(pack(volume.results(plan.run)))


def engine(cluster: Printing, tmp_path: Any) -> ArgoEngine:
    return ArgoEngine(default_config(environment={}), Volume(tmp_path / "here"), cluster)  # type: ignore[arg-type]


def test_the_workflow_that_printed_the_results_has_ended_when_it_is_deleted(lines, tmp_path):
    cluster = Printing(lines=lines, looks=5)
    assert len(engine(cluster, tmp_path).fetch("run-1").rows) == 5
    assert [ended for _, ended in cluster.deleted] == [True]
    assert cluster.patches == []


def test_one_that_does_not_end_is_terminated_before_it_is_deleted(lines, tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_TO_END", 0.01)
    cluster = Printing(lines=lines, looks=10**9)
    engine(cluster, tmp_path).fetch("run-1")
    assert [patch for _, patch in cluster.patches] == [{"spec": {"shutdown": "Terminate"}}]
    assert [ended for _, ended in cluster.deleted] == [True]


def test_results_that_cannot_be_read_leave_no_workflow_behind_either(lines, tmp_path):
    cluster = Printing(lines=[base64.b64encode(b"x").decode()])
    with pytest.raises(Exception, match="not whole"):
        engine(cluster, tmp_path).fetch("run-1")
    assert [ended for _, ended in cluster.deleted] == [True]


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ((workflow("run-1"),), "running"),
        ((workflow("run-1", "Error", message="pod deleted"),), "pod deleted"),
        ((workflow("run-1", "Failed", shutdown="Terminate"),), "cancelled"),
        ((), "no results yet"),
    ],
)
@pytest.mark.parametrize("phase", ["Failed", "Running"], ids=["seen as it failed", "failed while its log was read"])
def test_a_run_without_results_says_what_the_volume_and_the_cluster_know(there, said, phase, tmp_path):
    cluster = Printing(*there, phase=phase)
    with pytest.raises(EngineError, match=said) as failed:
        engine(cluster, tmp_path).fetch("run-1")
    assert "no results yet" in str(failed.value)
    assert [name for name in cluster.there if name != "run-1"] == []


def test_a_workflow_that_is_gone_already_is_no_trouble(tmp_path):
    class Gone(Printing):
        def workflow(self, name: str) -> Any:
            raise ObjectNotFoundError(name)

        def delete_workflow(self, name: str) -> None:
            self.deleted.append((name, True))

    cluster = Gone()
    output.take_away("x", cluster)  # type: ignore[arg-type]
    assert cluster.deleted == [("x", True)]
