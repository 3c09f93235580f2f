"""What the status of a resource says: one condition, `Ready`, with a reason out of four, and numbers beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from orchestrator.kit.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.service.controller.observed import Observed

_READY: Final = "Ready"
_BOUND: Final = "Bound"
_LONGEST = 1000
_BROKEN = frozenset({"Failed", "Error"})


class ReadyReason(StrEnum):
    """Why a resource is ready, or is not.

    Attributes:
        RECONCILED: all that it asks for is there, nothing runs, and nothing failed: the one reason to be ready.
        WAITING: for something else: its volume, its scheduler, a place among the runs in flight.
        SCANNING: a run is on its way.
        FAILED: what it asks for cannot be, or what ran last failed.
    """

    RECONCILED = "Reconciled"
    WAITING = "Waiting"
    SCANNING = "Scanning"
    FAILED = "Failed"


class Standing(NamedTuple):
    """A reason, in a sentence."""

    reason: ReadyReason
    message: str


def judge(seen: Observed, *, continuous: bool, suspended: bool) -> Standing:
    """What a resource of which all that it asks for is in place is said to be.

    Args:
        seen: what runs.
        continuous: whether a scheduler keeps its results fresh.
        suspended: whether nothing new is started.
    """
    if seen.claim != _BOUND:
        return Standing(ReadyReason.WAITING, f"the claim of the volume is {seen.claim or 'not there'}, not {_BOUND}")
    if seen.running:
        progress = f": {seen.last.progress} steps" if seen.last and seen.last.progress else ""
        return Standing(ReadyReason.SCANNING, f"{_count(seen.running, 'Workflow')} on the way{progress}")
    if suspended:
        return Standing(ReadyReason.RECONCILED, "suspended: nothing new is started")
    return _of_scheduler(seen) if continuous else _of_schedule(seen)


def _of_scheduler(seen: Observed) -> Standing:
    state = seen.state
    if not seen.schedulers:
        return Standing(ReadyReason.WAITING, "the scheduler is not ready yet")
    if state is None:
        return Standing(ReadyReason.WAITING, "the scheduler has not looked at its targets yet")
    if state.in_flight:
        return Standing(ReadyReason.SCANNING, f"{_count(state.in_flight, 'cell')} in a run, {state.due} waiting")
    if state.due:
        return Standing(ReadyReason.WAITING, f"{_count(state.due, 'cell')} waiting to be scanned")
    if state.held:
        when = f"; tried again at {spell_time(state.next_due)}" if state.next_due else ""
        return Standing(ReadyReason.FAILED, f"{_count(state.held, 'cell')} failed: {state.reason}{when}")
    return Standing(ReadyReason.RECONCILED, f"{_count(state.fresh, 'cell')} fresh")


def _of_schedule(seen: Observed) -> Standing:
    last = seen.last
    if last and last.phase in _BROKEN:
        return Standing(
            ReadyReason.FAILED, f"the last run, {last.name}, {last.phase.lower()}: {last.message or 'see its log'}"
        )
    if last:
        return Standing(ReadyReason.RECONCILED, f"the last run, {last.name}, succeeded")
    return Standing(ReadyReason.RECONCILED, "in place; no run yet")


def status(
    old: Mapping[str, Any], generation: int, standing: Standing, seen: Observed | None, now: datetime
) -> dict[str, Any]:
    """The status to write; equal to the old one where nothing has changed.

    Args:
        old: the status of now.
        generation: of the resource that was looked at.
        standing: what it is said to be.
        seen: what runs; None where nothing could be looked at, and what was seen last stays.
        now: the moment.
    """
    ready = "True" if standing.reason is ReadyReason.RECONCILED else "False"
    before: Mapping[str, Any] = next((each for each in old.get("conditions") or () if each.get("type") == _READY), {})
    condition = {
        "type": _READY,
        "status": ready,
        "reason": str(standing.reason),
        "message": visible(standing.message, _LONGEST),
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before.get("status") == ready else spell_time(now),
    }
    kept = {key: old[key] for key in ("cells", "lastRun", "nextRun") if key in old}
    return {
        "observedGeneration": generation,
        "conditions": [condition],
        **(kept if seen is None else _numbers(seen)),
    }


def reason_of(found: Mapping[str, Any]) -> str:
    """The reason in a status; empty where there is none yet."""
    return next((str(each.get("reason")) for each in found.get("conditions") or () if each.get("type") == _READY), "")


def spell_time(when: datetime) -> str:
    """As Kubernetes writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _numbers(seen: Observed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if state := seen.state:
        found["cells"] = {"fresh": state.fresh, "due": state.due, "held": state.held, "inFlight": state.in_flight}
    if last := seen.last:
        run = {
            "name": last.name,
            "phase": last.phase,
            "progress": last.progress,
            "startedAt": last.started,
            "finishedAt": last.finished,
        }
        found["lastRun"] = {key: value for key, value in run.items() if value}
    if when := seen.next_run or (seen.state.next_due if seen.state else None):
        found["nextRun"] = spell_time(when)
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
