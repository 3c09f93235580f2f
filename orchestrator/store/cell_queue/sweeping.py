"""What becomes of leases that ran out, and of runs whose deadline is over.

A lease that ran out is doubted first, and ends only when its worker stays silent for half a lease more: after an outage
of the database all leases have run out, and each worker gets to say that it is still at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from orchestrator.store.brief import lapsed
from orchestrator.store.cell_queue.messages import QueueState, Swept
from orchestrator.store.cell_queue.tables import queued_cells, queued_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

_c = queued_cells.c
#: Leases that one sweep ends; the next one continues.
_MOST = 1000


def end_overdue(connection: Connection, now: int) -> None:
    """Begin no more cells of runs whose deadline is over."""
    overdue = (queued_runs.c.over == "", queued_runs.c.deadline_at < now)
    for row in connection.execute(select(queued_runs).where(*overdue)).all():
        seconds = row.deadline_at - row.at
        end_run(connection, row.id, f"deadline: the run's {seconds} s (limits.deadline) were over", now)


def end_run(connection: Connection, run: int, why: str, now: int) -> bool:
    """Begin no more cells of a run; False where it was over already. Workers learn it with their next sign of life."""
    ends = update(queued_runs).where(queued_runs.c.id == run, queued_runs.c.over == "").values(over=why)
    if not connection.execute(ends).rowcount:
        return False
    left = (_c.run_id == run, _c.state.in_((QueueState.HELD, QueueState.WAITING)))
    connection.execute(update(queued_cells).where(*left).values(state=QueueState.LEFT, reason=why, ended_at=now))
    return True


def sweep(connection: Connection, now: int, *, lease: int, most_attempts: int) -> Swept:
    """Doubt leases that ran out, and end those that were doubted before; within a transaction.

    Args:
        connection: to the database.
        now: by its clock.
        lease: seconds for which they are given.
        most_attempts: workers that may be lost with a cell before nobody takes it again.
    """
    leased = _c.state == QueueState.LEASED
    silent = (leased, _c.doubted == 0, lapsed(_c.until, now, lease))
    connection.execute(update(queued_cells).where(*silent).values(doubted=1, until=now + max(1, lease // 2)))
    gone = select(_c.id, _c.token, _c.holder, _c.attempts, queued_runs.c.over)
    gone = gone.join(queued_runs, queued_runs.c.id == _c.run_id)
    gone = gone.where(leased, _c.doubted == 1, lapsed(_c.until, now, lease)).limit(_MOST)
    returned = lost = 0
    for row in connection.execute(gone).all():
        values = _without_worker(row, now, most_attempts)
        same = (_c.id == row.id, _c.token == row.token, leased, _c.doubted == 1)
        if connection.execute(update(queued_cells).where(*same).values(values)).rowcount:
            returned += values["state"] is QueueState.WAITING
            lost += values["state"] is QueueState.LOST
    return Swept(returned, lost)


def _without_worker(row: Row[*tuple[Any, ...]], now: int, most_attempts: int) -> Mapping[str, Any]:
    """How a cell stands whose worker was lost."""
    if row.over:
        return {"state": QueueState.LEFT, "token": "", "reason": row.over, "ended_at": now}
    if row.attempts < most_attempts:
        return {"state": QueueState.WAITING, "token": "", "reason": f"worker {row.holder} was lost"}
    times = "once" if row.attempts == 1 else f"{row.attempts} times"
    why = f"worker lost, {times}, the last time {row.holder}: it may take more memory than a worker has, or end it"
    return {"state": QueueState.LOST, "token": "", "reason": why, "ended_at": now}
