"""Why cells never started: their image could not be pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import may_help_again
from orchestrator.model import CellRecord, Decision
from orchestrator.model.endings import RecordState
from orchestrator.volume.records import Records, now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.errors import ScanmatrixError
    from orchestrator.model import Plan
    from orchestrator.volume.layout import Volume


def record_failure(plan: Plan, target: str, error: ScanmatrixError, volume: Volume) -> None:
    """Put why its pull failed into the record of each cell of a target that has none without an error.

    A cell that an earlier execution of the run brought to an end keeps its record. The next attempt of a cell begins a
    new one, so a pull that works in the end leaves no trace of this.
    """
    records = Records(volume, plan.run)
    record = CellRecord(error=f"pull: {error}", finished=now(), given_up=not may_help_again(error))
    for cell in plan.cells_by_target.get(target, ()):
        if cell.decision is not Decision.RUN:
            continue
        if records.look(cell.target, cell.scan).state not in {RecordState.BEGUN, RecordState.ENDED}:
            records.write(cell.target, cell.scan, record)


def unpullable(plan: Plan, targets: Iterable[str], volume: Volume) -> set[str]:
    """Those of some targets of which a cell says that its pull was given up."""
    records = Records(volume, plan.run)
    return {
        target
        for target in targets
        if any(records.look(cell.target, cell.scan).record.given_up for cell in plan.cells_by_target.get(target, ()))
    }
