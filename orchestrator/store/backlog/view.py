"""How fresh everything is, in numbers and for the live view."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import case, func, or_, select

from orchestrator.store.backlog.messages import Backlog, Flight, Held, Tally
from orchestrator.store.backlog.tables import NEVER, submissions, wanted
from orchestrator.store.schema import states, targets

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

_FAILING = or_(wanted.c.refusals > 0, states.c.failures > 0)


def view(connection: Connection, now: int, held: int) -> Backlog:
    """See `BacklogStore.backlog`."""
    return Backlog(
        at=datetime.fromtimestamp(now, UTC),
        tallies=_tallies(connection, now),
        flights=_flights(connection, now),
        held=_held(connection, now, held),
        next_due=_next_due(connection, now),
        waiting_since=_waiting_since(connection, now),
    )


def _tallies(connection: Connection, now: int) -> tuple[Tally, ...]:
    state = case(
        (wanted.c.submission_id > 0, "in_flight"),
        (wanted.c.due_at <= now, "due"),
        (_FAILING, "held"),
        else_="fresh",
    ).label("state")
    query = (
        select(states.c.scan, state, func.count().label("cells"))
        .select_from(wanted)
        .join(states, states.c.id == wanted.c.state_id)
        .group_by(states.c.scan, state)
    )
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.scan, {})[row.state] = row.cells
    return tuple(Tally(scan=scan, **counts) for scan, counts in sorted(found.items()))


def _flights(connection: Connection, now: int) -> tuple[Flight, ...]:
    counted = (
        select(
            wanted.c.submission_id,
            func.count().label("cells"),
            func.count(wanted.c.target_id.distinct()).label("targets"),
        )
        .where(wanted.c.submission_id > 0)
        .group_by(wanted.c.submission_id)
        .subquery()
    )
    query = (
        select(submissions, counted.c.cells, counted.c.targets)
        .outerjoin(counted, counted.c.submission_id == submissions.c.id)
        .order_by(submissions.c.id)
    )
    return tuple(
        Flight(
            run=row.run,
            holder=row.holder,
            stage=row.stage,
            began=datetime.fromtimestamp(row.began_at, UTC),
            cells=row.cells or 0,
            targets=row.targets or 0,
            attempts=row.attempts,
            trouble=row.trouble,
            orphaned=row.until < now,
        )
        for row in connection.execute(query)
    )


def _held(connection: Connection, now: int, most: int) -> tuple[Held, ...]:
    query = (
        select(
            targets.c.reference,
            states.c.scan,
            states.c.failures,
            states.c.reason,
            wanted.c.refusals,
            wanted.c.refusal,
            wanted.c.due_at,
        )
        .select_from(wanted)
        .join(states, states.c.id == wanted.c.state_id)
        .join(targets, targets.c.id == wanted.c.target_id)
        .where(*_later(now), _FAILING)
        .order_by(wanted.c.due_at, targets.c.reference, states.c.scan)
        .limit(most)
    )
    return tuple(
        Held(
            reference=row.reference,
            scan=row.scan,
            failures=row.refusals or row.failures,
            reason=row.refusal or row.reason,
            due=datetime.fromtimestamp(row.due_at, UTC),
        )
        for row in connection.execute(query)
    )


def _next_due(connection: Connection, now: int) -> datetime | None:
    found = connection.scalar(select(func.min(wanted.c.due_at)).where(*_later(now)))
    return datetime.fromtimestamp(found, UTC) if found else None


def _waiting_since(connection: Connection, now: int) -> datetime | None:
    # What was never scanned is due since 0, which is no moment: it waits since its target is known.
    stale = select(func.min(wanted.c.due_at)).where(
        wanted.c.submission_id == 0, wanted.c.due_at > 0, wanted.c.due_at <= now
    )
    never = (
        select(func.min(targets.c.first_at))
        .select_from(wanted)
        .join(states, states.c.id == wanted.c.state_id)
        .join(targets, targets.c.id == wanted.c.target_id)
        .where(wanted.c.submission_id == 0, wanted.c.due_at == 0, states.c.ok_at == 0, targets.c.first_at > 0)
    )
    found = [moment for query in (stale, never) if (moment := connection.scalar(query))]
    return datetime.fromtimestamp(min(found), UTC) if found else None


def _later(now: int) -> tuple[ColumnElement[bool], ...]:
    """What is not due yet."""
    return wanted.c.submission_id == 0, wanted.c.due_at > now, wanted.c.due_at < NEVER
