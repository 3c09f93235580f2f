"""The stage step of a batch of cells that read stored SBOMs: each SBOM checked, whole, in a folder of the batch's pod.

An SBOM gets one attempt. Whatever comes of it, its cell is not begun in a batch again: its image is scanned then, so
that a pod that was killed continues with the cell after the one at which it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.sbom_loop import CELLS, MOST_TOGETHER, cell_name
from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.quantities import spell_size
from orchestrator.kit.removal import remove
from orchestrator.scanners.distrust import why_refused
from orchestrator.steps.static_program import put_program
from orchestrator.upkeep.databases import pin_for
from orchestrator.upkeep.left import is_untried
from orchestrator.upkeep.leftovers import make_accessible
from orchestrator.volume.layout import batch_folder
from orchestrator.volume.records import Records, now
from orchestrator.volume.sboms import StoredSbomError, open_sbom

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.argo.sbom_batches import SbomBatch
    from orchestrator.model import Cell, Plan, Scan
    from orchestrator.volume.layout import Volume


def stage_sboms(plan: Plan, batch: SbomBatch, volume: Volume, to: Path) -> int:
    """Make a batch ready for its scanner.

    Args:
        plan: the run's plan.
        batch: of it.
        volume: where everything lies.
        to: the folder of its pod.

    Returns:
        How many cells it is to run; of those that it cannot, the records say why.

    Raises:
        PermanentError: the scan's image is not trusted any more, or there is no database; no cell of it can run.
        OSError: the volume or the pod's folder cannot be written.
    """
    scan = next(each for each in plan.scans if each.name == batch.scan)
    records = Records(volume, plan.run)
    cells = {cell_name(place): cell for place, cell in enumerate(batch.cells, start=1)}
    waiting = {name: cell for name, cell in cells.items() if is_untried(plan, (cell.target, cell.scan), volume)}
    try:
        with guarded(f"staging batch {batch.number} of {scan.name}"):
            _begin(plan, batch, scan, volume, records)
    except ScanmatrixError as error:
        for cell in waiting.values():
            records.fail(cell.target, cell.scan, str(error))
        raise
    put_program(to)
    remove(to / CELLS)
    (to / CELLS).mkdir()
    staged, taken = 0, 0
    for name, cell in waiting.items():
        size = _stage(plan, cell, volume, to / CELLS / name, MOST_TOGETHER - taken)
        taken += size
        staged += bool(size)
    return staged


def _begin(plan: Plan, batch: SbomBatch, scan: Scan, volume: Volume, records: Records) -> None:
    """Give the whole batch its database; a record in the place of a cell's keeps that while it is in use."""
    if reason := why_refused(scan, (*plan.distrusted, *volume.distrusted), now()):
        raise PermanentError(reason)
    folder = batch_folder(batch.number)
    version = pin_for(plan, folder, scan, volume)
    records.write(folder, scan.name, records.attempt(folder, scan.name, image=scan.image), database_version=version)


def _stage(plan: Plan, cell: Cell, volume: Volume, to: Path, most: int) -> int:
    """Put one SBOM into the pod's folder; its bytes, 0 for one of no use."""
    records, target = Records(volume, plan.run), plan.targets_by_id[cell.target]
    try:
        with guarded(f"staging the SBOM of {target.reference} for {cell.scan}"):
            if cell.source is None:
                raise PermanentError("its plan has no SBOM for it")
            folder = volume.cell(plan.run, cell.target, cell.scan)
            folder.mkdir(parents=True, exist_ok=True)
            make_accessible(folder)
            open_sbom(volume, target.digest, cell.source, to)
            if (size := to.stat().st_size) > most:
                remove(to)
                raise StoredSbomError(f"the stored SBOMs of its batch have more than {spell_size(MOST_TOGETHER)}")
    except ScanmatrixError as error:
        record = msgspec.structs.replace(records.attempt(cell.target, cell.scan), source=cell.source)
        records.write(cell.target, cell.scan, record, error=str(error), finished=now())
        return 0
    return size
