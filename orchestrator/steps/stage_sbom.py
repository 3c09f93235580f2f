"""The stage step of a cell that reads a stored SBOM: the SBOM in its folder, whole, and its database pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import PermanentError
from orchestrator.steps.staging import staging
from orchestrator.upkeep.databases import pin_for
from orchestrator.volume.sboms import open_sbom

if TYPE_CHECKING:
    from orchestrator.model import Cell, CellRecord, Plan
    from orchestrator.volume.layout import Volume


def stage_sbom(plan: Plan, cell: Cell, volume: Volume, *, in_image: bool = False) -> CellRecord:
    """Begin an attempt of a cell that has `source`; what an earlier attempt left there is removed, its report too.

    Args:
        plan: the run's plan.
        cell: the cell.
        volume: where everything lies.
        in_image: whether the scanner runs in its image; otherwise it is a process.

    Returns:
        The cell's record as it now stands on the volume: one more attempt, begun, not finished.

    Raises:
        PermanentError: the SBOM is gone or damaged, or the scan's image is not trusted any more.
        OSError: the volume cannot be written.
    """
    scan = next((each for each in plan.scans if each.name == cell.scan), None)
    if scan is None or cell.source is None:
        raise PermanentError(f"the plan {plan.run} has no SBOM for {cell.id}")
    target = plan.targets_by_id[cell.target]
    with staging(plan, target.id, scan, volume, in_image=in_image, source=cell.source) as attempt:
        open_sbom(volume, target.digest, cell.source, volume.sbom(plan.run, cell.target, cell.scan))
        attempt.note(database_version=pin_for(plan, target.id, scan, volume))
    return attempt.record
