"""The stage step of a cell that reads a stored SBOM: the SBOM in its folder, whole, and its database pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.removal import remove
from orchestrator.scanners.distrust import why_refused
from orchestrator.upkeep.databases import pin_for
from orchestrator.upkeep.leftovers import make_accessible
from orchestrator.volume.records import Records, now
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
    records = Records(volume, plan.run)
    record = records.attempt(cell.target, cell.scan, image=scan.image if in_image else "")
    record = msgspec.structs.replace(record, source=cell.source)
    target = plan.targets_by_id[cell.target]
    try:
        with guarded(f"staging the SBOM of {target.reference} for {scan.name}"):
            if reason := why_refused(scan, (*plan.distrusted, *volume.distrusted), now()):
                raise PermanentError(reason)
            folder = volume.cell(plan.run, cell.target, cell.scan)
            folder.mkdir(parents=True, exist_ok=True)
            make_accessible(folder)
            remove(folder / scan.report)
            open_sbom(volume, target.digest, cell.source, volume.sbom(plan.run, cell.target, cell.scan))
            record = msgspec.structs.replace(record, database_version=pin_for(plan, target.id, scan, volume))
    except ScanmatrixError as error:
        record = msgspec.structs.replace(record, error=str(error), finished=now())
        raise
    finally:
        records.write(cell.target, cell.scan, record)
    return record
