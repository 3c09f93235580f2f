"""Why cells never started: their image could not be pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.model import CellRecord, Decision
from orchestrator.model.endings import RecordState
from orchestrator.volume.records import Records, now

if TYPE_CHECKING:
    from orchestrator.model import Plan
    from orchestrator.volume.layout import Volume


def record_failure(plan: Plan, target: str, error: str, volume: Volume) -> None:
    """Put the reason into the record of each cell of a target that has none without an error.

    A cell that an earlier execution of the run brought to an end keeps its record. The next attempt of a cell begins a
    new one, so a pull that works in the end leaves no trace of this.
    """
    records = Records(volume, plan.run)
    record = CellRecord(error=error, finished=now())
    for cell in plan.cells_by_target.get(target, ()):
        if cell.decision is not Decision.RUN:
            continue
        if records.look(cell.target, cell.scan).state not in {RecordState.BEGUN, RecordState.ENDED}:
            records.write(cell.target, cell.scan, record)
