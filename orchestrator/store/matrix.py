"""The whole matrix: what is stale, the newest versions of each scan, and how many stand how."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, func, literal, not_, or_, select, true, union_all

from orchestrator.model import Outcome
from orchestrator.model.ages import age_of
from orchestrator.results.freshness import is_fresh, stale_until
from orchestrator.store.answers import answer, outcome, when
from orchestrator.store.dialects import rows_by
from orchestrator.store.documents import Stale, StateCount, Version
from orchestrator.store.schema import cells, runs, states, targets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

# By age; what follows is only for the order to be that of an index, so that nothing has to be sorted.
_AS_INDEXED = (
    states.c.ok_at,
    states.c.outcome,
    states.c.scanner_version,
    states.c.database_version,
)


def _leaping() -> Select[str | None]:
    leaps = select(func.min(states.c.scan).label("scan")).cte("leaps", recursive=True)
    following = select(func.min(states.c.scan)).where(states.c.scan > leaps.c.scan).scalar_subquery()
    leaps = leaps.union_all(select(following).where(leaps.c.scan.is_not(None)))
    return select(leaps.c.scan)


# Made once: it is asked with most questions, and making it takes longer than its answer.
_SCANS = _leaping()


def stale(
    connection: Connection,
    ages: Mapping[str, int],
    now: datetime,
    *,
    limit: int,
    versions: Mapping[str, Version],
    asked_since: datetime | None,
    questions: Mapping[str, Collection[str]],
) -> tuple[Stale, ...]:
    """See `Store.stale`."""
    found: list[tuple[tuple[Any, ...], Stale]] = []
    for scan in scans(connection):
        before = stale_until(age_of(scan, ages), now)
        old = states.c.ok_at <= before if before is not None else states.c.ok_at >= 0
        found += _stale(connection, scan, states.c.suspect_at > 0, "suspect", limit=limit, asked_since=asked_since)
        old = and_(old, states.c.suspect_at == 0)
        found += _stale(connection, scan, old, "old", limit=limit, asked_since=asked_since)
        asked = questions.get(scan, ())
        if asked and before is not None and _is_otherwise(connection, scan, asked, before):
            unasked = and_(states.c.ok_at > before, states.c.suspect_at == 0, unanswered(asked))
            found += _stale(connection, scan, unasked, "question", limit=limit, asked_since=asked_since)
        version = versions.get(scan)
        if version is not None and before is not None and _is_other(connection, scan, version, before):
            other = and_(
                states.c.ok_at > before,
                states.c.suspect_at == 0,
                not_(unanswered(asked)) if asked else true(),
                or_(states.c.scanner_version != version.scanner, states.c.database_version != version.database),
            )
            found += _stale(connection, scan, other, "version", limit=limit, asked_since=asked_since)
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
        .order_by(*_AS_INDEXED, states.c.id)
        .limit(limit)
    )
    if asked_since is not None:
        query = query.where(states.c.last_at >= int(asked_since.timestamp()))
    return [
        (
            (0 if row.suspect_at else row.ok_at, row.target, scan),
            answer(
                Stale,
                row,
                why=why if row.ok_at else "never",
                scanned=when(row.ok_at),
                outcome=outcome(row.outcome),
            ),
        )
        for row in connection.execute(query)
    ]


def _is_other(connection: Connection, scan: str, version: Version, before: int) -> bool:
    """Whether a state younger than a moment is of another version; most often none is.

    Asked by the ranges of the index that lie around the one of this version, which hold only what is of another.
    """
    scanner, database = states.c.scanner_version, states.c.database_version
    same = scanner == version.scanner
    ranges = (
        scanner < version.scanner,
        scanner > version.scanner,
        and_(same, database < version.database),
        and_(same, database > version.database),
    )
    younger = and_(states.c.scan == scan, states.c.ok_at > before)
    return bool(connection.scalar(select(or_(*(exists().where(younger, within) for within in ranges)))))


def unanswered(asked: Collection[str]) -> ColumnElement[bool]:
    """Whether a state's result answers another question than these; see `orchestrator.results.freshness.is_answer`."""
    return and_(states.c.asked != "", states.c.asked.not_in(sorted(asked)))


