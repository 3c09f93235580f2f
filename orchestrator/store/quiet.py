"""What is known of findings without reading each: when any of them came or went, and how many things they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from orchestrator.store.dialects import among, batches
from orchestrator.store.schema import facts, findings, states
from orchestrator.store.spans import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection


def moments_of(connection: Connection, wanted: Iterable[int], runs: Mapping[int, str]) -> dict[int, set[Position]]:
    """The places of cells with which any finding came or went, by the numbers of targets and scans.

    Args:
        connection: to read by.
        wanted: numbers of targets and scans.
        runs: ids of all runs by their numbers.
    """
    found: dict[int, set[Position]] = {}
    columns = (
        findings.c.state_id, findings.c.first_at, findings.c.first_run_id, findings.c.gone_at, findings.c.gone_run_id,
    )  # fmt: skip
    for some in batches(wanted):
        query = select(*columns).where(among(connection, findings.c.state_id, some)).distinct()
        for state, first_at, first, gone_at, gone in connection.execute(query):
            places = found.setdefault(state, set())
            places.add(Position(first_at, runs[first]))
            if gone:
                places.add(Position(gone_at, runs[gone]))
    return found


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
