"""How many things targets have: kept with each target, and counted again only where something came or went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, func, select, update

from orchestrator.store.dialects import among, batches, rows_by
from orchestrator.store.schema import facts, findings, states, targets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Connection


_OPEN = exists().where(findings.c.state_id == states.c.id, findings.c.gone_at == 0)
_HOLDING = select(states.c.target_id, states.c.id).where(_OPEN)
_KEPT = select(targets.c.id, targets.c.things)
_THINGS = (
    select(states.c.target_id, func.count(facts.c.identity.distinct()).label("things"))
    .join(findings, findings.c.state_id == states.c.id)
    .join(facts, facts.c.id == findings.c.fact_id)
    .where(findings.c.gone_at == 0)
    .group_by(states.c.target_id)
)
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
_about = facts.alias()
_ALIKE = select(facts.c.id, facts.c.identity).join(_about, _about.c.identity == facts.c.identity).distinct()


def things_of(connection: Connection, wanted: Mapping[int, Collection[int]]) -> dict[int, int]:
    """How many things, by their keys, targets have now.

    Args:
        connection: to read by.
        wanted: of each target the numbers of the targets and scans that count.

    Returns:
        By the numbers of the targets; most often as it is kept with them, since all of their scans count.
    """
    known = {row.id: row.things for row in rows_by(connection, targets.c.id, wanted, _KEPT)}
    others = {
        row.target_id
        for row in rows_by(connection, states.c.target_id, wanted, _HOLDING)
        if row.id not in wanted[row.target_id]
    }
    counted = [state for target in others for state in wanted[target]]
    known |= dict.fromkeys(others, 0)
    rows = connection.execute(_THINGS.where(among(connection, states.c.id, counted))) if counted else ()
    return known | {row.target_id: row.things for row in rows}


def alike(connection: Connection, some: Iterable[int]) -> dict[int, str]:
    """All facts about the same things as some facts, these too, with what each is about."""
    return dict(row for row in rows_by(connection, _about.c.id, some, _ALIKE))


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
