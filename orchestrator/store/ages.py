"""How old the last ok results were, day by day: from when each result came, and when a newer one took its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from orchestrator.model import Outcome
from orchestrator.store.dialects import among
from orchestrator.store.schema import cells, states

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

DAY = 86_400


class AgeOfDay(NamedTuple):
    """The last results at the end of a day.

    Attributes:
        at: that moment, seconds since 1970; of the present day, now.
        results: how many there were.
        age: of all of them together, seconds.
    """

    at: int
    results: int
    age: int


def ages_by_day(connection: Connection, targets: Collection[int], now: int, days: int) -> tuple[AgeOfDay, ...]:
    """How old the last results of some targets were, the present day last; of days before any result, nothing.

    One pass over what the store keeps of them, in which the database sums up: what is read has a row for two days.

    Args:
        connection: to read by.
        targets: numbers of the targets.
        now: seconds since 1970.
        days: most of them.
    """
    newer = func.lead(cells.c.at, type_=cells.c.at.type).over(
        partition_by=cells.c.state_id, order_by=(cells.c.at, cells.c.run_id)
    )
    ended = (
        select(cells.c.at, newer.label("newer"))
        .join(states, states.c.id == cells.c.state_id)
        .where(cells.c.outcome == Outcome.OK.value, among(connection, states.c.target_id, list(targets)))
        .subquery()
    )
    begin, end = (ended.c.at // DAY).label("begin"), (ended.c.newer // DAY).label("end")
    query = select(begin, end, func.count().label("results"), func.sum(ended.c.at).label("made")).group_by(begin, end)
    today = now // DAY
    counts = dict.fromkeys(range(today - days + 1, today + 1), 0)
    made = counts.copy()
    for row in connection.execute(query):
        # What came on a day counts from its end on, up to the end of the day before the newer one came.
        last = today if row.end is None else int(row.end) - 1
        for day in range(max(int(row.begin), today - days + 1), min(last, today) + 1):
            counts[day] += row.results
            made[day] += int(row.made)
    found = ((day, min((day + 1) * DAY, now)) for day in counts if counts[day])
    return tuple(AgeOfDay(at, counts[day], max(0, counts[day] * at - made[day])) for day, at in found)
