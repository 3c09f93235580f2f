"""One target: its names, how each scan of it stands, and what they found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, func, or_, select

from orchestrator.model import BomSource
from orchestrator.model.documents import spell_time
from orchestrator.store.answers import answer, outcome, when
from orchestrator.store.columns import clip
from orchestrator.store.documents import FoundNow, ScanState, TargetView, Version
from orchestrator.store.facts import Said
from orchestrator.store.lookers import completed, together
from orchestrator.store.names import names_of, said_of, uses_of
from orchestrator.store.schema import cells, findings, runs, states, target_digests, targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.model import MergedFinding


def target_view(connection: Connection, target: str, *, gone: bool) -> TargetView | None:
    """See `Store.target`."""
    found = connection.execute(select(targets).where(targets.c.target == clip(target, 128))).one_or_none()
    if found is None:
        return None
    references, owners = names_of(connection, [found.id]).get(found.id, ((), ()))
    ok = and_(cells.c.state_id == states.c.id, cells.c.run_id == states.c.ok_run_id)
    of_ok = (cells.c.source_bom, cells.c.source_made_at, cells.c.source_cataloguer, cells.c.put_by)
    of_target = select(states, runs.c.run, *of_ok).outerjoin(runs, runs.c.id == states.c.last_run_id)
    of_target = of_target.outerjoin(cells, ok)
    rows = connection.execute(of_target.where(states.c.target_id == found.id).order_by(states.c.scan)).all()
    return answer(
        TargetView,
        found,
        references=references,
        owners=owners,
        states=tuple(map(_state, rows)),
        findings=_findings(connection, found.id, {row.id: row.scan for row in rows}, gone=gone),
        uses=uses_of(connection, [found.id]).get(found.id, ()),
        names=said_of(connection, found.id),
    )


def targets_of(connection: Connection, digest: str) -> tuple[str, ...]:
    """See `Store.targets`."""
    under = select(target_digests.c.target_id).where(target_digests.c.digest == clip(digest, 160))
    query = select(targets.c.target).where(or_(targets.c.digest == clip(digest, 160), targets.c.id.in_(under)))
    return tuple(connection.scalars(query.order_by(targets.c.target)))


def _state(row: Row[Any]) -> ScanState:
    return answer(
        ScanState,
        row,
        run=row.run or "",
        at=when(row.last_at),
        outcome=outcome(row.outcome),
        scanned=when(row.ok_at),
        version=Version(row.scanner_version, row.database_version),
        source=_source(row) if row.source_bom else None,
        put_by=row.put_by or "",
    )


def _source(row: Row[Any]) -> BomSource:
    made = when(row.source_made_at)
    return BomSource(bom=row.source_bom, made=spell_time(made) if made else "", cataloguer=row.source_cataloguer)


def _findings(connection: Connection, target: int, scans: Mapping[int, str], *, gone: bool) -> tuple[FoundNow, ...]:
    """What scans found, whichever of them: one row for each stretch of time in which the target has it."""
    query = (
        select(findings, runs.c.run)
        .join(states, states.c.id == findings.c.state_id)
        .outerjoin(runs, runs.c.id == func.coalesce(findings.c.last_run_id, states.c.held_run_id))
        .where(findings.c.state_id.in_(scans))
    )
    rows = connection.execute(query if gone else query.where(findings.c.gone_at == 0)).all()
    said = Said(connection)
    said.read(row.fact_id for row in rows)
    found: dict[tuple[str, str, int], list[Row[Any]]] = {}
    for row in rows:
        finding = said[row.fact_id]
        found.setdefault((finding.key, finding.version, row.gone_at), []).append(row)
    told = [_found([(said[row.fact_id], scans[row.state_id], row) for row in some]) for some in found.values()]
    whole = completed(connection, [(target, run, one.finding) for one, run in told])
    views = [msgspec.structs.replace(one, finding=finding) for (one, _), finding in zip(told, whole, strict=True)]
    return tuple(sorted(views, key=_order))


def _order(one: FoundNow) -> tuple[Any, ...]:
    return -one.finding.severity.rank, one.finding.id, one.finding.key, one.since


def _found(told: Sequence[tuple[MergedFinding, str, Row[Any]]]) -> tuple[FoundNow, str]:
    """The finding, and the run that told it last."""
    finding, _, newest = max(told, key=lambda each: each[2].first_at)
    since = min(row.seen_at or row.first_at for _, _, row in told)
    found = FoundNow(
        finding=together(finding, (scan for _, scan, _ in told), since),
        since=datetime.fromtimestamp(since, UTC),
        gone=when(newest.gone_at),
    )
    return found, newest.run or ""
