"""Targets and scans that no run has had for a while, by what whole runs say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from orchestrator.store.answers import answer
from orchestrator.store.dialects import rows_by
from orchestrator.store.documents import Unscanned
from orchestrator.store.schema import cells, runs, states, targets
from orchestrator.store.spans import Position

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select

    from orchestrator.store.past import StoreReader

_QUERY = (
    select(states.c.id, states.c.scan, states.c.last_at, states.c.findings, targets.c.target, targets.c.reference)
    .join(targets, targets.c.id == states.c.target_id)
    .order_by(targets.c.target, states.c.scan)
)
_SINCE = _QUERY.where(states.c.last_at < bindparam("since"), states.c.last_at > 0)


def unscanned(past: StoreReader, since: int) -> tuple[Unscanned, ...]:
    """Targets and scans that no run has had since a moment, in seconds since 1970."""
    ahead = set[int]() if past.times.are_known else _ahead(past.connection)
    rows = past.connection.execute(_SINCE, {"since": since})
    found = [_unscanned(row, row.last_at, row.findings) for row in rows if row.id not in ahead]
    last = {state: place for state, place in _last_whole(past, ahead).items() if place.at < since}
    facts = past.found(last.items())
    for row in rows_by(past.connection, states.c.id, last, _QUERY):
        place = last[row.id]
        found.append(_unscanned(row, place.at, len(facts[row.id, place])))
    return tuple(sorted(found, key=lambda each: (each.target, each.scan))) if last else tuple(found)


def _unscanned(row: Row[*tuple[Any, ...]], last: int, findings: int) -> Unscanned:
    return answer(Unscanned, row, last=datetime.fromtimestamp(last, UTC), findings=findings)


def _ahead(connection: Connection) -> set[int]:
    """The targets and scans whose newest cell is of a run that is not whole yet; there are none most of the time."""
    query: Select[Any] = (
        select(states.c.id)
        .join(cells, cells.c.state_id == states.c.id)
        .join(runs, runs.c.id == cells.c.run_id)
        .where(runs.c.ledger_digest == "", states.c.last_run_id == runs.c.id)
    )
    return set(connection.scalars(query))


def _last_whole(past: StoreReader, wanted: set[int]) -> dict[int, Position]:
    """The place of the newest cell that is of a whole run."""
    orders = {place.id: place.order for place in past.runs}
    last: dict[int, Position] = {}
    query = select(cells.c.state_id, cells.c.run_id, cells.c.at)
    for row in rows_by(past.connection, cells.c.state_id, wanted, query):
        if row.run_id in orders:
            place = Position(row.at, orders[row.run_id][1])
            last[row.state_id] = max(last.get(row.state_id, place), place)
    return last
