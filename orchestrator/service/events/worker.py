"""Works on accepted events: starts their runs, sees how these stand, and has sinks told."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from orchestrator.api import lists
from orchestrator.errors import PermanentError, ScanmatrixError, UsageError
from orchestrator.kit.guarding import guarded
from orchestrator.results.provisional import is_whole
from orchestrator.service.events.ending import ending_of
from orchestrator.service.events.planned import start
from orchestrator.service.events.posting import EventPoster
from orchestrator.service.events.sinks import CHANGED, FINISHED, STARTED, EventSinks
from orchestrator.service.events.trying import Trying
from orchestrator.service.events.under_way import EventsUnderWay, ended_or_later
from orchestrator.service.rest.problems import AbsentError
from orchestrator.service.running import status_of
from orchestrator.store.inbox.messages import JOBS, Ending, InboxOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.service.events.jobs.runner import JobRunner
    from orchestrator.service.rest.background import CarriedRuns
    from orchestrator.service.rest.state import ServiceState
    from orchestrator.store.inbox.messages import InboxCounts, InboxEntry, OutgoingEvent

#: Seconds without a sign after which another replica takes an entry over.
_LEASE = 30
#: Seconds between two looks at what is due, at runs under way, and at what may be forgotten.
_PAUSE, _LOOK, _FORGET = 1.0, 5.0, 3600.0
#: Seconds after which what has just come in a burst is taken, and for which what is under way is released at the end.
_SOON, _RELEASE = 0.1, 5
#: Events of a rule that are planned at the same time.
_PLANNED = 4
#: Seconds for which a run that has ended may be without results: those of its ledger are being imported, and without
#: a ledger somebody may be about to resume it.
_IMPORT, _RESUME = 3600.0, 60.0
_log = logging.getLogger(__name__)


class _Carried(NamedTuple):
    """An event whose run is under way.

    Attributes:
        entry: the event.
        run: id of its run.
        counts: what sinks were sent of it last.
        ended: moment of `time.monotonic` since which it has ended, and has no results; 0 for not.
    """

    entry: InboxEntry
    run: str
    counts: dict[str, int]
    ended: float = 0.0


class EventWorker:
    """Works on what the inbox has; several replicas share it.

    Args:
        state: of the service.
        carried: runs of this process.
        sinks: who is notified.
        count: told of each event its sender and how it ended.
        jobs: works on those that may start jobs; None where none may.
    """

    def __init__(
        self,
        state: ServiceState,
        carried: CarriedRuns,
        sinks: EventSinks,
        *,
        count: Callable[[str, str, int], None],
        jobs: JobRunner | None = None,
    ) -> None:
        self._state = state
        self._carried = carried
        self._sinks = sinks
        self._jobs = jobs
        self._inbox = state.inbox
        section = state.config.events
        self._at_once = {rule.name: rule.at_once for rule in section.rules}
        self._at_once |= {JOBS: section.jobs.at_once} if section.jobs else {}
        self._holder = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._under_way = EventsUnderWay[_Carried](state.inbox, "run", count=count)
        self._wake = anyio.Event()
        self._trying = Trying()
        self._poster = EventPoster(state.inbox, sinks, holder=self._holder, lease=_LEASE)
        self._planning: dict[str, anyio.CapacityLimiter] = {}
        self.counts: InboxCounts | None = None

    def wake(self) -> None:
        """Something new is due soon."""
        self._wake.set()

    async def run(self) -> None:
        """Work until it is cancelled; what is under way is then anybody's."""
        while not self._state.kept.filled:
            await anyio.sleep(_SOON)
        trying = self._trying
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(trying.repeat, _LEASE / 3, "keeping the events at work", self._renew)
                tasks.start_soon(trying.repeat, _LOOK, "looking at the runs of events", self._look)
                tasks.start_soon(trying.repeat, _FORGET, "forgetting old events", self._forget)
                tasks.start_soon(self._poster.run, trying)
                while True:
                    for entry in await trying.do("taking events", self._take) or ():
                        tasks.start_soon(self._work, entry)
                    with anyio.move_on_after(_PAUSE):
                        await self._wake.wait()
                        # What comes in a burst is taken together.
                        await anyio.sleep(_SOON)
                    self._wake = anyio.Event()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_RELEASE):
                await trying.do("releasing the events at work", self._release)

    def _take(self) -> list[InboxEntry]:
        return self._inbox.take(self._holder, self._at_once, lease=_LEASE)

    def _renew(self) -> None:
        self._inbox.renew(self._holder, lease=_LEASE)
        self.counts = self._inbox.counts()

    def _release(self) -> None:
        self._inbox.renew(self._holder, lease=0)

    def _forget(self) -> None:
        self._inbox.forget_old(self._state.config.events.remember)
        self._poster.forget()

    async def _work(self, entry: InboxEntry) -> None:
        # A registry that hangs holds up the events of its rule alone.
        limiter = self._planning.setdefault(entry.event.rule, anyio.CapacityLimiter(_PLANNED))
        await self._trying.do("working on an event", partial(self._attempt, entry), limiter=limiter)

    def _attempt(self, entry: InboxEntry) -> None:
        """Start its run, or write down why it has none."""
        if entry.damage:
            self._failed(entry, PermanentError(entry.damage))
            return
        if (push := entry.event.push) is None:
            if self._jobs is None:
                self._failed(entry, UsageError("events.jobs is configured no more"))
            else:
                self._jobs.attempt(entry)
            return
        try:
            with self._state.kept.here(), guarded(f"starting what {entry.event.subject} asks for"):
                started = start(self._state, self._carried, entry, push)
                told = self._sinks.of(entry, started.run, STARTED, "started", cells=started.cells)
                self._inbox.start(entry, started.run, told if not entry.run else ())
        except (ScanmatrixError, OSError) as error:
            self._failed(entry, error)
        else:
            self._under_way.keep(_Carried(entry, started.run, {}))

    def _failed(self, entry: InboxEntry, error: Exception) -> None:
        ending = ending_of(entry, error)
        if ending.outcome is not None:
            _log.info("the event of %s is done with (%s): %s", entry.event.subject, ending.outcome, error)
        with ended_or_later(entry):
            self._end(entry, entry.run, ending, reason=ending.reason)

    def _look(self) -> None:
        """See how the runs and jobs under way stand."""
        if self._jobs is not None:
            self._jobs.look()
        self._under_way.look(self._look_at)

    def _look_at(self, carried: _Carried) -> None:
        entry, run = carried.entry, carried.run
        with self._state.kept.here():
            summary = lists.run_summary(self._state.config, run)
            if summary is None:
                self._look_unfinished(carried)
                return
            self._end(
                entry,
                run,
                Ending(InboxOutcome.SCANNED),
                passed=summary.passed,
                cells={str(outcome): number for outcome, number in summary.cells.items()},
                findings={str(severity): number for severity, number in summary.open.items()},
                broken=list(summary.broken),
            )

    def _look_unfinished(self, carried: _Carried) -> None:
        """Tell what changed; and give up what has ended without results, so that it keeps no other from its turn."""
        entry, run = carried.entry, carried.run
        try:
            status = status_of(self._state, run)
        except AbsentError as error:  # somebody removed it
            self._give_up(carried, str(error))
            return
        counts = {str(state): number for state, number in status.counts().items()}
        if counts != carried.counts:
            number = f"changed-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
            self._inbox.tell(self._sinks.of(entry, run, CHANGED, number, cells=counts))
        ended = (carried.ended or time.monotonic()) if status.ended else 0.0
        self._under_way.keep(carried._replace(counts=counts, ended=ended))
        has_ledger = is_whole(self._state.volume.results(run))
        if ended and time.monotonic() - ended > (_IMPORT if has_ledger else _RESUME):
            why = "its results cannot be imported" if has_ledger else f"it has no results: {status.message}"
            self._give_up(carried, f"run {run} has ended ({status.state}), and {why}")

    def _give_up(self, carried: _Carried, reason: str) -> None:
        entry, run = carried.entry, carried.run
        _log.warning("the event of %s is done with: %s", entry.event.subject, reason, extra={"run": run})
        self._end(entry, run, Ending(InboxOutcome.GAVE_UP, reason), reason=reason)

    def _end(self, entry: InboxEntry, run: str, ending: Ending, **data: Any) -> None:
        """Write down how work on an event ended; sinks are sent it where it asked for a run, and that is over."""
        told: list[OutgoingEvent] = []
        if isinstance(ending.outcome, InboxOutcome):
            told = self._sinks.of(entry, run, FINISHED, "finished", outcome=ending.outcome, **data)
        self._under_way.end(entry, ending, told)
