"""Which waiting cell a worker gets: the first of each scan that it has, and of these the one whose turn it is.

Each is the first of a range of an index, so that what waits besides, or has ended, costs nothing. Where the database
can, workers do not wait for each other: they skip what another one is just taking.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from orchestrator.store.cell_queue.messages import CellLease, QueueState
from orchestrator.store.cell_queue.tables import queued_cells, queued_runs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select

    from orchestrator.store.cell_queue.messages import QueueOffer

_c = queued_cells.c
_LEASES = select(_c.run_id, _c.target, _c.scan, _c.attempts, queued_runs.c.run, queued_runs.c.deadline_at).join(
    queued_runs, queued_runs.c.id == _c.run_id
)
_LEASE = _LEASES.where(_c.id == bindparam("taken"))
_TAKE = (
    update(queued_cells)
    .where(_c.id == bindparam("taken"), _c.state == QueueState.WAITING)
    .values(
        state=QueueState.LEASED,
        token=bindparam("new_token"),
        holder=bindparam("worker"),
        until=bindparam("ends"),
        doubted=0,
        attempts=_c.attempts + 1,
        started_at=bindparam("begins"),
        reason="",
    )
)


def waiting(offer: QueueOffer, version: str) -> Select[Any]:
    """The cells of one scan that a worker may take, the first first."""
    query = select(_c.id, _c.turn).where(
        _c.scan_version == version, _c.state == QueueState.WAITING, _c.message_version <= offer.message_version
    )
    if offer.besides:
        others = select(queued_runs.c.id).where(queued_runs.c.run.in_(sorted(offer.besides)))
        query = query.where(_c.run_id.not_in(others))
    return query.order_by(_c.turn, _c.id).limit(1)


def take(connection: Connection, offer: QueueOffer, now: int, lease: int) -> CellLease | None:
    """Take a cell, within a transaction; None where none waits for such a worker."""
    heads: list[Row[*tuple[Any, ...]]] = []
    for version in sorted(set(offer.scans.values())):
        query = waiting(offer, version).with_for_update(skip_locked=True)
        heads.extend(connection.execute(query))
    if not heads:
        return None
    taken = min(heads, key=lambda head: (head.turn, head.id)).id
    token = secrets.token_hex(16)
    given = {"taken": taken, "new_token": token, "worker": offer.worker, "ends": now + lease, "begins": now}
    if not connection.execute(_TAKE, given).rowcount:
        return None
    row = connection.execute(_LEASE, {"taken": taken}).one()
    return CellLease(taken, token, row.run, row.target, row.scan, row.attempts, max(0, row.deadline_at - now))
