"""The cells of a run that ended well in an earlier call of an engine, and need not be run again."""

from __future__ import annotations

import logging
import stat
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.model import CellState, Decision, Ledger, Outcome
from orchestrator.model.documents import DocumentError, read
from orchestrator.model.endings import Evidence, ReportState, decide
from orchestrator.results.provisional import LEDGER, is_whole
from orchestrator.volume.records import Records

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.model import Cell, CellRecord, Plan
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)


class DoneCells:
    """Looks which cells of a plan are done, as far as the ledger of an earlier call believed their reports."""

    def __init__(self, plan: Plan, volume: Volume) -> None:
        self._plan = plan
        self._volume = volume
        self._scans = {scan.name: scan for scan in plan.scans}
        self._records = Records(volume, plan.run)

    def every(self) -> dict[str, CellRecord]:
        """The records of all cells that are done, by the cells' ids; one of which nothing can be found out is not."""
        found = {}
        for cell in self._plan.cells:
            if cell.decision is not Decision.RUN:
                continue
            try:
                with guarded(f"looking how {cell.id} ended"):
                    record = self.find(cell)
            except (ScanmatrixError, OSError) as error:
                _log.warning("%s runs again: %s", cell.id, error)
                continue
            if record is not None:
                found[cell.id] = record
        return found

    def find(self, cell: Cell) -> CellRecord | None:
        """The record of a cell that is done; None for others."""
        return self.look(cell, refused=self._refused.get(cell.id))

    def look(self, cell: Cell, *, refused: int | None = None) -> CellRecord | None:
        """The record of a cell that ended well in an earlier call, and whose report is still there; None for others.

        Args:
            cell: the cell.
            refused: the attempt whose report the ledger of that call did not believe: of one after it no ledger has
                said anything yet.
        """
        scan = self._scans[cell.scan]
        report = self._volume.cell(self._plan.run, cell.target, cell.scan) / scan.report
        found = self._records.look(cell.target, cell.scan, scan.success_codes)
        seen = ReportState.UNREAD if _is_regular(report) else ReportState.MISSING
        seen = ReportState.UNSOUND if found.record.attempts == refused else seen
        ended_well = decide(Evidence(cell.decision, found.state, report=seen)).state is CellState.OK
        return found.record if ended_well else None

    @cached_property
    def _refused(self) -> dict[str, int]:
        """The attempts, by cell, of those that the ledger of an earlier call calls failed."""
        folder = self._volume.results(self._plan.run)
        try:
            ledger = read(folder / LEDGER, Ledger)
        except (DocumentError, OSError):
            return {}
        if not is_whole(folder):  # nobody has read their reports
            return {}
        return {row.cell: row.attempts for row in ledger.rows if row.outcome is Outcome.FAILED}


def _is_regular(path: Path) -> bool:
    """Whether there is a regular file, not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
