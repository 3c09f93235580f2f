"""What makes a name worth being compared at two moments, asked of the indexes: only what is otherwise is ever read.

Everything here may name more than there is, never less: what it does not name is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, func, not_, or_, select

from orchestrator.model import Outcome
from orchestrator.store.dialects import among, rows_by
from orchestrator.store.matrix import scans
from orchestrator.store.schema import cells, findings, run_tags, runs, states
from orchestrator.store.suspects import doubtful

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from orchestrator.model import Distrust

_MEANT = select(run_tags.c.tag_id, run_tags.c.target_id).distinct()
_MADE_BY = (cells.c.scanner_image, cells.c.scanner, cells.c.scanner_version)


def targets_by_name(connection: Connection, run: int) -> dict[int, set[int]]:
    """What each name meant in a run."""
    found: dict[int, set[int]] = {}
    query = select(run_tags.c.tag_id, run_tags.c.target_id).where(run_tags.c.run_id == run)
    for row in rows_by(connection, run_tags.c.run_id, None, query):
        found.setdefault(row.tag_id, set()).add(row.target_id)
    return found


def followed(connection: Connection, places: Sequence[int]) -> set[int]:
    """Of runs in their order, those of which a later one of them has the same first name; mostly all but the last."""
    first = select(func.min(run_tags.c.tag_id)).where(run_tags.c.run_id == runs.c.id).scalar_subquery().label("name")
    firsts = {row.id: row.name for row in rows_by(connection, runs.c.id, places, select(runs.c.id, first))}
    last = {firsts[run]: run for run in places}
    return {run for run in places if firsts[run] is not None and last[firsts[run]] != run}


def share_names(connection: Connection, run: int, others: Sequence[int]) -> bool:
    """Whether a run has any name that others have as well."""
    mine, theirs = run_tags.alias(), run_tags.alias()
    query = select(mine.c.tag_id).join(theirs, theirs.c.tag_id == mine.c.tag_id).where(mine.c.run_id == run)
    return any(True for _ in rows_by(connection, theirs.c.run_id, others, query.limit(1)))


def unlike(connection: Connection, run: int, before: Sequence[int]) -> set[int]:
    """Targets and scans that a run has, and that did not end ok both in it and in the first of some others with them.

    Args:
        connection: to read by.
        run: its number.
        before: numbers of the others, the newest first; with none, it is the run's own cells that count.
    """
    now = cells.alias()
    query: Any = select(now.c.state_id).where(now.c.run_id == run)
    if not before:
        return set(connection.scalars(query.where(now.c.outcome != Outcome.OK)))
    others = [cells.alias() for _ in before]
    joined: Any = now
    for other, number in zip(others, before, strict=True):
        joined = joined.outerjoin(other, and_(other.c.state_id == now.c.state_id, other.c.run_id == number))
    then = func.coalesce(*(other.c.outcome for other in others), "")
    both = and_(now.c.outcome == Outcome.OK, then == Outcome.OK)
    return set(connection.scalars(query.select_from(joined).where(not_(both))))


def disordered(connection: Connection, before: Sequence[int]) -> set[int]:
    """Targets and scans of which an older run has the newer cell, which happens where runs overlap.

    Args:
        connection: to read by.
        before: numbers of runs, the newest first.
    """
    times = select(cells.c.run_id, func.min(cells.c.at).label("begin"), func.max(cells.c.at).label("end"))
    known = {row.run_id: row for row in rows_by(connection, cells.c.run_id, before, times.group_by(cells.c.run_id))}
    found: set[int] = set()
    for place, newer in enumerate(before):
        for older in before[place + 1 :]:
            if newer in known and older in known and known[newer].begin <= known[older].end:
                first, second = cells.alias(), cells.alias()
                same = and_(first.c.state_id == second.c.state_id, second.c.run_id == older, second.c.at >= first.c.at)
                query = select(first.c.state_id).join(second, same).where(first.c.run_id == newer)
                found.update(connection.scalars(query))
    return found


def stirred(connection: Connection, before: Sequence[int]) -> set[int]:
    """Targets and scans of which a finding came or went since these runs began, by a cell of another run."""
    since = connection.scalar(select(func.min(cells.c.at)).where(among(connection, cells.c.run_id, before))) or 0
    came = select(findings.c.state_id).where(findings.c.first_at >= since, findings.c.first_run_id.not_in(before))
    went = select(findings.c.state_id).where(
        findings.c.gone_at > 0, findings.c.gone_at >= since, findings.c.gone_run_id.not_in(before)
    )
    return {*connection.scalars(came.distinct()), *connection.scalars(went.distinct())}


def doubted(connection: Connection, of_runs: Sequence[int], distrusted: Sequence[Distrust]) -> set[int]:
    """Targets and scans with a result in these runs that may be suspect."""
    found = set(connection.scalars(select(states.c.id).where(states.c.suspect_at > 0)))
    query = select(*_MADE_BY).where(cells.c.outcome == Outcome.OK).distinct()
    every = scans(connection)
    makers = {tuple(row) for row in rows_by(connection, cells.c.run_id, of_runs, query)}
    for maker in makers:
        for scan in every:
            if _is_doubtful(scan, maker, distrusted):
                same = and_(*(column == value for column, value in zip(_MADE_BY, maker, strict=True)))
                made = (
                    select(states.c.id).join(cells, cells.c.state_id == states.c.id).where(states.c.scan == scan, same)
                )
                found.update(row.id for row in rows_by(connection, cells.c.run_id, of_runs, made))
    return found


def _is_doubtful(scan: str, maker: Sequence[str], distrusted: Sequence[Distrust]) -> bool:
    image, scanner, version = maker
    return doubtful(scan, image, scanner, version, distrusted)


def scattered(connection: Connection, run: int, before: int) -> set[int]:
    """Targets of which several scans ever found something, and some cell of a run had none in a run before it."""
    now, then = cells.alias(), cells.alias()
    same = and_(then.c.state_id == now.c.state_id, then.c.run_id == before)
    new = select(now.c.state_id).select_from(now.outerjoin(then, same))
    lacking = targets_of(connection, connection.scalars(new.where(now.c.run_id == run, then.c.state_id.is_(None))))
    has_found = exists().where(findings.c.state_id == states.c.id)
    several = select(states.c.target_id).where(has_found).group_by(states.c.target_id).having(func.count() > 1)
    return {row.target_id for row in rows_by(connection, states.c.target_id, lacking, several)}


def left_out(connection: Connection, run: int, meant: Mapping[int, int]) -> tuple[set[int], set[int]]:
    """Targets, and names, of which some scan ever found something that a run may not have had by this scan.

    Args:
        connection: to read by.
        run: its number.
        meant: the target of each of its names.
    """
    has_found = exists().where(findings.c.state_id == states.c.id)
    elsewhere = or_(states.c.last_run_id.is_(None), states.c.last_run_id != run)
    ours = set(meant.values())
    targets = ours.intersection(connection.scalars(select(states.c.target_id).where(elsewhere, has_found)))
    names: set[int] = set()
    lacking = _lacking(connection, run)
    holding: dict[str, set[int]] = {scan: set() for scan in lacking}
    of_scans = select(states.c.target_id, states.c.scan).where(has_found)
    for row in rows_by(connection, states.c.scan, lacking, of_scans):
        holding[row.scan].add(row.target_id)
    for scan, scanned in lacking.items():
        if not holding[scan]:
            continue
        # Such a name may have meant a target that this scan found something in, under another name in this run perhaps.
        asked = {name for name, target in meant.items() if target not in scanned}
        few = len(asked) < len(holding[scan])
        column, wanted = (run_tags.c.tag_id, asked) if few else (run_tags.c.target_id, holding[scan])
        rows = rows_by(connection, column, wanted, _MEANT)
        names.update(row.tag_id for row in rows if row.tag_id in asked and row.target_id in holding[scan])
    return targets, names


def _lacking(connection: Connection, run: int) -> dict[str, set[int]]:
    """Those scans that a run did not have of each of its targets, with the targets of which it had them."""
    joined = cells.c.state_id == states.c.id, cells.c.run_id == run
    count = select(func.count(states.c.target_id.distinct())).where(*joined)
    every = connection.scalar(count) or 0
    by_scan = select(states.c.scan, func.count().label("targets")).where(*joined).group_by(states.c.scan)
    counts = {row.scan: row.targets for row in connection.execute(by_scan)}
    found: dict[str, set[int]] = {scan: set() for scan in scans(connection) if counts.get(scan, 0) < every}
    of_scans = select(states.c.target_id, states.c.scan).where(*joined)
    for row in rows_by(connection, states.c.scan, found, of_scans):
        found[row.scan].add(row.target_id)
    return found


def targets_of(connection: Connection, wanted: Iterable[int]) -> set[int]:
    """The targets of targets and scans."""
    query = select(states.c.target_id).distinct()
    return {row.target_id for row in rows_by(connection, states.c.id, wanted, query)}
