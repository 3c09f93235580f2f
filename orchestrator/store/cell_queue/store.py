"""The store as the queue: who hands cells over, takes them, and brings them to an end.

No library for queues on PostgreSQL is used. `procrastinate` (3.10), the nearest, needs PostgreSQL, where the store may
also be MariaDB, MySQL or SQLite; it ends a job by its number (`procrastinate_finish_job_v1`), so that a worker that was
thought lost could still end the attempt of another one, and the row with the token would have to be kept beside its
own, which could then contradict it. What is left of it is one statement, `FOR UPDATE SKIP LOCKED`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, exists, func, select, update

from orchestrator.store.brief import BriefStore
from orchestrator.store.cell_queue import sweeping, taking
from orchestrator.store.cell_queue.messages import (
    OPEN_STATES,
    CellInQueue,
    CellLease,
    QueueFigures,
    QueueState,
    QueueWorker,
    Renewal,
    RunInQueue,
    Swept,
)
from orchestrator.store.cell_queue.tables import queue_workers, queued_cells, queued_runs
from orchestrator.store.columns import clip
from orchestrator.store.dialects import insert, insert_new, upsert

if TYPE_CHECKING:
    import threading

    from sqlalchemy import Connection

    from orchestrator.store.cell_queue.messages import Handover, QueueOffer

_c = queued_cells.c
_AT_WORK = (QueueState.WAITING, QueueState.LEASED)


class QueueStore(BriefStore):
    """A store with the tables of the queue."""

    def hand_over(self, order: Handover) -> bool:
        """Put the cells of a run into the queue, all or none; False where the run is in it already."""

        def write(connection: Connection) -> bool:
            now = self._clock(connection)
            known = select(queued_runs.c.id).where(queued_runs.c.run == order.run)
            if connection.scalar(known) is not None:
                return False
            row = {"run": order.run, "at": now, "deadline_at": now + order.deadline, "over": ""}
            insert(connection, queued_runs, [row])
            run_id = connection.scalar(known)
            first = min((cell.batch for cell in order.cells), default=0)
            insert(
                connection,
                queued_cells,
                [
                    {
                        "run_id": run_id,
                        "target": cell.target,
                        "scan": cell.scan,
                        "message_version": order.message_version,
                        "scan_version": cell.scan_version,
                        "batch": cell.batch,
                        "turn": int(order.turn),
                        "state": str(QueueState.WAITING if cell.batch == first else QueueState.HELD),
                        **_UNTAKEN,
                    }
                    for cell in order.cells
                ],
            )
            return True

        return self._transact(write, lasting=True)

    def take(self, offer: QueueOffer, *, lease: int) -> CellLease | None:
        """Take the cell whose turn it is; None where none waits for such a worker.

        Args:
            offer: which cells the worker takes.
            lease: seconds after which others may have it, unless it is renewed.
        """
        if not offer.scans:
            return None
        versions = sorted(set(offer.scans.values()))

        def waits(_: int) -> Any:
            return select(_c.id).where(_c.scan_version.in_(versions), _c.state == QueueState.WAITING)

        if not self._finds(waits):
            return None
        return self._transact(lambda connection: taking.take(connection, offer, self._clock(connection), lease))

    def wait(self, stop: threading.Event, pause: float) -> None:
        """Wait before the next look for a cell: nobody says when there is one.

        Args:
            stop: ends it.
            pause: seconds.
        """
        stop.wait(pause)

    def renew(self, lease: CellLease, *, seconds: int) -> Renewal:
        """Say that one is at work on a cell, and learn whether it is still one's own."""

        def extend(connection: Connection) -> Renewal:
            until = self._clock(connection) + seconds
            values = update(queued_cells).where(*_held(lease)).values(until=until, doubted=0)
            if not connection.execute(values).rowcount:
                return Renewal(is_ours=False)
            over = connection.scalar(select(queued_runs.c.over).where(queued_runs.c.run == lease.run))
            return Renewal(is_ours=True, over=over or "")

        return self._transact(extend)

    def finish(self, lease: CellLease, failure: str = "") -> bool:
        """Say that a cell has ended, and why it failed; False where it is no longer one's own."""
        return self._end(lease, state=QueueState.ENDED, reason=clip(failure))

    def give_back(self, lease: CellLease) -> bool:
        """Let others have a cell; as if it had not been taken."""
        return self._end(lease, state=QueueState.WAITING, attempts=_c.attempts - 1)

    def _end(self, lease: CellLease, **values: Any) -> bool:
        def write(connection: Connection) -> bool:
            ended = self._clock(connection) if values["state"] is QueueState.ENDED else 0
            change = update(queued_cells).where(*_held(lease)).values(token="", ended_at=ended, **values)
            return bool(connection.execute(change).rowcount)

        return self._transact(write)

    def sweep(self, *, lease: int, most_attempts: int) -> Swept:
        """See to leases that ran out, and to runs whose deadline is over; see `orchestrator.store.cell_queue.sweeping`.

        Args:
            lease: seconds for which leases are given.
            most_attempts: workers that may be lost with a cell.
        """

        def write(connection: Connection) -> Swept:
            now = self._clock(connection)
            sweeping.end_overdue(connection, now)
            swept = sweeping.sweep(connection, now, lease=lease, most_attempts=most_attempts)
            # A run may have ended between the moment when a cell was given back and now.
            over = select(queued_runs.c.id, queued_runs.c.over).where(queued_runs.c.over != "")
            for run in connection.execute(over).all():
                left = (_c.run_id == run.id, _c.state == QueueState.WAITING)
                ends = {"state": QueueState.LEFT, "reason": run.over, "ended_at": now}
                connection.execute(update(queued_cells).where(*left).values(ends))
            connection.execute(delete(queue_workers).where(queue_workers.c.until < now - 10 * lease))
            return swept

        def is_due(now: int) -> Any:
            leased = (_c.state == QueueState.LEASED, _c.until < now)
            ends = exists().where((queued_runs.c.over != "") | (queued_runs.c.deadline_at < now))
            return select(1).where(exists().where(*leased) | ends)

        return self._transact(write) if self._finds(is_due) else Swept()

    def cancel(self, run: str, why: str) -> bool:
        """Begin no more cells of a run, and have those end that workers are at; False where it is not in the queue."""

        def write(connection: Connection) -> bool:
            number = connection.scalar(select(queued_runs.c.id).where(queued_runs.c.run == run))
            if number is None:
                return False
            sweeping.end_run(connection, number, clip(why), self._clock(connection))
            return True

        return self._transact(write)

    def begin_next_batch(self, run: str) -> bool:
        """Let workers have the next batch of a run; False where the one before has not ended, or was the last."""

        def write(connection: Connection) -> bool:
            of_run = _c.run_id == connection.scalar(select(queued_runs.c.id).where(queued_runs.c.run == run))
            if connection.execute(select(_c.id).where(of_run, _c.state.in_(_AT_WORK)).limit(1)).first():
                return False
            held = (of_run, _c.state == QueueState.HELD)
            batch = connection.scalar(select(func.min(_c.batch)).where(*held))
            begins = update(queued_cells).where(*held, _c.batch == batch).values(state=QueueState.WAITING)
            return batch is not None and bool(connection.execute(begins).rowcount)

        return self._transact(write)

    def drop(self, worker: str) -> int:
        """Take back what a worker may have been given without learning of it; returns how many cells."""

        def write(connection: Connection) -> int:
            mine = (_c.holder == worker, _c.state == QueueState.LEASED)
            values = {"state": QueueState.WAITING, "token": "", "attempts": _c.attempts - 1}
            return connection.execute(update(queued_cells).where(*mine).values(values)).rowcount

        return self._transact(write)

    def has_open(self, offer: QueueOffer) -> bool:
        """Whether any cell that a worker takes has not ended, no matter who has it."""
        versions = sorted(set(offer.scans.values()))

        def left(_: int) -> Any:
            return select(_c.id).where(_c.scan_version.in_(versions), _c.state.in_(OPEN_STATES))

        return self._finds(left)

    def runs(self) -> tuple[RunInQueue, ...]:
        """The runs in the queue, in the order in which they were handed over."""
        query = select(queued_runs.c.run, queued_runs.c.at, queued_runs.c.over).order_by(queued_runs.c.id)
        with self._reading() as connection:
            return tuple(RunInQueue(*row) for row in connection.execute(query))

    def find_run(self, run: str) -> RunInQueue | None:
        """A run in the queue; None where it is not in it."""
        return next((each for each in self.runs() if each.run == run), None)

    def standing(self, run: str) -> frozenset[QueueState]:
        """In which of the states before their end cells of a run are; none when all have ended."""
        with self._reading() as connection:
            number = connection.scalar(select(queued_runs.c.id).where(queued_runs.c.run == run))
            found = (
                state
                for state in OPEN_STATES
                if connection.execute(select(_c.id).where(_c.run_id == number, _c.state == state).limit(1)).first()
            )
            return frozenset(found)

    def cells(self, run: str) -> tuple[CellInQueue, ...]:
        """How each cell of a run stands."""
        columns = ("target", "scan", "scan_version", "state", "reason", "holder", "attempts", "started_at", "ended_at")
        query = select(*(_c[name] for name in columns)).join(queued_runs, queued_runs.c.id == _c.run_id)
        with self._reading() as connection:
            rows = connection.execute(query.where(queued_runs.c.run == run).order_by(_c.id)).all()
        return tuple(CellInQueue(*row)._replace(state=QueueState(row.state)) for row in rows)

    def forget_run(self, run: str) -> bool:
        """Take a run out of the queue; False where it is not in it."""

        def write(connection: Connection) -> bool:
            number = connection.scalar(select(queued_runs.c.id).where(queued_runs.c.run == run))
            if number is None:
                return False
            connection.execute(delete(queued_cells).where(_c.run_id == number))
            return bool(connection.execute(delete(queued_runs).where(queued_runs.c.id == number)).rowcount)

        return self._transact(write, lasting=True)

    def announce(self, offer: QueueOffer, *, lease: int) -> None:
        """Say that a worker is there; without a lease, that it leaves."""

        def write(connection: Connection) -> None:
            now = self._clock(connection)
            if not lease:
                connection.execute(delete(queue_workers).where(queue_workers.c.name == offer.worker))
                return
            offers = msgspec.json.encode(dict(offer.scans)).decode()
            insert_new(connection, queue_workers, [{"name": offer.worker, "offers": offers, "since": now, "until": 0}])
            upsert(
                connection, queue_workers, ("name",), [{"name": offer.worker, "offers": offers, "until": now + lease}]
            )

        self._transact(write)

    def workers(self) -> tuple[QueueWorker, ...]:
        """The workers that are there."""
        with self._reading() as connection:
            there = select(queue_workers).where(queue_workers.c.until >= self._clock(connection))
            rows = connection.execute(there.order_by(queue_workers.c.name)).all()
        return tuple(
            QueueWorker(row.name, msgspec.json.decode(row.offers, type=dict[str, str]), row.since) for row in rows
        )

    def figures(self) -> QueueFigures:
        """How much there is to do, and how many do it."""
        query = select(_c.state, func.count().label("cells")).where(_c.state.in_(_AT_WORK)).group_by(_c.state)
        with self._reading() as connection:
            counts = {row.state: row.cells for row in connection.execute(query)}
        waiting, leased = (counts.get(state, 0) for state in _AT_WORK)
        return QueueFigures(waiting, leased, len(self.workers()))


#: Of a cell that nobody has taken yet.
_UNTAKEN: dict[str, Any] = {
    "token": "",
    "holder": "",
    "until": 0,
    "doubted": 0,
    "attempts": 0,
    "reason": "",
    "started_at": 0,
    "ended_at": 0,
}


def _held(lease: CellLease) -> tuple[Any, ...]:
    """The row of a lease, while its token is the cell's."""
    return _c.id == lease.id, _c.token == lease.token, _c.state == QueueState.LEASED
