"""The store's answers: what is stale, who has this, one target, the whole matrix, what changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, or_, select

from orchestrator.model import Outcome
from orchestrator.results.store.catalogue import clip
from orchestrator.results.store.interface import FoundNow, Stale, State, StateCount, TargetView, Version
from orchestrator.results.store.names import SEVERITIES, names_of, uses_of
from orchestrator.results.store.schema import facts, findings, runs, states, targets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection, Row

#: The age of scans that have none of their own, among ages by scan.
DEFAULT = "default"

# By age; what follows is only for the order to be that of an index, so that nothing has to be sorted.
_AS_INDEXED = (
    states.c.ok_at,
    states.c.outcome,
    states.c.scanner_version,
    states.c.database_version,
    states.c.id,
)


def when(seconds: int) -> datetime | None:
    """A moment of the store; None for none."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def stale(
    connection: Connection,
    ages: Mapping[str, int],
    now: datetime,
    *,
    limit: int,
    versions: Mapping[str, Version],
    asked_since: datetime | None,
) -> tuple[Stale, ...]:
    """See `Store.stale`."""
    found: list[tuple[tuple[Any, ...], Stale]] = []
    for scan in _scans(connection):
        age = ages.get(scan, ages.get(DEFAULT))
        # Results from the future (a clock that was wrong) are taken for fresh, as the plan does.
        before = int(now.timestamp()) - age if age is not None else None
        old = states.c.ok_at <= before if before is not None else states.c.ok_at >= 0
        found += _stale(connection, scan, old, "old", limit=limit, asked_since=asked_since)
        version = versions.get(scan)
        if version is not None and before is not None:
            other = or_(states.c.scanner_version != version.scanner, states.c.database_version != version.database)
            found += _stale(
                connection, scan, and_(states.c.ok_at > before, other), "version", limit=limit, asked_since=asked_since
            )
    found.sort(key=lambda each: each[0])
    return tuple(each for _, each in found[:limit])


def _stale(
    connection: Connection,
    scan: str,
    condition: ColumnElement[bool],
    why: str,
    *,
    limit: int,
    asked_since: datetime | None,
) -> list[tuple[tuple[Any, ...], Stale]]:
    query = (
        select(states, targets.c.target, targets.c.reference)
        .join(targets, targets.c.id == states.c.target_id)
        .where(states.c.scan == scan, condition)
        .order_by(*_AS_INDEXED)
        .limit(limit)
    )
    if asked_since is not None:
        query = query.where(states.c.last_at >= int(asked_since.timestamp()))
    return [
        (
            (row.ok_at, row.target, scan),
            Stale(
                target=row.target,
                scan=scan,
                reference=row.reference,
                why=why if row.ok_at else "never",
                scanned=when(row.ok_at),
                outcome=_outcome(row.outcome),
                reason=row.reason,
                failures=row.failures,
            ),
        )
        for row in connection.execute(query)
    ]


def versions(connection: Connection) -> dict[str, Version]:
    """Of each scan, the versions that made its newest result."""
    found = {}
    for scan in _scans(connection):
        newest = (
            select(states.c.scanner_version, states.c.database_version)
            .where(states.c.scan == scan, states.c.ok_at > 0)
            .order_by(states.c.ok_at.desc())
            .limit(1)
        )
        row = connection.execute(newest).one_or_none()
        if row is not None:
            found[scan] = Version(*row)
    return found


def _scans(connection: Connection) -> list[str]:
    """Every scan there is a state of, found by leaps through the index instead of reading all of it."""
    found: list[str] = []
    last = ""
    while (scan := connection.scalar(select(func.min(states.c.scan)).where(states.c.scan > last))) is not None:
        found.append(scan)
        last = scan
    return found


def count_states(connection: Connection, ages: Mapping[str, int], now: datetime) -> tuple[StateCount, ...]:
    """See `Store.states`."""
    limits = {scan: ages.get(scan, ages.get(DEFAULT)) for scan in _scans(connection)}
    found = []
    for scan, age in limits.items():
        before = int(now.timestamp()) - age if age is not None else None
        old = states.c.ok_at <= before if before is not None else states.c.ok_at > 0
        freshness = case((states.c.ok_at == 0, "never"), (old, "stale"), else_="fresh").label("freshness")
        # Out of the index alone, and grouped by number, which is faster than by text.
        counted = (
            select(states.c.outcome, freshness, func.count().label("targets"))
            .where(states.c.scan == scan)
            .group_by(states.c.outcome, freshness)
        )
        found += [
            StateCount(scan=scan, outcome=_outcome(row.outcome), freshness=row.freshness, targets=row.targets)
            for row in connection.execute(counted)
        ]
    return tuple(sorted(found, key=lambda each: (each.scan, each.outcome or "", each.freshness)))


def target_view(connection: Connection, target: str, *, gone: bool) -> TargetView | None:
    """See `Store.target`."""
    found = connection.execute(select(targets).where(targets.c.target == clip(target, 128))).one_or_none()
    if found is None:
        return None
    references, owners = names_of(connection, [found.id]).get(found.id, ((), ()))
    of_target = select(states, runs.c.run).outerjoin(runs, runs.c.id == states.c.last_run_id)
    rows = connection.execute(of_target.where(states.c.target_id == found.id).order_by(states.c.scan)).all()
    return TargetView(
        target=target,
        digest=found.digest,
        platform=found.platform,
        references=references,
        owners=owners,
        states=tuple(map(_state, rows)),
        findings=_findings(connection, {row.id: row.scan for row in rows}, gone=gone),
        uses=uses_of(connection, [found.id]).get(found.id, ()),
    )


def _findings(connection: Connection, scans: Mapping[int, str], *, gone: bool) -> tuple[FoundNow, ...]:
    query = select(findings, facts).join(facts, facts.c.id == findings.c.fact_id).where(findings.c.state_id.in_(scans))
    if not gone:
        query = query.where(findings.c.gone_at == 0)
    rows = connection.execute(query.order_by(facts.c.severity.desc(), facts.c.name, facts.c.id, findings.c.first_at))
    return tuple(
        FoundNow(
            scan=scans[row.state_id],
            kind=row.kind,
            id=row.name,
            severity=SEVERITIES[row.severity],
            title=row.title,
            package=row.package,
            version=row.version,
            purl=row.purl,
            location=row.location,
            fixed_version=row.fixed_version,
            cvss_score=row.cvss_score,
            since=datetime.fromtimestamp(row.first_at, UTC),
            gone=when(row.gone_at),
        )
        for row in rows
    )


def _state(row: Row[Any]) -> State:
    return State(
        scan=row.scan,
        run=row.run or "",
        at=when(row.last_at),
        outcome=_outcome(row.outcome),
        reason=row.reason,
        scanned=when(row.ok_at),
        failures=row.failures,
        findings=row.findings,
        scanner=row.scanner,
        version=Version(row.scanner_version, row.database_version),
        report_digest=row.report_digest,
    )


def _outcome(text: str) -> Outcome | None:
    return Outcome(text) if text else None
