"""How many things targets have: kept with each target, and counted again only where something came or went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, update

from orchestrator.store.dialects import among, batches, rows_by
from orchestrator.store.schema import facts, findings, states, targets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Connection, Row


_THINGS = (
    select(states.c.target_id, func.count(facts.c.identity.distinct()).label("things"))
    .join(findings, findings.c.state_id == states.c.id)
    .join(facts, facts.c.id == findings.c.fact_id)
    .where(findings.c.gone_at == 0)
    .group_by(states.c.target_id)
)
_KEPT = select(targets.c.id, targets.c.things)
_KEEP = update(targets).where(targets.c.id == bindparam("of_target")).values(things=bindparam("number"))
_COUNT = update(targets).values(
    things=select(func.count(facts.c.identity.distinct()))
    .select_from(states)
    .join(findings, findings.c.state_id == states.c.id)
    .join(facts, facts.c.id == findings.c.fact_id)
    .where(states.c.target_id == targets.c.id, findings.c.gone_at == 0)
    .correlate(targets)
    .scalar_subquery()
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
    """The same by the numbers of targets, of which all scans count: as it is kept with them."""
    return {row.id: row.things for row in rows_by(connection, targets.c.id, wanted, _KEPT)}


def count_again(connection: Connection, told: Mapping[int, int | None]) -> None:
    """Bring the numbers kept with targets up to date, in the transaction that changed what they have.

    Args:
        connection: within that transaction.
        told: by the numbers of the targets, how many things they have; None where that has to be counted.
    """
    if known := [{"of_target": target, "number": number} for target, number in told.items() if number is not None]:
        connection.execute(_KEEP, known)
    for some in batches(target for target, number in told.items() if number is None):
        connection.execute(_COUNT.where(among(connection, targets.c.id, some)))