def _is_otherwise(connection: Connection, scan: str, asked: Collection[str], before: int) -> bool:
    """Whether any such result is younger than a moment: by the ranges of the index between these questions."""
    edges = ["", *sorted(asked)]
    ranges = [and_(states.c.asked > low, states.c.asked < high) for low, high in itertools.pairwise(edges)] + [
        states.c.asked > edges[-1]
    ]
    younger = and_(states.c.scan == scan, states.c.ok_at > before)
    return bool(connection.scalar(select(or_(*(exists().where(younger, within) for within in ranges)))))


def lacks(connection: Connection, results: Iterable[tuple[str, str, int]], until: int) -> bool:
    """Whether the newest result of any target and scan at a moment is not in the store, as part of a whole run.

    Args:
        connection: to read by.
        results: that there are: target, scan, and when each ended, seconds since 1970.
        until: the moment, likewise.
    """
    wanted = {(target, scan): at for target, scan, at in results if at <= until}
    query = (
        select(targets.c.target, states.c.scan, func.max(cells.c.at).label("ok_at"))
        .join(states, states.c.target_id == targets.c.id)
        .join(cells, cells.c.state_id == states.c.id)
        .join(runs, runs.c.id == cells.c.run_id)
        .where(cells.c.outcome == Outcome.OK, cells.c.at <= until, runs.c.ledger_digest != "")
        .group_by(targets.c.target, states.c.scan)
    )
    for row in rows_by(connection, targets.c.target, {target for target, _ in wanted}, query):
        if row.ok_at >= wanted.get((row.target, row.scan), row.ok_at + 1):
            del wanted[row.target, row.scan]
    return bool(wanted)


def versions(connection: Connection) -> dict[str, Version]:
    """Of each scan, the versions that made its newest result."""
    found = {}
    for scan in scans(connection):
        newest = (
            select(states.c.scanner_version, states.c.database_version)
            .where(states.c.scan == scan, states.c.ok_at > 0, states.c.suspect_at == 0)
            .order_by(states.c.ok_at.desc())
            .limit(1)
        )
        row = connection.execute(newest).one_or_none()
        if row is not None:
            found[scan] = Version(*row)
    return found


def scans(connection: Connection) -> list[str]:
    """Every scan there is a state of, found by leaps through the index instead of reading all of it."""
    return [scan for scan in connection.scalars(_SCANS) if scan is not None]


def count_states(connection: Connection, ages: Mapping[str, int], now: datetime) -> tuple[StateCount, ...]:
    """See `Store.states`."""
    counted = func.count().label("targets")
    parts = []
    for scan in scans(connection):
        before = stale_until(age_of(scan, ages), now)
        # Ranges of the index, out of which alone they are counted.
        ranges: dict[str, tuple[ColumnElement[bool], ...]] = {"never": (states.c.ok_at == 0,)}
        if before is None:
            ranges["stale"] = (states.c.ok_at > 0,)
        else:
            ranges |= {
                "stale": (states.c.ok_at > 0, states.c.ok_at <= before),
                "fresh": (states.c.ok_at > before,),
            }
        parts += [
            select(literal(scan).label("scan"), literal(name).label("freshness"), states.c.outcome, counted)
            .where(states.c.scan == scan, *within)
            .group_by(states.c.outcome)
            for name, within in ranges.items()
        ]
    counts = Counter[tuple[str, str, str]]()
    for row in connection.execute(union_all(*parts)).all() if parts else []:
        counts[row.scan, row.outcome, row.freshness] += row.targets
    # The few that are suspect are taken out of what the index alone told.
    doubtful = select(states.c.scan, states.c.outcome, states.c.ok_at).where(states.c.suspect_at > 0)
    for row in connection.execute(doubtful):
        fresh = is_fresh(row.ok_at, age_of(row.scan, ages), now)
        counts[row.scan, row.outcome, "fresh" if fresh else "stale"] -= 1
        counts[row.scan, row.outcome, "suspect"] += 1
    found = [
        StateCount(scan=scan, outcome=outcome(ended), freshness=freshness, targets=targets)
        for (scan, ended, freshness), targets in counts.items()
        if targets
    ]
    return tuple(sorted(found, key=lambda each: (each.scan, each.outcome or "", each.freshness)))
