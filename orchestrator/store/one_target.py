"""One target: its names, how each scan of it stands, and what they found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, or_, select

from orchestrator.store.answers import answer, when
from orchestrator.store.columns import clip
from orchestrator.store.dialects import rows_by
from orchestrator.store.documents import FoundNow, TargetView
from orchestrator.store.facts import Said
from orchestrator.store.lookers import completed, together
from orchestrator.store.names import names_of, said_of, uses_of
from orchestrator.store.scan_states import scan_states
from orchestrator.store.schema import findings, runs, states, target_digests, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.model import MergedFinding


def target_view(connection: Connection, target: str, *, gone: bool) -> TargetView | None:
    """See `Store.target`."""
    found = connection.execute(select(targets).where(targets.c.target == clip(target, 128))).one_or_none()
    if found is None:
        return None
    references, owners = names_of(connection, [found.id]).get(found.id, ((), ()))
    scans = scan_states(connection, [found.id]).get(found.id, {})
    return answer(
        TargetView,
        found,
        references=references,
        owners=owners,
        states=tuple(scans.values()),
        findings=_findings(connection, found.id, {state: of.scan for state, of in scans.items()}, gone=gone),
        uses=uses_of(connection, [found.id]).get(found.id, ()),
        names=said_of(connection, found.id),
    )


def targets_of(connection: Connection, digest: str) -> tuple[str, ...]:
    """See `Store.targets`."""
    under = select(target_digests.c.target_id).where(target_digests.c.digest == clip(digest, 160))
    query = select(targets.c.target).where(or_(targets.c.digest == clip(digest, 160), targets.c.id.in_(under)))
    return tuple(connection.scalars(query.order_by(targets.c.target)))


def targets_with(connection: Connection, ids: Iterable[str]) -> set[int]:
    """Numbers of the targets with these ids; an id that none has is left out."""
    wanted = {clip(each, 128) for each in ids}
    return {row.id for row in rows_by(connection, targets.c.target, wanted, select(targets.c.id))}


def every_target(connection: Connection) -> set[int]:
    """Numbers of all targets, those too that no name means any more."""
    return set(connection.scalars(select(targets.c.id)))


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
