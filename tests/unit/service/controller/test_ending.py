"""A resource that goes stops what runs, and goes at last whatever Kubernetes refuses, by whichever clock."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.cluster.errors import ForbiddenError, RejectedError
from orchestrator.errors import PermanentError
from orchestrator.service.controller import reconciler
from orchestrator.service.controller.ending import end

OWNED = {"metadata": {"ownerReferences": [{"uid": "u"}]}}
#: Deleted long ago, by a clock that is hours behind ours; or one that is hours before.
RESOURCE = {"metadata": {"name": "main", "namespace": "team", "uid": "u", "deletionTimestamp": "2020-01-02T03:04:05Z"}}


class Namespace:
    namespace = "team"

    def __init__(self, *running: str, refusal: PermanentError | None = None) -> None:
        self.running, self.refusal = running, refusal
        self.stopped: list[tuple[str, str]] = []

    def one(self, kind: str, _: str) -> dict[str, Any] | None:
        return OWNED if kind == "WorkflowTemplate" else None

    def workflows(self, _: str) -> Iterator[Any]:
        return (SimpleNamespace(name=each) for each in self.running)

    def stop(self, name: str, how: str) -> None:
        if self.refusal:
            raise self.refusal
        self.stopped.append((name, how))


@pytest.mark.parametrize(
    ("waited", "how", "done"),
    [(0, "Stop", False), (299, "Stop", False), (301, "Terminate", False), (361, "Terminate", True)],
)
def test_what_runs_is_stopped_then_terminated_then_left(waited: float, how: str, done: bool) -> None:
    there = Namespace("a", "b")
    assert end(there, RESOURCE, waited) is done  # type: ignore[arg-type]
    assert there.stopped == [("a", how), ("b", how)]
    assert end(Namespace(), RESOURCE, waited)  # type: ignore[arg-type]


@pytest.mark.parametrize("refusal", [ForbiddenError("no right"), RejectedError("422")], ids=["forbidden", "rejected"])
def test_what_kubernetes_refuses_keeps_a_resource_for_a_while_and_no_longer(refusal: PermanentError) -> None:
    there: Any = Namespace("a", refusal=refusal)
    with pytest.raises(PermanentError):
        end(there, RESOURCE, 359)
    assert end(there, RESOURCE, 361)


def test_how_long_it_has_waited_is_measured_by_our_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    there, clock = Namespace("a"), SimpleNamespace(now=50.0)
    monkeypatch.setattr(reconciler, "Connection", lambda *_: None)
    monkeypatch.setattr(
        reconciler, "ScanMatrices", lambda _: SimpleNamespace(one=lambda *_: RESOURCE, every=lambda _: ())
    )
    monkeypatch.setattr(reconciler, "NamespacedObjects", lambda *_: there)
    monkeypatch.setattr(reconciler, "time", SimpleNamespace(monotonic=lambda: clock.now))
    looks = reconciler.Reconciler()
    assert not looks.end("team", "main")
    assert there.stopped == [("a", "Stop")]
    clock.now += 330
    assert not looks.end("team", "main")
    assert there.stopped[-1] == ("a", "Terminate")
    clock.now += 31
    assert looks.end("team", "main")


@pytest.mark.parametrize(("acts", "stopped"), [(True, [("a", "Stop")]), (False, [])])
def test_what_runs_is_stopped_also_when_kubernetes_has_deleted_first_what_the_resource_had(
    acts: bool, stopped: list[tuple[str, str]]
) -> None:
    """As `kubectl delete --cascade=foreground` has it do."""
    there: Any = Namespace("a")
    there.one = lambda *_: None
    assert end(there, RESOURCE, 0, acts=acts) is not acts
    assert there.stopped == stopped
