"""The queue in the store, as something needs it that sends a message for each cell that waits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from orchestrator.store.cell_queue.messages import QueueState
from orchestrator.store.cell_queue.store import QueueStore
from orchestrator.store.cell_queue.tables import queued_cells, queued_runs

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.store.cell_queue.messages import QueueOffer

_c = queued_cells.c
_OF_RUNS = queued_cells.join(queued_runs, queued_runs.c.id == _c.run_id)
_WAITS = _c.state == QueueState.WAITING
_CELLS = select(_c.id, queued_runs.c.run, _c.target, _c.scan).select_from(_OF_RUNS).where(_WAITS)


class WaitingCell(NamedTuple):
    """A cell that a worker may take: the number of its row, and what it is."""

    id: int
    run: str
    target: str
    scan: str


class HintedQueueStore(QueueStore):
    """A queue whose workers are woken by messages, which others send."""

    def waiting_in(self, run: str) -> tuple[WaitingCell, ...]:
        """The cells of a run that wait, those first that are taken first."""
        query = _CELLS.where(queued_runs.c.run == run).order_by(_c.turn, _c.id)
        with self._reading() as connection:
            return tuple(WaitingCell(*row) for row in connection.execute(query))

    def still_waiting(self, offer: QueueOffer, cells: Collection[int]) -> frozenset[int]:
        """Which of these cells wait for a worker such as this one."""
        query = select(_c.id).where(
            _c.id.in_(sorted(cells)),
            _WAITS,
            _c.scan_version.in_(sorted(set(offer.scans.values()))),
            _c.message_version <= offer.message_version,
        )
        with self._reading() as connection:
            return frozenset(connection.scalars(query))

    def waiting_longer(self, seconds: int) -> Counter[tuple[str, str]]:
        """How many cells wait, by scan and its version, of runs that were handed over longer ago than this."""
        with self._reading() as connection:
            query = (
                select(_c.scan, _c.scan_version, func.count())
                .select_from(_OF_RUNS)
                .where(_WAITS, queued_runs.c.at < self._clock(connection) - seconds)
                .group_by(_c.scan, _c.scan_version)
            )
            return Counter({(scan, version): count for scan, version, count in connection.execute(query)})

    def last_waiting(self, scan: str, versions: Collection[str], number: int) -> tuple[WaitingCell, ...]:
        """The cells of a scan that are taken last, at most this many: what got lost is mostly of them."""
        query = _CELLS.where(_c.scan_version.in_(sorted(versions)), _c.scan == scan)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(_c.turn.desc(), _c.id.desc()).limit(number)).all()
        return tuple(WaitingCell(*row) for row in reversed(rows))
