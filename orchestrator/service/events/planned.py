"""From an event to a run: what it is about is looked up, judged, planned; and the run is started once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.api.submission import RunRequest, submitted
from orchestrator.config.targets import PushedAs
from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.model import Decision
from orchestrator.receiving.messages import PushKind, Unwanted, digest_of
from orchestrator.service.running import start_plan

if TYPE_CHECKING:
    from orchestrator.model import Plan
    from orchestrator.receiving.messages import Push
    from orchestrator.service.rest.background import CarriedRuns
    from orchestrator.service.rest.state import ServiceState
    from orchestrator.store.inbox.messages import InboxEntry

#: Who runs are by that events start; their keys are those of the events.
_BY = "events"


class UnwantedPushError(PermanentError):
    """What was pushed is not to be scanned.

    Attributes:
        reason: of these that there are.
    """

    def __init__(self, reason: Unwanted, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotThereError(TemporaryError):
    """What was pushed cannot be looked up; an event may come before its image can be read."""


class TwinError(TemporaryError):
    """Another event is just having the same planned; once that is over, it is known whether this one is of use.

    Attributes:
        wait: seconds until then.
    """

    def __init__(self, wait: int) -> None:
        super().__init__("another event is having the same planned")
        self.wait = wait


class StartedRun(NamedTuple):
    """A run that an event started."""

    run: str
    cells: int


def start(state: ServiceState, carried: CarriedRuns, entry: InboxEntry, push: Push) -> StartedRun:
    """Plan and start the run of an event; done again, the same run continues.

    Args:
        state: of the service.
        carried: runs of this process.
        entry: the event.
        push: what it says was pushed.

    Raises:
        UnwantedPushError: it is no image, or just this was scanned for an event already.
        TwinError: another event may be just having it scanned.
        NotThereError: it is not there, or not yet.
        BusyError: too many runs are under way.
        UsageError: no plan can be made of it.
    """
    # Of commits the name has no blank in front, and a registry's image none that a tool of this machine could mean.
    request = RunRequest(targets=(push.target,), scans=entry.event.scans)

    def judge(plan: Plan) -> None:
        _judge(plan, push)
        claim = state.inbox.claim(entry, _pushed(plan, push), within=state.config.events.remember)
        if claim.wait:
            raise TwinError(claim.wait)
        if not claim.is_free:
            raise UnwantedPushError(Unwanted.SAME_DIGEST, "just this was scanned for an earlier event")

    digest = "" if push.kind is PushKind.IMAGE and not push.tag else push.digest
    # An event that is accepted again, because the first one is forgotten, has a run of its own.
    key = f"{entry.event.key}-{entry.id}"
    found = submitted(state.config, request, key=key, by=_BY, pushed=PushedAs(digest), accept=judge)
    start_plan(state, carried, found)
    return StartedRun(found.plan.run, found.plan.budget.cells)


def _judge(plan: Plan, push: Push) -> None:
    if any(target.digest for target in plan.targets):
        return
    reason = next((cell.reason for cell in plan.cells if cell.reason), "nothing is known of it")
    if any(cell.decision is Decision.FAIL for cell in plan.cells):
        raise NotThereError(f"{push.target} cannot be looked up: {reason}")
    raise UnwantedPushError(Unwanted.NOT_AN_IMAGE, reason)


def _pushed(plan: Plan, push: Push) -> str:
    """Stands for the repository and what is wanted of it: an index that was pushed again for others changes nothing."""
    scans = sorted({cell.scan for cell in plan.cells})
    return digest_of(push.kind, push.name, *sorted({target.digest for target in plan.targets}), "", *scans)
