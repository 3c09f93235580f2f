"""One run of a plan on this machine: databases, pulls, cells, and the ledger."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from orchestrator.engines.interface import Interrupted, Observer
from orchestrator.engines.local.cell import CellRunner
from orchestrator.engines.local.crew import each
from orchestrator.engines.local.done import DoneCells
from orchestrator.engines.local.matching import batches_of, match_sboms
from orchestrator.engines.local.refreshing import refresh_for_run
from orchestrator.engines.local.scanners import Scanners
from orchestrator.engines.narrator import notify
from orchestrator.engines.stop import INTERRUPTED, Stop
from orchestrator.errors import ScanmatrixError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.kit.advice import resuming
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.model import Cell, CellRecord, Decision, Ledger, Plan, Scan, Target
from orchestrator.model.documents import spell_time
from orchestrator.planning.batches import fits
from orchestrator.scanners.distrust import refused_scans
from orchestrator.steps.aggregate import aggregate
from orchestrator.steps.pull import pull
from orchestrator.upkeep.leftovers import clear_attempts
from orchestrator.upkeep.links import evict
from orchestrator.upkeep.room import make_room
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import now

_log = logging.getLogger(__name__)


class Execution:
    """One call of the engine for one plan."""

    def __init__(
        self,
        plan: Plan,
        volume: Volume,
        observer: Observer,
        *,
        stop: Stop,
        client: RegistryClient,
        scanners: Scanners,
        refused: Callable[[Plan], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._plan, self._refused = plan, refused
        self._volume = volume
        self._observer = observer
        self._stop = stop
        self._client = client
        self._scanners = scanners
        self._cells = CellRunner(plan, volume, self._scanners, stop, client)
        self._slots = threading.BoundedSemaphore(plan.limits.cells_in_flight)
        self._targets = plan.targets_by_id
        self._pending: dict[str, list[Cell]] = {}
        self._counting = threading.Lock()
        self._ended = 0
        #: Why cells failed whose records could not be written, by target id and scan.
        self._unrecorded: dict[tuple[str, str], str] = {}
        #: What the summary says beside how cells ended.
        self._notes: list[str] = []

    def run(self) -> Ledger:
        """Everything from the databases to the ledger, which is written whatever happens to the cells."""
        try:
            with guarded(f"running the cells of run {self._plan.run}"):
                self._run_cells()
        except Interrupted:
            raise
        except (ScanmatrixError, OSError) as error:
            self._fail_unfinished(self._plan.cells, in_words(error))
        self._check_interrupted()
        return aggregate(self._plan, self._volume, notes=self._notes, unrecorded=self._unrecorded)

    def _run_cells(self) -> None:
        self._observer.plan_started(self._plan)
        with suppress(OSError):  # of a call that was killed: nobody else is at work on this run
            clear_attempts(self._plan.run, self._volume)
        self._find_pending()
        self._fail_refused_scanners()
        self._fail_missing_scanners()
        self._refresh_databases()
        at_once = self._plan.limits.cells_in_flight
        self._pending = match_sboms(self._pending, self._run_in_slot, self._end, limit=at_once, stop=self._stop)
        all_fit = fits(self._plan)
        for batch in batches_of(self._plan, self._pending):
            targets = [self._targets[id_] for id_ in batch if self._pending.get(id_)]
            self._make_room([target.id for target in targets])
            each(targets, self._run_target, limit=self._plan.limits.images_in_flight, interrupt=self._stop.interrupt)
            if not all_fit:
                self._evict(batch)

    def _make_room(self, batch: Sequence[str]) -> None:
        """Remove tarballs and copies that other runs left, where they and a batch exceed the volume's budget."""
        try:
            with guarded(f"making room for tarballs of run {self._plan.run}"):
                make_room(self._plan, batch, self._volume)
        except (ScanmatrixError, OSError) as error:
            _log.warning("tarballs of earlier runs could not be removed: %s", error)

    def _evict(self, batch: Sequence[str]) -> None:
        """Make room for the next batch; where that fails, its pulls say what the volume lacks."""
        try:
            with guarded(f"removing tarballs of run {self._plan.run}"):
                evict(self._plan, batch, self._volume)
        except (ScanmatrixError, OSError) as error:
            _log.warning("tarballs of images that are done could not be removed: %s", error)

    def interrupted(self) -> Interrupted:
        """What there is to say of an interrupt."""
        left = self._plan.budget.cells - self._ended
        return Interrupted(
            f"run {self._plan.run} was interrupted with {left} cells to go, what is done is kept; "
            f"resume it with {resuming(self._plan.run)}"
        )

    def _check_interrupted(self) -> None:
        """End here when somebody asked for it from another thread, before what was not done counts as failed."""
        if self._stop.interrupted:
            raise self.interrupted()

    def _find_pending(self) -> None:
        """Sort out the cells that an earlier call has done."""
        done = DoneCells(self._plan, self._volume).every()
        for cell in self._plan.cells:
            if cell.decision is not Decision.RUN:
                continue
            if (record := done.get(cell.id)) is not None:
                self._end(cell, record)
            else:
                self._pending.setdefault(cell.target, []).append(cell)

    def _fail_refused_scanners(self) -> None:
        """Fail the cells of scanners that came to be denied since the plan was made; no database is refreshed then."""
        distrusted = refused_scans(self._plan, self._volume.distrusted, spell_time(datetime.now(UTC)))
        for name, reason in {**self._refused(self._plan), **distrusted}.items():
            self._fail_scan(name, reason)

    def _fail_missing_scanners(self) -> None:
        """Fail the cells of scanners that are not available, before anything is pulled for them."""
        wanted = {cell.scan for cells in self._pending.values() for cell in cells}
        for scan in self._plan.scans:
            if scan.name in wanted and (reason := self._missing(scan)):
                self._fail_scan(scan.name, reason)
                wanted.discard(scan.name)
        if warning := self._scanners.launcher.warning(scan for scan in self._plan.scans if scan.name in wanted):
            _log.warning("%s", warning)

    def _missing(self, scan: Scan) -> str:
        """Why a scan cannot run here; empty when it can."""
        try:
            with guarded(f"looking for the scanner of {scan.name}"):
                return self._scanners.launcher.missing(scan)
        except (ScanmatrixError, OSError) as error:
            return in_words(error)

    def _refresh_databases(self) -> None:
        """Refresh the databases of the scans to come, each once per run, and fail the cells of those without any."""
        wanted = {cell.scan for cells in self._pending.values() for cell in cells}
        scans = [scan for scan in self._plan.scans if scan.name in wanted and scan.database]
        errors: dict[str, str] = {}

        def refresh_one(scan: Scan) -> None:
            if error := self._refresh_database(scan):
                errors[scan.name] = error

        each(scans, refresh_one, limit=self._plan.limits.cells_in_flight, interrupt=self._stop.interrupt)
        self._check_interrupted()
        for scan in scans:
            if scan.name in errors:
                self._fail_scan(scan.name, errors[scan.name])

    def _refresh_database(self, scan: Scan) -> str:
        """Refresh one database; why there is none at all, otherwise."""
        found = refresh_for_run(self._plan, scan, self._volume, self._scanners, self._stop)
        if found.note:
            self._notes.append(found.note)
            _log.warning("%s", found.note)
        return found.missing

    def _fail_scan(self, scan: str, reason: str) -> None:
        for target, cells in self._pending.items():
            failed = [cell for cell in cells if cell.scan == scan]
            self._pending[target] = [cell for cell in cells if cell.scan != scan]
            for cell in failed:
                self._fail(cell, reason)

    def _run_target(self, target: Target) -> None:
        """Pull an image, then run its cells; its place among the images in flight is taken until the last has ended.

        Whatever goes wrong fails those of its cells that have not ended, and no others.
        """
        cells = self._pending[target.id]
        try:
            with guarded(f"running the cells of {target.reference}"):
                self._pull_and_run(target, cells)
        except (ScanmatrixError, OSError) as error:
            self._fail_unfinished(cells, in_words(error))

    def _fail_unfinished(self, cells: Iterable[Cell], reason: str) -> None:
        """Write down why cells have not ended; the observer is not told, because it may be what failed."""
        for cell in cells:
            if cell.decision is Decision.RUN and not self._has_ended(cell):
                self._record_failure(cell, reason)

    def _has_ended(self, cell: Cell) -> bool:
        try:
            with guarded(f"looking whether {cell.id} has ended"):
                return bool(self._cells.record(cell).finished)
        except (ScanmatrixError, OSError):
            return False

    def _record_failure(self, cell: Cell, reason: str) -> CellRecord:
        """Write down why a cell failed; where that cannot be written, the ledger says so."""
        try:
            with guarded(f"writing down why {cell.id} failed"):
                return self._cells.fail(cell, reason)
        except (ScanmatrixError, OSError) as error:
            self._unrecorded[cell.target, cell.scan] = reason
            _log.warning("%s: its record could not be written: %s", cell.id, error)
            return CellRecord(error=reason, finished=now())

    def _pull_and_run(self, target: Target, cells: list[Cell]) -> None:
        reason = self._stop.reason() or self._pull(target)
        if self._stop.interrupted:
            return
        if reason:
            for cell in cells:
                self._fail(cell, reason)
            return
        each(cells, self._run_cell, limit=len(cells), interrupt=self._stop.interrupt)

    def _pull(self, target: Target) -> str:
        """Make sure of the image's tarball; why it is not available, otherwise."""
        self._observer.pull_started(target)
        try:
            progress = partial(self._observer.pull_progress, target)
            with guarded(f"pulling {target.reference}"):
                pull(
                    self._plan,
                    target.id,
                    self._volume,
                    client=self._client,
                    progress=progress,
                    cancelled=self._stop.event,
                )
            error = ""
        except (ScanmatrixError, OSError) as failure:
            error = f"pull: {in_words(failure)}"
        self._observer.pull_finished(target, error)
        return error

    def _run_cell(self, cell: Cell) -> None:
        record = self._run_in_slot(cell)
        if record is not None:
            self._end(cell, record)

    def _run_in_slot(self, cell: Cell) -> CellRecord | None:
        """Run one cell to its end; whatever goes wrong there is the end of this cell, and of no other.

        Returns:
            How it ended; None where it was not begun, because somebody interrupted the run.
        """
        with self._slots:
            if self._stop.interrupted:
                return None
            if reason := self._stop.reason():
                return self._record_failure(cell, reason)
            try:
                with guarded(f"running {cell.id}"):
                    self._observer.cell_started(cell)
                    return self._cells.run(cell)
            except (ScanmatrixError, OSError) as error:
                return self._record_failure(cell, in_words(error))

    def _fail(self, cell: Cell, reason: str) -> None:
        self._end(cell, self._record_failure(cell, reason))

    def _end(self, cell: Cell, record: CellRecord) -> None:
        """Count the cell and tell of it, unless it is one that should be run again by the next call.

        It has ended, so an observer that fails changes nothing about it.
        """
        if record.error != INTERRUPTED:
            with self._counting:
                self._ended += 1
        notify(self._observer.cell_finished, cell, record)
