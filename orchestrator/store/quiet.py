"""How many things targets have, counted without reading what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from orchestrator.store.dialects import among
from orchestrator.store.schema import facts, findings, states

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


def things_of(connection: Connection, wanted: Iterable[int]) -> dict[int, int]:
    """How many things, by their keys, targets have now, by the numbers of the targets.

    Args:
        connection: to read by.
        wanted: numbers of targets and scans, of each target all that count.
    """
    query = (
        select(states.c.target_id, func.count(facts.c.identity.distinct()).label("things"))
        .join(findings, findings.c.state_id == states.c.id)
        .join(facts, facts.c.id == findings.c.fact_id)
        .where(findings.c.gone_at == 0)
        .group_by(states.c.target_id)
    )
    rows = connection.execute(query.where(among(connection, states.c.id, list(wanted))))
    return {row.target_id: row.things for row in rows}
