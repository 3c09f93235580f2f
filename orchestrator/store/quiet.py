"""How many things targets have, counted without reading what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from orchestrator.store.dialects import among, rows_by
from orchestrator.store.schema import facts, findings, states, targets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection, Row


_THINGS = (
    select(states.c.target_id, func.count(facts.c.identity.distinct()).label("things"))
    .join(findings, findings.c.state_id == states.c.id)
    .join(facts, facts.c.id == findings.c.fact_id)
    .where(findings.c.gone_at == 0)
    .group_by(states.c.target_id)
)
_FACTS = (
    select(states.c.target_id, findings.c.fact_id, findings.c.gone_at, facts.c.identity)
    .join(findings, findings.c.state_id == states.c.id)
    .join(facts, facts.c.id == findings.c.fact_id)
)


def things_of(connection: Connection, wanted: Iterable[int]) -> dict[int, int]:
    """How many things, by their keys, targets have now, by the numbers of the targets.

    Args:
        connection: to read by.
        wanted: numbers of targets and scans, of each target all that count.
    """
    rows = connection.execute(_THINGS.where(among(connection, states.c.id, list(wanted))))
    return {row.target_id: row.things for row in rows}


def alike(connection: Connection, wanted: Iterable[int], moved: Collection[int]) -> list[Row[Any]]:
    """The facts of targets and scans about the same things as some of theirs.

    Args:
        connection: to read by.
        wanted: numbers of targets and scans.
        moved: numbers of facts.

    Returns:
        Of each its `fact_id`, its `target_id`, what it is about (`identity`), and when it was gone (`gone_at`).
    """
    about = {row.identity for row in rows_by(connection, facts.c.id, moved, select(facts.c.identity).distinct())}
    query = _FACTS.where(among(connection, facts.c.identity, sorted(about)))
    return list(rows_by(connection, states.c.id, wanted, query))


def all_things_of(connection: Connection, wanted: Collection[int]) -> dict[int, int]:
    """The same by the numbers of targets, of which all scans count."""
    # Of many it is cheaper to count those of all, in the order of the index, than to look up each.
    many = 4 * len(wanted) > (connection.scalar(select(func.count()).select_from(targets)) or 0)
    rows = rows_by(connection, states.c.target_id, None if many else wanted, _THINGS)
    return {row.target_id: row.things for row in rows if row.target_id in wanted}
