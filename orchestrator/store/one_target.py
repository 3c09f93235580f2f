"""One target: its names, how each scan of it stands, and what they found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from orchestrator.store.answers import SEVERITIES, answer, outcome, when
from orchestrator.store.catalogue import clip
from orchestrator.store.interface import FoundNow, State, TargetView, Version
from orchestrator.store.names import names_of, said_of, uses_of
from orchestrator.store.schema import facts, findings, runs, states, targets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row


def target_view(connection: Connection, target: str, *, gone: bool) -> TargetView | None:
    """See `Store.target`."""
    found = connection.execute(select(targets).where(targets.c.target == clip(target, 128))).one_or_none()
    if found is None:
        return None
    references, owners = names_of(connection, [found.id]).get(found.id, ((), ()))
    of_target = select(states, runs.c.run).outerjoin(runs, runs.c.id == states.c.last_run_id)
    rows = connection.execute(of_target.where(states.c.target_id == found.id).order_by(states.c.scan)).all()
    return answer(
        TargetView,
        found,
        references=references,
        owners=owners,
        states=tuple(map(_state, rows)),
        findings=_findings(connection, {row.id: row.scan for row in rows}, gone=gone),
        uses=uses_of(connection, [found.id]).get(found.id, ()),
        names=said_of(connection, found.id),
    )


def _state(row: Row[Any]) -> State:
    return answer(
        State,
        row,
        run=row.run or "",
        at=when(row.last_at),
        outcome=outcome(row.outcome),
        scanned=when(row.ok_at),
        version=Version(row.scanner_version, row.database_version),
    )


def _findings(connection: Connection, scans: Mapping[int, str], *, gone: bool) -> tuple[FoundNow, ...]:
    query = select(findings, facts).join(facts, facts.c.id == findings.c.fact_id).where(findings.c.state_id.in_(scans))
    if not gone:
        query = query.where(findings.c.gone_at == 0)
    rows = connection.execute(query.order_by(facts.c.severity.desc(), facts.c.name, facts.c.id, findings.c.first_at))
    return tuple(
        answer(
            FoundNow,
            row,
            scan=scans[row.state_id],
            id=row.name,
            severity=SEVERITIES[row.severity],
            since=datetime.fromtimestamp(row.first_at, UTC),
            gone=when(row.gone_at),
        )
        for row in rows
    )
