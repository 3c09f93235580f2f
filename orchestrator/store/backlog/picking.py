"""Which due cells the next run takes on, fair between owners, and what a submission has taken on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from orchestrator.store.backlog.messages import Claim
from orchestrator.store.backlog.tables import wanted, wanted_targets
from orchestrator.store.dialects import among, batches
from orchestrator.store.schema import states, targets

if TYPE_CHECKING:
    from sqlalchemy import Connection


def pick(connection: Connection, cells: int, now: int) -> list[int]:
    """Ids of targets for a run of this many cells.

    Owners take turns: everybody's first target comes before anybody's second, and targets that are in flight count as
    turns taken. A target that could not be run the last time has a run to itself, so that it holds up no other.
    """
    due = (
        select(
            wanted.c.target_id,
            wanted_targets.c.owner,
            func.min(wanted.c.due_at).label("due_at"),
            func.count().label("cells"),
            func.max(wanted.c.refusals).label("refusals"),
        )
        .join(wanted_targets, wanted_targets.c.target_id == wanted.c.target_id)
        .where(wanted.c.submission_id == 0, wanted.c.due_at <= now)
        .group_by(wanted.c.target_id, wanted_targets.c.owner)
        .subquery()
    )
    busy = (
        select(wanted_targets.c.owner, func.count(wanted.c.target_id.distinct()).label("targets"))
        .join(wanted_targets, wanted_targets.c.target_id == wanted.c.target_id)
        .where(wanted.c.submission_id > 0)
        .group_by(wanted_targets.c.owner)
        .subquery()
    )
    own = func.row_number().over(partition_by=due.c.owner, order_by=(due.c.due_at, due.c.target_id))
    turn = (own + func.coalesce(busy.c.targets, 0)).label("turn")
    query = (
        select(due.c.target_id, due.c.cells, due.c.refusals, turn)
        .outerjoin(busy, busy.c.owner == due.c.owner)
        .order_by(turn, due.c.due_at, due.c.target_id)
        .limit(cells)
    )
    return _fill(connection.execute(query).all(), cells)


def _fill(rows: Any, cells: int) -> list[int]:
    if rows and rows[0].refusals:
        return [rows[0].target_id]
    chosen: list[int] = []
    room = cells
    for row in rows:
        if row.refusals or (chosen and row.cells > room):
            continue
        chosen.append(row.target_id)
        room -= row.cells
        if room <= 0:
            break
    return chosen


def claim(connection: Connection, submission: int, chosen: list[int], now: int) -> int:
    """Take on the due cells of these targets, as far as nobody else has; returns their number."""
    count = 0
    for some in batches(chosen):
        statement = update(wanted).where(
            among(connection, wanted.c.target_id, some), wanted.c.submission_id == 0, wanted.c.due_at <= now
        )
        count += connection.execute(statement.values(submission_id=submission)).rowcount
    return count


def claimed(connection: Connection, submission: int) -> list[int]:
    """Ids of the states that a submission has taken on."""
    return list(connection.scalars(select(wanted.c.state_id).where(wanted.c.submission_id == submission)))


def claims(connection: Connection, submission: int) -> tuple[Claim, ...]:
    """What a submission has taken on."""
    query = (
        select(targets.c.target, states.c.scan, wanted_targets.c.entries)
        .join(states, states.c.id == wanted.c.state_id)
        .join(targets, targets.c.id == wanted.c.target_id)
        .join(wanted_targets, wanted_targets.c.target_id == wanted.c.target_id)
        .where(wanted.c.submission_id == submission)
        .order_by(targets.c.target, states.c.scan)
    )
    found: dict[str, tuple[list[str], str]] = {}
    for target, scan, entries in connection.execute(query):
        found.setdefault(target, ([], entries))[0].append(scan)
    return tuple(Claim(target=target, scans=tuple(scans), entries=text) for target, (scans, text) in found.items())
