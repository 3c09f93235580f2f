"""The keep step of a batch of cells that read stored SBOMs: each report, and how its cell ended, as soon as it has.

What a pod that is killed has done is on the volume by then. The scanner writes a folder of its pod, which this
container sees read-only; what the scanner makes of that folder is the end of cells of its own batch only, and leads
nowhere else.
"""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.argo.agreed import OF_CONTAINERS
from orchestrator.argo.ends import End, said_of
from orchestrator.argo.names import MAIN
from orchestrator.argo.sbom_loop import BEGUN, CELLS, EXIT, LEFT, LOG, LOG_BYTES, cell_name
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.masking import mask
from orchestrator.model.endings import RecordState, timed_out
from orchestrator.steps.keep import ENDED, FILE, FOLDER, GRACE, PAUSES, POLL, UnkeptError, keep_one, listening
from orchestrator.upkeep.databases import pinned
from orchestrator.volume.layout import batch_folder
from orchestrator.volume.records import Records, now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from orchestrator.argo.commands import KeepSbomsStep
    from orchestrator.argo.sbom_batches import SbomBatch
    from orchestrator.model import Cell, CellRecord, Plan, Scan
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)

_KILLED = 137
#: Exit code and seconds, as the loop writes them.
_EXIT = re.compile(r"(\d{1,3}) (\d{1,9})\n?")
_SMALL = 100


class _Exit(NamedTuple):
    """How a scanner ended that read one SBOM."""

    code: int
    seconds: int


def keep_sboms(step: KeepSbomsStep, plan: Plan, batch: SbomBatch, volume: Volume) -> Iterator[str]:
    """Keep what the scanner beside us makes of a batch, until it has ended; yields a line for each cell.

    Raises:
        UnkeptError: what some of its cells came to could not be written.
    """
    keeper = _Keeper(step, plan, batch, volume)
    with listening() as told:
        yield from keeper.keep(told)


def left_of(plan: Plan, batch: SbomBatch, volume: Volume) -> int:
    """How many cells of a batch have not ended well, so that something else has to be done about them."""
    scan = next(each for each in plan.scans if each.name == batch.scan)
    records = Records(volume, plan.run)
    return sum(
        records.look(cell.target, cell.scan, scan.success_codes).state is not RecordState.ENDED
        or not os.path.lexists(volume.cell(plan.run, cell.target, cell.scan) / scan.report)
        for cell in batch.cells
    )


class _Keeper:
    """Looks at what the scanner of one batch has done."""

    def __init__(self, step: KeepSbomsStep, plan: Plan, batch: SbomBatch, volume: Volume) -> None:
        self._step, self._volume, self._run = step, volume, plan.run
        self._scan: Scan = next(each for each in plan.scans if each.name == batch.scan)
        self._records = Records(volume, plan.run)
        self._pauses = iter(PAUSES)
        self._version = ""
        with suppress(OSError):
            self._version = pinned(volume, plan.run, batch_folder(batch.number), batch.scan).readlink().name
        staged = {path.name for path in (step.sboms / CELLS).iterdir()}
        cells = {cell_name(place): cell for place, cell in enumerate(batch.cells, start=1)}
        #: Cells whose scanner has not ended, by their names.
        self._left: dict[str, Cell] = {name: cell for name, cell in cells.items() if name in staged}
        #: Of those that it has begun with, the records as they are on the volume.
        self._begun: dict[str, CellRecord] = {}
        self._unkept: list[str] = []

    def keep(self, told: Collection[int]) -> Iterator[str]:
        until = None
        while self._left:
            over = os.path.lexists(self._step.executor / OF_CONTAINERS / MAIN / ENDED)
            over = over or (until is not None and time.monotonic() > until)
            yield from self._look()
            if over:
                break
            if until is None and told:
                until = time.monotonic() + GRACE
            time.sleep(POLL)
        if self._unkept:
            raise UnkeptError("; ".join(self._unkept))

    def _look(self) -> Iterator[str]:
        """Everything that has happened since the last look."""
        for name, cell in tuple(self._left.items()):
            try:
                if name not in self._begun and self._has(name, BEGUN):
                    record = self._records.attempt(cell.target, cell.scan, image=self._scan.image)
                    record = msgspec.structs.replace(record, source=cell.source, database_version=self._version)
                    self._begun[name] = self._records.write(cell.target, cell.scan, record)
                if name not in self._begun or (ended := self._exit(name)) is None:
                    continue
                del self._left[name]
                error = self._keep(name, cell, ended)
                self._records.write(
                    cell.target,
                    cell.scan,
                    self._begun[name],
                    finished=now(),
                    error=error,
                    exit_code=ended.code,
                    log=mask(self._text(name, LOG, LOG_BYTES)) if error else "",
                )
            except (ScanmatrixError, OSError) as error:
                self._left.pop(name, None)
                self._unkept.append(f"{cell.id}: {error}")
                _log.warning("what became of %s could not be kept: %s", cell.id, error)
                continue
            yield f"{cell.id}: {error or 'its report is kept'}"

    def _keep(self, name: str, cell: Cell, ended: _Exit) -> str:
        """Keep the report of a cell; why it has not ended well, otherwise."""
        scan = self._scan
        if ended.code == _KILLED and ended.seconds >= scan.timeout:
            return timed_out(scan.timeout)
        if ended.code not in scan.success_codes:
            return said_of(End(MAIN, ended.code))
        kept = self._volume.cell(self._run, cell.target, cell.scan)
        size = keep_one(partial(self._folder, name), kept, scan.report, scan.report_limit, self._pauses)
        if size is None:
            return f"it ended well, but wrote no report {scan.report}"
        return f"its report grew over the limit of {scan.report_limit} bytes" if size > scan.report_limit else ""

    def _folder(self, name: str) -> int:
        """Open the folder of a cell, in which its scanner may have put anything in place of anything."""
        folder = os.open(self._step.scanned, FOLDER)
        for part in (LEFT, name):
            try:
                inner = os.open(part, FOLDER, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder

    def _has(self, name: str, file: str) -> bool:
        with suppress(OSError):
            folder = self._folder(name)
            try:
                os.stat(file, dir_fd=folder, follow_symlinks=False)
                return True
            finally:
                os.close(folder)
        return False

    def _exit(self, name: str) -> _Exit | None:
        """How the scanner ended that read a cell's SBOM; None while it has not."""
        if not self._has(name, EXIT):
            return None
        found = _EXIT.fullmatch(self._text(name, EXIT, _SMALL))
        return _Exit(int(found[1]), int(found[2])) if found else _Exit(1, 0)

    def _text(self, name: str, file: str, most: int) -> str:
        """The beginning of a small file of a cell's folder; empty for what is none."""
        with suppress(OSError):
            folder = self._folder(name)
            try:
                descriptor = os.open(file, FILE, dir_fd=folder)
            finally:
                os.close(folder)
            try:
                return os.read(descriptor, most).decode(errors="replace")
            finally:
                os.close(descriptor)
        return ""
