"""Why cells never started: their image could not be pulled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.model import CellRecord, Decision
from orchestrator.model.documents import DocumentError, encode, read, spell_time
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.model import Plan
    from orchestrator.volume.layout import Volume


def record_failure(plan: Plan, target: str, error: str, volume: Volume) -> None:
    """Put the reason into the record of each cell of a target that has none without an error.

    A cell that an earlier execution of the run brought to an end keeps its record. The next attempt of a cell begins a
    new one, so a pull that works in the end leaves no trace of this.
    """
    record = CellRecord(error=error, finished=spell_time(datetime.now(UTC)))
    for cell in plan.cells:
        path = volume.record(plan.run, cell.target, cell.scan)
        if cell.target != target or cell.decision is not Decision.RUN or _ended_well(path):
            continue
        write_atomic(path, encode(record))


def _ended_well(path: Path) -> bool:
    try:
        return not read(path, CellRecord).error
    except DocumentError:
        return False
