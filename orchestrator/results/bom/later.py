"""The BOM of a result that somebody put, made when it is first asked for: most never are, and it takes half of a put.

It is the one that the aggregate step would have made, out of the plan, the ledger and the reports on the volume.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from orchestrator.errors import PermanentError
from orchestrator.findings.reading import read_report
from orchestrator.kit.guarding import guarded
from orchestrator.model import Outcome, Plan
from orchestrator.model.documents import read
from orchestrator.results.bom.target import TargetBom
from orchestrator.results.bom.whole import BomWriter
from orchestrator.results.errors import NoResultsError
from orchestrator.results.reports import parse_report, read_within
from orchestrator.volume.layout import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.findings.interface import Report
    from orchestrator.model import Ledger, LedgerRow
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)


def is_made_later(ledger: Ledger) -> bool:
    """Whether the BOM of a run is made when somebody asks: of one whose results were all put."""
    return bool(ledger.rows) and all(row.put_by for row in ledger.rows)


def make_bom(volume: Volume, ledger: Ledger, path: Path) -> None:
    """Write the BOM of a run.

    Args:
        volume: where the run lies.
        ledger: of the run.
        path: where the BOM goes.

    Raises:
        NoResultsError: its plan or a report is not on the volume any more, or not what it was.
        OSError: the volume cannot be written.
    """
    try:
        with guarded(f"making the BOM of run {ledger.run}"):
            plan = read(volume.plan(ledger.run), Plan)
            with atomic_file(path) as file, BomWriter(plan.run, plan.version, file, path.parent) as writer:
                for target in plan.targets:
                    bom, rows = TargetBom(target), [row for row in ledger.rows if row.target == target.id]
                    changed = [place for row in rows for place in bom.add(row, _report(row, plan, volume))]
                    if changed := [*changed, *writer.add(bom, rows)]:
                        _log.warning(
                            "%s: %d pieces of its BOM are not valid CycloneDX 1.6, so they are not in that of run %s",
                            target.reference, len(changed), plan.run,
                        )  # fmt: skip
                writer.finish(ledger.finished)
    except PermanentError as error:
        raise NoResultsError(f"{path}: it cannot be made: {error}") from error


def _report(row: LedgerRow, plan: Plan, volume: Volume) -> Report | None:
    """What the report of a cell says; None where the cell did not end ok."""
    if row.outcome is not Outcome.OK:
        return None
    scan = next(each for each in plan.scans if each.name == row.scan)
    cell = next(each for each in plan.cells if each.id == row.cell)
    folder = volume.cell(plan.run, row.target, row.scan)
    data = read_report(folder / scan.report, scan.report_limit, root=folder)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != row.report_digest:
        raise NoResultsError(f"{folder / scan.report} is not the report that the ledger is about")
    return read_within(plan.run, cell, scan, parse_report(scan.format, data))
