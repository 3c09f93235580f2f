"""How long what runs in clusters waited for its first result."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from orchestrator.model import Outcome
from orchestrator.store.schema import cells, states, workload_targets

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Those that began last; more in one day tell no more.
_MOST = 5_000
_FIRST_OK = (
    select(func.min(cells.c.at))
    .join(states, states.c.id == cells.c.state_id)
    .where(states.c.target_id == workload_targets.c.target_id, cells.c.outcome == Outcome.OK.value)
    .correlate(workload_targets)
    .scalar_subquery()
)


class RunningWait(NamedTuple):
    """What began to run somewhere, and its first result.

    Attributes:
        began: when it was first seen there, seconds since 1970.
        result: when the first scan of its target ended ok, before or after; 0 for not yet.
    """

    began: int
    result: int

    def seconds(self, now: int) -> int:
        """How long it waited, or has waited until now."""
        return max(0, (self.result or now) - self.began)


def running_waits(connection: Connection, since: int) -> tuple[RunningWait, ...]:
    """What began to run somewhere since a moment, seconds since 1970; of very many the last ones."""
    query = (
        select(workload_targets.c.first_at, func.coalesce(_FIRST_OK, 0))
        .where(workload_targets.c.first_at >= since)
        .order_by(workload_targets.c.first_at.desc())
        .limit(_MOST)
    )
    return tuple(RunningWait(*row) for row in connection.execute(query))
