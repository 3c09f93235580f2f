"""The status of a resource: which of the four reasons, and nothing new where nothing has changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.service.controller.condition import ReadyReason, Standing, judge, reason_of, status
from orchestrator.service.controller.observed import LastRun, Observed
from orchestrator.service.state import SchedulerState

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FRESH = SchedulerState(configuration="d", fresh=7)
R = ReadyReason


def state(**counts: Any) -> SchedulerState:
    return SchedulerState(configuration="d", **counts)


CASES: list[tuple[str, dict[str, Any], bool, ReadyReason, str]] = [
    ("no claim", {"claim": ""}, True, R.WAITING, "not there"),
    ("claim pending", {"claim": "Pending", "running": 1}, True, R.WAITING, "Pending"),
    ("no scheduler", {}, True, R.WAITING, "not ready"),
    ("not looked", {"schedulers": 1}, True, R.WAITING, "has not looked"),
    ("all fresh", {"schedulers": 1, "state": FRESH}, True, R.RECONCILED, "7 cells fresh"),
    ("nothing wanted", {"schedulers": 1, "state": state()}, True, R.RECONCILED, "0 cells"),
    ("due", {"schedulers": 1, "state": state(due=1)}, True, R.WAITING, "1 cell waiting"),
    ("in flight", {"schedulers": 1, "state": state(due=1, in_flight=2)}, True, R.SCANNING, "2 cells in a run"),
    ("held", {"schedulers": 1, "state": state(held=2, reason="exit 1")}, True, R.FAILED, "2 cells failed: exit 1"),
    ("running", {"running": 1, "last": LastRun("a", "Running", progress="3/9")}, True, R.SCANNING, "3/9"),
    ("never ran", {}, False, R.RECONCILED, "no run yet"),
    ("succeeded", {"last": LastRun("a", "Succeeded")}, False, R.RECONCILED, "a, succeeded"),
    ("failed", {"last": LastRun("a", "Failed", message="policy violated")}, False, R.FAILED, "policy violated"),
    ("running again", {"running": 1, "last": LastRun("b", "Failed")}, False, R.SCANNING, "1 Workflow"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "seen", "continuous", "reason", "message"), CASES, ids=[case[0] for case in CASES])
def test_reasons(name: str, seen: dict[str, Any], continuous: bool, reason: ReadyReason, message: str) -> None:
    found = judge(Observed(**{"claim": "Bound", **seen}), continuous=continuous, suspended=False)
    assert found.reason is reason
    assert message in found.message


def test_suspended_is_ready_once_nothing_runs() -> None:
    assert judge(Observed(claim="Bound"), continuous=True, suspended=True).reason is R.RECONCILED
    assert judge(Observed(claim="Bound", running=1), continuous=True, suspended=True).reason is R.SCANNING


def test_the_same_is_the_same_later() -> None:
    seen, standing = Observed("Bound", 1, FRESH), Standing(R.RECONCILED, "fine")
    first = status({}, 3, standing, seen, NOW)
    assert status(first, 3, standing, seen, NOW + timedelta(days=1)) == first
    assert (first["observedGeneration"], first["conditions"][0]["observedGeneration"]) == (3, 3)
    assert first["cells"] == {"fresh": 7, "due": 0, "held": 0, "inFlight": 0}
    assert reason_of(first) == "Reconciled"


def test_the_transition_is_when_ready_changed_and_not_its_reason() -> None:
    first = status({}, 1, Standing(R.WAITING, "a"), None, NOW)
    second = status(first, 1, Standing(R.SCANNING, "b"), None, NOW + timedelta(minutes=1))
    third = status(second, 1, Standing(R.RECONCILED, "c"), None, NOW + timedelta(minutes=2))
    times = [each["conditions"][0]["lastTransitionTime"] for each in (first, second, third)]
    assert times == ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-02T03:06:05Z"]


def test_what_was_seen_last_stays_where_nothing_can_be_looked_at_and_goes_where_it_is_gone() -> None:
    seen = Observed("Bound", 1, FRESH, last=LastRun("a", "Failed", "m", "1/2", "t", "u"))
    first = status({}, 1, Standing(R.RECONCILED, "a"), seen, NOW)
    broken = status(first, 2, Standing(R.FAILED, "wrong"), None, NOW)
    assert (broken["cells"], broken["lastRun"]) == (first["cells"], first["lastRun"])
    assert "lastRun" not in status(first, 2, Standing(R.RECONCILED, "a"), Observed("Bound"), NOW)


def test_a_message_of_a_stranger_is_bounded_and_visible() -> None:
    found = status({}, 1, Standing(R.FAILED, "\x1b[2J" + "x" * 10_000), None, NOW)["conditions"][0]["message"]
    assert len(found) <= 1024
    assert "\x1b" not in found
