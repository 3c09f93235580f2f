"""What somebody has to see to while workers take cells: all who look at the queue do it, any number of them at once.

Leases that ran out, deadlines, the next batch of a run, and in the end its results: how each cell ended is brought into
the records, and the one last step of every run makes the ledger.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from orchestrator.engines.local.done import DoneCells
from orchestrator.engines.queue.databases import notes_of
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.retrying import Backoff
from orchestrator.model.endings import RecordState
from orchestrator.planning.batches import fits
from orchestrator.steps.ending import end_run
from orchestrator.steps.settle import Settled
from orchestrator.store.cell_queue.messages import QueueState
from orchestrator.store.documents import StoreGoneError
from orchestrator.upkeep.claims import deciding
from orchestrator.upkeep.leftovers import clear_attempts
from orchestrator.upkeep.links import evict
from orchestrator.upkeep.plans import read_plan
from orchestrator.upkeep.room import make_room
from orchestrator.volume.locks import LockedError
from orchestrator.volume.records import Records

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.config.queue import QueueSection
    from orchestrator.model import Plan
    from orchestrator.queues.interface import CellQueue
    from orchestrator.store.cell_queue.messages import CellInQueue, RunInQueue
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)


class Tender:
    """Sees to the runs of a queue.

    Args:
        volume: where the runs lie.
        settings: of the queue.
    """

    def __init__(self, volume: Volume, settings: QueueSection) -> None:
        self._volume = volume
        self._settings = settings
        #: When a run that could not be brought to its end is tried again.
        self._later: dict[str, tuple[float, Backoff]] = {}

    def tend(self, queue: CellQueue) -> tuple[str, ...]:
        """Do what there is to do; what was done, a sentence for each run that got its results.

        Raises:
            StoreGoneError: the database does not answer.
        """
        queue.sweep(lease=self._settings.lease, most_attempts=self._settings.attempts)
        return tuple(filter(None, (self._see_to(run, queue) for run in queue.runs())))

    def _see_to(self, run: RunInQueue, queue: CellQueue) -> str:
        """See to one run; trouble with it keeps nobody from the others."""
        due, pace = self._later.get(run.run, (0.0, Backoff(5, 300)))
        if time.monotonic() < due:
            return ""
        try:
            with guarded(f"seeing to run {run.run}"):
                done = self._advance(run, queue)
        except (LockedError, StoreGoneError) as error:
            if isinstance(error, StoreGoneError):
                raise
            return ""  # somebody else is at it
        except (ScanmatrixError, OSError) as error:
            self._later[run.run] = (time.monotonic() + pace.pause(), pace)
            _log.warning("run %s cannot be brought to its end, and is tried again: %s", run.run, error)
            return ""
        self._later.pop(run.run, None)
        return done

    def _advance(self, run: RunInQueue, queue: CellQueue) -> str:
        standing = queue.standing(run.run)
        if standing & {QueueState.WAITING, QueueState.LEASED}:
            return ""
        if QueueState.HELD in standing:
            self._begin_next_batch(run.run, queue)
            return ""
        return self._collect(run, queue)

    def _begin_next_batch(self, run: str, queue: CellQueue) -> None:
        """Make room for the tarballs of the next batch, and let workers have its cells."""
        plan, cells = read_plan(run, self._volume), queue.cells(run)
        held = {cell.target for cell in cells if cell.state is QueueState.HELD}
        evict(plan, {cell.target for cell in cells} - held, self._volume)
        queue.begin_next_batch(run)

    def _collect(self, run: RunInQueue, queue: CellQueue) -> str:
        with deciding(run.run, self._volume, patience=0):
            if queue.find_run(run.run) is None:
                return ""  # somebody else was quicker
            cells = queue.cells(run.run)
            ledger = end_run(run.run, "", self._volume, lambda plan: self._settle(plan, run, cells))
            queue.forget_run(run.run)
        return f"run {run.run} has ended: ledger of {len(ledger.rows) if ledger else 0} cells written"

    def _settle(self, plan: Plan, run: RunInQueue, cells: Sequence[CellInQueue]) -> Settled:
        """Bring into the records what only the queue knows: why cells were not begun, or lost their workers."""
        clear_attempts(plan.run, self._volume)
        records, done, unrecorded = Records(self._volume, plan.run), DoneCells(plan, self._volume), {}
        of_plan = {(cell.target, cell.scan): cell for cell in plan.cells}
        for cell in cells:
            key = (cell.target, cell.scan)
            if not cell.reason or key not in of_plan or done.find(of_plan[key]) is not None:
                continue
            told = records.look(*key).state in {RecordState.FAILED, RecordState.ENDED}
            if cell.state is QueueState.ENDED and told:
                continue
            try:
                records.fail(*key, cell.reason)
            except OSError:
                unrecorded[key] = cell.reason
        notes = [f"the run ended early: {run.over}"] if run.over else []
        return Settled((*notes, *notes_of(plan, self._volume)), unrecorded)


def room_for_first(plan: Plan, targets: Collection[str], volume: Volume) -> None:
    """Remove tarballs that other runs left where they and the first batch of a run exceed the volume's budget."""
    try:
        with guarded(f"making room for tarballs of run {plan.run}"):
            make_room(plan, targets, volume)
    except (ScanmatrixError, OSError) as error:
        _log.warning("tarballs of earlier runs could not be removed: %s", error)


def places_of(plan: Plan, batches: Sequence[Sequence[str]]) -> dict[str, int]:
    """The batch of each target; all are in one where their tarballs fit the volume together."""
    if fits(plan):
        return {}
    return {target: place for place, batch in enumerate(batches) for target in batch}
