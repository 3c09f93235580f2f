"""How a run in the queue stands: by the queue for the cells that are in it, by their records for all others."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.engines.local.status import status_of_cell
from orchestrator.kit.advice import ours
from orchestrator.model import CellState, CellStatus, RunStatus
from orchestrator.model.documents import spell_time
from orchestrator.model.endings import NodeState
from orchestrator.store.cell_queue.messages import QueueState
from orchestrator.volume.records import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Plan
    from orchestrator.store.cell_queue.messages import CellInQueue, QueueWorker, RunInQueue
    from orchestrator.volume.layout import Volume

_STATES = {
    QueueState.HELD: CellState.WAITING,
    QueueState.WAITING: CellState.WAITING,
    QueueState.LEASED: CellState.RUNNING,
    QueueState.LOST: CellState.FAILED,
    QueueState.LEFT: CellState.FAILED,
}


def status_in_queue(
    plan: Plan, run: RunInQueue, cells: Sequence[CellInQueue], workers: Sequence[QueueWorker], volume: Volume
) -> RunStatus:
    """How a run stands whose results are not written yet.

    Args:
        plan: of the run.
        run: as the queue has it.
        cells: of the run, as the queue has them.
        workers: that are there.
        volume: where the records of the other cells are.
    """
    queued = {(cell.target, cell.scan): cell for cell in cells}
    offered = {version for worker in workers for version in worker.scans.values()}
    records, scans = Records(volume, plan.run), {scan.name: scan for scan in plan.scans}
    found = []
    for cell in plan.cells:
        target = plan.targets_by_id[cell.target]
        if (there := queued.get((cell.target, cell.scan))) is None:
            found.append(status_of_cell(target, cell, scans[cell.scan], records, node=NodeState.UNKNOWN))
        else:
            found.append(_status(there, target.reference, _why_waiting(there, offered)))
    begun = any(cell.state is not CellState.WAITING for cell in found)
    return RunStatus(
        run=plan.run,
        state="running" if begun else "pending",
        message=run.over or _nobody(cells, offered),
        started=_moment(run.at),
        cells=tuple(found),
    )


def _status(cell: CellInQueue, reference: str, waits: str) -> CellStatus:
    ended = CellState.FAILED if cell.reason else CellState.OK
    state = _STATES.get(cell.state, ended)
    said = {CellState.WAITING: waits or cell.reason, CellState.RUNNING: f"worker {cell.holder}"}
    return CellStatus(
        target=cell.target,
        scan=cell.scan,
        reference=reference,
        state=state,
        message=said.get(state, cell.reason),
        attempts=cell.attempts,
        started=_moment(cell.started_at),
        finished=_moment(cell.ended_at),
    )


def _why_waiting(cell: CellInQueue, offered: set[str]) -> str:
    if cell.state is QueueState.HELD:
        return "its batch has not begun"
    if cell.state is QueueState.WAITING and cell.scan_version not in offered:
        return f"no worker takes cells of {cell.scan} in the version of this plan"
    return ""


def _nobody(cells: Sequence[CellInQueue], offered: set[str]) -> str:
    """Of which scans cells wait that no worker takes, and what to do; empty where there are none."""
    waiting = Counter(
        cell.scan for cell in cells if cell.state is QueueState.WAITING and cell.scan_version not in offered
    )
    if not waiting:
        return ""
    counts = ", ".join(f"{count} of {scan}" for scan, count in sorted(waiting.items()))
    start = ours("worker", *(f"--scan={scan}" for scan in sorted(waiting)))
    return f"no worker takes cells that wait ({counts}): start one with {start}, and the templates of this plan"


def _moment(seconds: int) -> str:
    return spell_time(datetime.fromtimestamp(seconds, UTC)) if seconds else ""
