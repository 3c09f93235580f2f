"""Which cells of a run have still to be run, or run again: those that did not end ok."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.model import Decision, Outcome
from orchestrator.model.documents import DocumentError
from orchestrator.model.plan import matched
from orchestrator.results.cells import examine
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import is_whole
from orchestrator.scanners.distrust import why_refused
from orchestrator.upkeep.databases import current
from orchestrator.volume.records import Records, now

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.model import Plan
    from orchestrator.volume.layout import Volume


def failed_cells(plan: Plan, volume: Volume) -> set[tuple[str, str]]:
    """Target id and scan of every cell that failed, by the run's ledger; without one, by what lies on the volume."""
    if not is_whole(volume.results(plan.run)):
        return unsound_cells(plan, volume)
    try:
        ledger = read_ledger(volume, plan.run)
    except (NoResultsError, DocumentError):
        return unsound_cells(plan, volume)
    return {(row.target, row.scan) for row in ledger.rows if row.outcome is Outcome.FAILED}


def is_untried(plan: Plan, cell: tuple[str, str], volume: Volume) -> bool:
    """Whether no attempt at a cell was made in this run, neither from its stored SBOM nor at its image.

    Args:
        plan: of the run.
        cell: target id and scan.
        volume: where the run lies.
    """
    return not Records(volume, plan.run).look(*cell).record.attempts


def left_by_sboms(plan: Plan, volume: Volume, *, unrecorded: Collection[tuple[str, str]] = ()) -> set[tuple[str, str]]:
    """Target id and scan of every cell whose stored SBOM was of no use, and whose image was not scanned itself.

    Not of those whose scanner is denied, or has no database: their images are no more use.

    Args:
        plan: of the run.
        volume: where it lies.
        unrecorded: cells that failed, and whose records could not be written.
    """
    records, reading = Records(volume, plan.run), {(cell.target, cell.scan) for cell in matched(plan)}
    unsound = unsound_cells(plan, volume, {target for target, _ in reading}, unrecorded=unrecorded)
    distrusted, moment = (*plan.distrusted, *volume.distrusted), now()
    able = {
        scan.name
        for scan in plan.scans
        if not why_refused(scan, distrusted, moment) and (scan.database is None or current(volume, scan.name))
    }
    found = {(target, scan): records.look(target, scan).record for target, scan in unsound & reading if scan in able}
    return {cell for cell, record in found.items() if record.source is not None or not record.attempts}


def unsound_cells(
    plan: Plan,
    volume: Volume,
    targets: Collection[str] | None = None,
    *,
    unrecorded: Collection[tuple[str, str]] = (),
) -> set[tuple[str, str]]:
    """Target id and scan of every cell to run that has no sound report yet.

    Reads every report, so leave it at the targets that matter.

    Args:
        plan: of the run.
        volume: where it lies.
        targets: ids; None for all.
        unrecorded: cells that failed, and whose records could not be written.
    """
    scans = {scan.name: scan for scan in plan.scans}
    return {
        (cell.target, cell.scan)
        for target in (plan.cells_by_target if targets is None else targets)
        for cell in plan.cells_by_target.get(target, ())
        if cell.decision is Decision.RUN
        and (
            (cell.target, cell.scan) in unrecorded
            or examine(plan, cell, plan.targets_by_id[cell.target], scans[cell.scan], volume).row.outcome
            is not Outcome.OK
        )
    }
