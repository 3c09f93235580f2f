"""Which cells of a run have still to be run, or run again: those that did not end ok."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.model import Decision, Outcome
from orchestrator.model.documents import DocumentError
from orchestrator.results.cells import examine
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import is_whole

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
