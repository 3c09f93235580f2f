"""What a worker does with a cell that it has taken: by the very code by which the local engine runs it."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.admission.scans import refused_at_start
from orchestrator.engines.local.cell import AttemptLostError, CellRunner
from orchestrator.engines.local.done import DoneCells
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.matching import from_image
from orchestrator.engines.local.scanners import Scanners
from orchestrator.engines.queue.databases import RunDatabases
from orchestrator.engines.queue.pulse import Pulse
from orchestrator.engines.queue.warm import WarmScanners, WarmServers
from orchestrator.engines.stop import INTERRUPTED, Stop
from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.kit.retrying import Backoff
from orchestrator.model.documents import spell_time
from orchestrator.scanners.distrust import refused_scans
from orchestrator.upkeep.plans import read_plan
from orchestrator.upkeep.reuse import without_downloads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Cell, Plan
    from orchestrator.queues.interface import CellQueue
    from orchestrator.store.cell_queue.messages import CellLease
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)
#: Plans that a worker remembers.
_REMEMBERED = 4
#: Seconds for which a run is left alone whose plan cannot be read, because the volume is away perhaps.
_LEAVE = 60.0


class _KnownRun(NamedTuple):
    """What a worker needs of a run."""

    plan: Plan
    cells: Mapping[tuple[str, str], Cell]
    scanners: Scanners
    databases: RunDatabases
    refused: Mapping[str, str]


class CellWork:
    """Runs cells, one at a time.

    Args:
        config: says how scanners are started.
        queue: the cells are from.
        volume: where runs lie.
        worker: its name, by which its containers are found after it was killed.
        tell: given a line for what somebody should know.
        launcher: starts all scanners; without one, they are started as the configuration says.
    """

    def __init__(
        self,
        config: Config,
        queue: CellQueue,
        volume: Volume,
        worker: str,
        *,
        tell: Callable[[str], None],
        launcher: Launcher | None = None,
    ) -> None:
        self._config, self._queue, self._volume, self._launcher = config, queue, volume, launcher
        self._label = f"worker {worker}@{volume.root}"
        self._runs: OrderedDict[str, _KnownRun] = OrderedDict()
        self._unreadable: dict[str, float] = {}
        self._stop: Stop | None = None
        self._interrupted = False
        self._servers = WarmServers(volume, worker, tell)

    @property
    def besides(self) -> Collection[str]:
        """Ids of runs whose plans cannot be read here."""
        present = time.monotonic()
        return {run for run, until in self._unreadable.items() if until > present}

    def interrupt(self) -> None:
        """Give the cell back at which it is."""
        self._interrupted = True
        if (stop := self._stop) is not None:
            stop.interrupt()

    def end(self) -> None:
        """End what it keeps running."""
        self._servers.end()

    def do(self, lease: CellLease) -> str:
        """Bring a cell to its end, or give it back; how it ended, in words."""
        try:
            with guarded(f"reading the plan of run {lease.run}"):
                known = self._known(lease.run)
                cell = known.cells[lease.target, lease.scan]
        except (ScanmatrixError, OSError) as error:
            # A plan of a later version; or the volume is away.
            self._unreadable[lease.run] = time.monotonic() + (inf if isinstance(error, PermanentError) else _LEAVE)
            _log.warning("run %s is left to other workers: its plan cannot be read here: %s", lease.run, error)
            return self._give_back(lease)
        with Stop(known.plan.limits.deadline, left=lease.left) as stop:
            self._stop = stop
            if self._interrupted:
                stop.interrupt()
            try:
                with Pulse(self._queue, lease, self._config.queue.lease, stop) as pulse:
                    return self._do(lease, known, cell, stop, pulse)
            finally:
                self._stop = None

    def _do(self, lease: CellLease, known: _KnownRun, cell: Cell, stop: Stop, pulse: Pulse) -> str:
        runner = CellRunner(known.plan, self._volume, known.scanners, stop, confirm=pulse.confirm)
        try:
            with guarded(f"running {cell.id}"):
                error = self._run(lease, known, cell, stop, runner)
        except AttemptLostError:
            return f"{cell.id}: another worker has it by now"
        except TemporaryError as temporary:  # another worker refreshes its database for longer than that may take
            _log.warning("%s is given back: %s", cell.id, temporary)
            return self._give_back(lease)
        except (ScanmatrixError, OSError) as trouble:
            error = in_words(trouble)
        if pulse.is_lost:
            return f"{cell.id}: another worker has it by now"
        if pulse.over and error == INTERRUPTED:
            error = runner.fail(cell, pulse.over).error
        elif error == INTERRUPTED:
            return self._give_back(lease)
        return self._finish(lease, error)

    def _run(self, lease: CellLease, known: _KnownRun, cell: Cell, stop: Stop, runner: CellRunner) -> str:
        """Run a cell; why it failed, else nothing."""
        if lease.attempt > 1 and DoneCells(known.plan, self._volume).find(cell) is not None:
            return ""  # its worker was lost between its last word on the volume and that to the queue
        scan = next(each for each in known.plan.scans if each.name == cell.scan)
        why = known.refused.get(scan.name) or self._distrusted(known.plan, scan.name)
        why = why or known.databases.make_sure(scan, stop)
        if why and not stop.interrupted:
            return runner.fail(cell, why).error
        record = runner.run(cell)
        if cell.source is not None and record.error and not stop.reason():
            record = runner.run(from_image(cell, record))
        return record.error

    def _distrusted(self, plan: Plan, scan: str) -> str:
        return refused_scans(plan, self._volume.distrusted, spell_time(datetime.now(UTC))).get(scan, "")

    def _known(self, run: str) -> _KnownRun:
        if run not in self._runs:
            plan = read_plan(run, self._volume)
            if not self._config.databases.update:
                plan = without_downloads(plan)
            local, root = self._config.local, self._volume.root
            launcher = self._launcher or Launcher(local.runner, self._label, sandbox=local.sandbox, hidden=[root])
            scanners = (
                Scanners(launcher, plan.limits)
                if self._launcher
                else WarmScanners(launcher, plan.limits, self._servers)
            )
            cells = {(cell.target, cell.scan): cell for cell in plan.cells if cell.runs}
            databases = RunDatabases(plan, self._volume, scanners)
            self._runs[run] = _KnownRun(plan, cells, scanners, databases, refused_at_start(plan, self._config))
        self._runs.move_to_end(run)
        while len(self._runs) > _REMEMBERED:
            self._runs.popitem(last=False)
        return self._runs[run]

    def _finish(self, lease: CellLease, error: str) -> str:
        """Say how a cell ended, however long the database is away; after a kill another worker finds it done."""
        pace = Backoff(0.2, 5)
        while True:
            try:
                ours = self._queue.finish(lease, error)
            except TemporaryError as temporary:
                _log.warning(
                    "%s/%s has ended, which cannot be written down yet: %s", lease.target, lease.scan, temporary
                )
                if self._interrupted:
                    break
                time.sleep(pace.pause())
            else:
                if not ours:
                    _log.info("%s/%s had ended, or is another worker's by now", lease.target, lease.scan)
                break
        return f"{lease.target}/{lease.scan}: {error or 'ok'}"

    def _give_back(self, lease: CellLease) -> str:
        try:
            self._queue.give_back(lease)
        except TemporaryError as error:  # its lease runs out
            _log.warning("%s/%s could not be given back: %s", lease.target, lease.scan, error)
        return f"{lease.target}/{lease.scan}: given back"
