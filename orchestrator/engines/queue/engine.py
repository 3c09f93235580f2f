"""The engine that hands a plan's cells to workers through a queue."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.catalog.versions import version_of
from orchestrator.engines.interface import EngineError, Interrupted
from orchestrator.engines.local.done import DoneCells
from orchestrator.engines.local.status import log_of, status_of, statuses_of
from orchestrator.engines.narrator import Narrator
from orchestrator.engines.queue.status import status_in_queue
from orchestrator.engines.queue.tending import Tender, places_of, room_for_first
from orchestrator.errors import UsageError
from orchestrator.kit.advice import ours
from orchestrator.kit.retrying import Backoff
from orchestrator.model.documents import spell_time
from orchestrator.planning.batches import batches
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import is_whole
from orchestrator.scanners.distrust import check_plan
from orchestrator.scanners.rules import rules_of
from orchestrator.steps.ending import finish_left
from orchestrator.store.cell_queue.messages import Handover, QueuedCell, Turn
from orchestrator.store.documents import StoreGoneError
from orchestrator.upkeep.claims import RunClaim, deciding, give_back, read_claim, take
from orchestrator.upkeep.links import release
from orchestrator.upkeep.plans import find_plan, write_plan
from orchestrator.volume.records import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, Plan, RunStatus
    from orchestrator.queues.interface import CellQueue
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)
#: Seconds between two looks at a run, at least; and this many times what the last look took, so that looking costs
#: little however many cells it has.
_POLL, _SHARE = 0.5, 20
#: Seconds to wait for somebody who begins or ends the same run.
_PATIENCE = 60.0
CANCELLED = "the run was cancelled"


class QueueEngine:
    """Has workers run plans.

    Args:
        config: of the run.
        volume: shared with the workers.
        connect: makes the queue of the configuration, whose connections each call ends again.
    """

    def __init__(self, config: Config, volume: Volume, connect: Callable[[], CellQueue]) -> None:
        self._config, self._volume, self._connect = config, volume, connect
        self._tender = Tender(volume, config.queue)
        self._interrupted = threading.Event()
        self._is_ready = False

    def run(self, plan: Plan, observer: Observer) -> Ledger:
        """Hand the plan over, follow it to its end, and return its ledger.

        A run that was handed over before is followed from where it is; one that has ended is left as it is.

        Raises:
            Interrupted: this process is to end; workers continue with the run.
            EngineError: the run ended without a ledger.
        """
        self.submit(plan)
        narrator = Narrator(plan, observer)
        for status in self.follow(plan.run):
            narrator.tell(status)
        return self.fetch(plan.run)

    def interrupt(self) -> None:
        """See `Engine`: nothing of a run is in this process but who follows it."""
        self._interrupted.set()

    def submit(self, plan: Plan) -> str:
        """Hand a run over; one that was handed over before, or has ended, is left alone.

        Returns:
            The run's id.

        Raises:
            StoreGoneError: the database does not answer; the same call hands it over later.
            DistrustedError: a scanner of the plan is not trusted any more.
            RunTakenError: another engine works on it.
        """
        with self._opened() as queue, deciding(plan.run, self._volume, patience=_PATIENCE):
            if queue.find_run(plan.run) is None and not self._has_ended(plan.run):
                check_plan(plan, rules_of(self._config), spell_time(datetime.now(UTC)))
                write_plan(plan, self._volume)
                self._hand_over(plan, queue)
        return plan.run

    def _hand_over(self, plan: Plan, queue: CellQueue) -> None:
        """Put into the queue what is not done of a plan; within `deciding`."""
        take(self._claim(plan), self._volume, lambda _: "")
        done, versions = DoneCells(plan, self._volume).every(), {scan.name: version_of(scan) for scan in plan.scans}
        cells = [cell for cell in plan.cells if cell.runs and cell.id not in done]
        places = places_of(plan, batches(plan))
        queued = [
            QueuedCell(
                cell.target,
                cell.scan,
                versions[cell.scan],
                places.get(cell.target, 0) if cell.source is None else 0,
            )
            for cell in cells
        ]
        first = min((cell.batch for cell in queued), default=0)
        room_for_first(plan, [cell.target for cell in queued if cell.batch == first], self._volume)
        queue.hand_over(Handover(plan.run, queued, plan.limits.deadline, Turn[plan.asked_by.name]))

    @staticmethod
    def _claim(plan: Plan) -> RunClaim:
        return RunClaim(run=plan.run, since=now(), deadline=plan.limits.deadline, queued=True)

    def _has_ended(self, run: str) -> bool:
        """Whether the results of a run are there, and nobody works on it."""
        return is_whole(self._volume.results(run)) and read_claim(run, "", self._volume) is None

    def status(self, run: str) -> RunStatus:
        """How a run stands.

        Raises:
            UsageError: there is no such run.
        """
        with self._opened() as queue:
            return self._status(run, queue)

    def _status(self, run: str, queue: CellQueue) -> RunStatus:
        plan = find_plan(run, self._volume)
        if (there := queue.find_run(run)) is None:
            return status_of(run, self._volume)
        return status_in_queue(plan, there, queue.cells(run), queue.workers(), self._volume)

    def runs(self) -> tuple[RunStatus, ...]:
        """How every run on the volume stands, the newest first."""
        with self._opened() as queue:
            return statuses_of(self._volume, lambda run: self._status(run, queue))

    def follow(self, run: str) -> Iterator[RunStatus]:
        """See `Engine`; while the database is away nothing is reported, and nothing lost."""
        with self._opened() as queue:
            yield from self._follow(run, queue)

    def _follow(self, run: str, queue: CellQueue) -> Iterator[RunStatus]:
        last: RunStatus | None = None
        pace = Backoff(1, 15)
        while last is None or not last.ended:
            began = time.monotonic()
            try:
                self._tender.tend(queue)
                found = self._status(run, queue)
            except StoreGoneError as error:
                if last is None:
                    raise
                pause = pace.pause()
                _log.warning(
                    "run %s continues as far as it can; the next look follows in %.0f s: %s", run, pause, error
                )
                self._wait(pause, run)
                continue
            pace.reset()
            if found != last:
                yield found
            last = found
            if not found.ended:
                self._wait(max(_POLL, _SHARE * (time.monotonic() - began)), run)

    def _wait(self, seconds: float, run: str) -> None:
        if self._interrupted.wait(seconds):
            raise Interrupted(f"run {run} continues: workers have its cells; watch it with {ours('status', run)}")

    def logs(self, run: str, target: str, scan: str) -> Iterator[str]:
        """See `Engine`: its last lines, once an attempt has ended."""
        return log_of(run, target, scan, self._volume)

    def retry(self, run: str, observer: Observer) -> str:  # noqa: ARG002 - as `Engine` has it
        """Hand over again the cells of a run that are not ok; its ledger is then rewritten.

        Returns:
            The run's id.

        Raises:
            UsageError: there is no such run, or it has not ended.
        """
        plan = find_plan(run, self._volume)
        with self._opened() as queue, deciding(run, self._volume, patience=_PATIENCE):
            if queue.find_run(run) is not None:
                raise UsageError(f"run {run} has not ended: wait for its end, or cancel it, before it is tried again")
            check_plan(plan, rules_of(self._config), spell_time(datetime.now(UTC)))
            self._hand_over(plan, queue)
        return run

    def cancel(self, run: str) -> tuple[str, ...]:
        """End a run now: workers end their scanners, and its ledger says of what was left that it was cancelled.

        Returns:
            The run's id; nothing where it has ended already.

        Raises:
            UsageError: there is no such run.
        """
        find_plan(run, self._volume)
        with self._opened() as queue:
            if not queue.cancel(run, CANCELLED):
                return ()
            self._tender.tend(queue)
        return (f"run {run}",)

    def fetch(self, run: str) -> Ledger:
        """See `Engine`: its results are on this very volume.

        Raises:
            UsageError: there is no such run.
            EngineError: it has none.
        """
        find_plan(run, self._volume)
        if not is_whole(self._volume.results(run)):
            raise EngineError(f"run {run} has no results yet: see how it stands with {ours('status', run)}")
        return read_ledger(self._volume, run)

    def delete(self, run: str) -> tuple[str, ...]:
        """Take a run out of the queue, whose workers then end; plan, reports and results stay.

        Returns:
            The run's id; nothing where it was not in the queue.
        """
        plan = find_plan(run, self._volume)
        with self._opened() as queue, deciding(run, self._volume, patience=_PATIENCE):
            if not queue.forget_run(run):
                return ()
            release(plan, plan.targets_by_id, self._volume)
            give_back(self._claim(plan), self._volume)
        return (f"run {run}",)

    def finish_left(self) -> tuple[str, ...]:
        """See `Engine`: those of the queue, and those that other engines left on the volume."""
        with self._opened() as queue:
            return (*self._tender.tend(queue), *map(str, finish_left(self._volume)))

    @contextmanager
    def _opened(self) -> Iterator[CellQueue]:
        """The queue for one call; its tables are seen to once."""
        with self._connect() as queue:
            if not self._is_ready:
                queue.migrate()
                self._is_ready = True
            yield queue
