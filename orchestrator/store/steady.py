"""What makes a name worth being compared at two moments, asked of the indexes: only what is otherwise is ever read.

Everything here may name more than there is, never less: what it does not name is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, exists, func, literal_column, or_, select

from orchestrator.model import Outcome
from orchestrator.store.dialects import BATCH, rows_by
from orchestrator.store.matrix import scans
from orchestrator.store.schema import cells, findings, run_tags, runs, states, targets
from orchestrator.store.suspects import doubtful

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import BindParameter, Connection

    from orchestrator.model import Distrust
    from orchestrator.store.extent import Extent, Maker

_RUN: BindParameter[int] = bindparam("run")
_OTHER: BindParameter[int] = bindparam("other")
_MANY: BindParameter[Any] = bindparam("others", expanding=True)
_SINCE: BindParameter[int] = bindparam("since")
_SCAN: BindParameter[str] = bindparam("scan")
_now, _then = cells.alias(), cells.alias()
_mine, _theirs, _also = run_tags.alias(), run_tags.alias(), run_tags.alias()

_HAS_FOUND = exists().where(findings.c.state_id == states.c.id)
_FIRST = select(
    runs.c.id,
    select(func.min(run_tags.c.tag_id)).where(run_tags.c.run_id == runs.c.id).scalar_subquery().label("name"),
)
_SHARED = (
    select(_mine.c.tag_id)
    .join(_theirs, _theirs.c.tag_id == _mine.c.tag_id)
    .where(_mine.c.run_id == _RUN, _theirs.c.run_id.in_(_MANY))
    .limit(1)
)
_ABSENT = (
    select(_theirs.c.tag_id)
    .where(~exists().where(_mine.c.run_id.in_(_MANY), _mine.c.tag_id == _theirs.c.tag_id))
    .distinct()
)
_OF_RUN = select(run_tags.c.tag_id).where(run_tags.c.run_id == _RUN)
_SEVERAL = _OF_RUN.group_by(run_tags.c.tag_id).having(func.count() > 1)
_MEANT_ELSE = (
    select(_mine.c.tag_id)
    .join(_theirs, and_(_theirs.c.tag_id == _mine.c.tag_id, _theirs.c.target_id != _mine.c.target_id))
    .where(_mine.c.run_id == _RUN, _theirs.c.run_id == _OTHER)
)
_CALLED_ELSE = select(_mine.c.tag_id).where(
    _mine.c.run_id == _RUN,
    ~exists().where(_theirs.c.run_id == _OTHER, _theirs.c.tag_id == _mine.c.tag_id),
    exists().where(_also.c.run_id == _OTHER, _also.c.target_id == _mine.c.target_id),
)
_SCANS_OF = (
    select(states.c.scan)
    .join(run_tags, run_tags.c.target_id == states.c.target_id)
    .where(run_tags.c.run_id.in_(_MANY), _HAS_FOUND)
    .distinct()
)
_THINGS = (
    select(func.sum(targets.c.things))
    .join(run_tags, run_tags.c.target_id == targets.c.id)
    .where(run_tags.c.run_id == _RUN)
)
# Two ranges of an index; "is not" would be none.
_NOT_OK = select(cells.c.state_id).where(or_(cells.c.outcome < Outcome.OK.value, cells.c.outcome > Outcome.OK.value))
_LACKING = select(_now.c.state_id).where(
    _now.c.run_id == _RUN,
    ~exists().where(_then.c.state_id == _now.c.state_id, _then.c.run_id.in_(_MANY)),
    exists().where(states.c.id == _now.c.state_id, states.c.scan.in_(bindparam("scans", expanding=True))),
)
_DISORDERED = (
    select(_now.c.state_id)
    .join(_then, and_(_now.c.state_id == _then.c.state_id, _then.c.at >= _now.c.at))
    .where(_now.c.run_id == _RUN, _then.c.run_id == _OTHER)
)
# Not distinct: for that, planners read the whole table in the order of its key.
_CAME = select(findings.c.state_id).where(findings.c.first_at >= _SINCE, findings.c.first_run_id.not_in(_MANY))
_WENT = select(findings.c.state_id).where(
    # Spelt out, as in the condition of its index.
    findings.c.gone_at > literal_column("0"),
    findings.c.gone_at >= _SINCE,
    findings.c.gone_run_id.not_in(_MANY),
)
_SUSPECT = select(states.c.id).where(states.c.suspect_at > 0)
_MADE_BY = (
    select(states.c.id)
    .join(cells, cells.c.state_id == states.c.id)
    .where(
        states.c.scan == _SCAN,
        cells.c.scanner_image == bindparam("image"),
        cells.c.scanner == bindparam("scanner"),
        cells.c.scanner_version == bindparam("version"),
    )
)
_TARGETS_OF = select(states.c.target_id).distinct()
_IN_RUN = exists().where(run_tags.c.target_id == states.c.target_id, run_tags.c.run_id == _RUN)
_FOUND_BY_SEVERAL = (
    select(states.c.target_id)
    .where(_HAS_FOUND)
    .group_by(states.c.target_id)
    .having(func.count() > 1, exists().where(run_tags.c.target_id == states.c.target_id, run_tags.c.run_id == _RUN))
)
_EARLIER = select(states.c.target_id).where(states.c.last_at < _SINCE, _IN_RUN, _HAS_FOUND)
_ELSEWHERE = select(states.c.target_id).where(
    or_(states.c.last_run_id.is_(None), states.c.last_run_id != _RUN), _IN_RUN, _HAS_FOUND
)
_WITHOUT = select(run_tags.c.tag_id, run_tags.c.target_id).where(
    run_tags.c.run_id == _RUN,
    ~exists().where(
        states.c.target_id == run_tags.c.target_id,
        states.c.scan == _SCAN,
        cells.c.state_id == states.c.id,
        cells.c.run_id == _RUN,
    ),
)
_HOLDING = select(states.c.target_id).where(states.c.scan == _SCAN, _HAS_FOUND)
_MEANT = select(run_tags.c.tag_id, run_tags.c.target_id).distinct()


def followed(connection: Connection, places: Sequence[int]) -> set[int]:
    """Of runs in their order, those of which a later one of them has the same first name; mostly all but the last."""
    firsts = {row.id: row.name for row in rows_by(connection, runs.c.id, places, _FIRST)}
    last = {firsts[run]: run for run in places}
    return {run for run in places if firsts[run] is not None and last[firsts[run]] != run}


def share_names(connection: Connection, run: int, others: Sequence[int]) -> bool:
    """Whether a run has any name that others have as well."""
    return bool(others) and connection.execute(_SHARED, {"run": run, "others": list(others)}).first() is not None


def absent(connection: Connection, runs_: Sequence[int], others: Sequence[int]) -> set[int]:
    """Names that others have, and some runs have not."""
    rows = rows_by(connection, _theirs.c.run_id, others, _ABSENT, others=list(runs_)) if others else ()
    return {row.tag_id for row in rows}


def several(connection: Connection, run: int) -> set[int]:
    """Names that mean several targets in a run."""
    return set(connection.scalars(_SEVERAL, {"run": run}))


def moved(connection: Connection, run: int, other: int) -> set[int]:
    """Names of a run that mean another target in another one, or that this one lacks while it has their target."""
    asked = {"run": run, "other": other}
    return {*connection.scalars(_MEANT_ELSE, asked), *connection.scalars(_CALLED_ELSE, asked)}


def names_of(connection: Connection, run: int, wanted: Iterable[int]) -> set[int]:
    """The names that targets have in a run."""
    return {row.tag_id for row in rows_by(connection, run_tags.c.target_id, wanted, _OF_RUN, run=run)}


def things(connection: Connection, run: int, without: Collection[int]) -> int:
    """How many things the targets of a run have now, counted once for each of their names, but for some names."""
    every = connection.scalar(_THINGS, {"run": run}) or 0
    return int(every - sum(row[0] or 0 for row in rows_by(connection, run_tags.c.tag_id, without, _THINGS, run=run)))


def scans_of(connection: Connection, names: Iterable[int], of_runs: Sequence[int]) -> frozenset[str]:
    """The scans that ever found something under some names of runs."""
    rows = rows_by(connection, run_tags.c.tag_id, names, _SCANS_OF, others=list(of_runs))
    return frozenset(row.scan for row in rows)


def lacking(connection: Connection, run: int, others: Sequence[int], of_scans: Collection[str]) -> set[int]:
    """Targets and scans, of some scans, that a run has, and none of the others."""
    asked = {"run": run, "others": list(others), "scans": list(of_scans)}
    return set(connection.scalars(_LACKING, asked)) if of_scans else set()


def not_ok(connection: Connection, of_runs: Sequence[int]) -> set[int]:
    """Targets and scans that did not end ok in these runs."""
    return {row.state_id for row in rows_by(connection, cells.c.run_id, of_runs, _NOT_OK)}


def disordered(connection: Connection, newer: int, older: int) -> set[int]:
    """Targets and scans of which the older of two runs has the newer cell, which happens where runs overlap."""
    return set(connection.scalars(_DISORDERED, {"run": newer, "other": older}))


def stirred(connection: Connection, before: Sequence[int], since: int) -> set[int]:
    """Targets and scans of which a finding came or went since a moment, by a cell of another run than these."""
    asked = {"since": since, "others": list(before)}
    return {*connection.scalars(_CAME, asked), *connection.scalars(_WENT, asked)}


def doubted(
    connection: Connection, of_runs: Sequence[int], makers: Iterable[Maker], distrusted: Sequence[Distrust]
) -> set[int]:
    """Targets and scans with a result in these runs that may be suspect.

    Args:
        connection: to read by.
        of_runs: numbers of the runs.
        makers: of their results.
        distrusted: which scanners are not believed.
    """
    found = set(connection.scalars(_SUSPECT))
    for maker in makers:
        if doubtful(*maker, distrusted):
            rows = rows_by(connection, cells.c.run_id, of_runs, _MADE_BY, **maker._asdict())
            found.update(row.id for row in rows)
    return found


def scattered(connection: Connection, run: int) -> set[int]:
    """Targets of a run of which several scans ever found something."""
    return set(connection.scalars(_FOUND_BY_SEVERAL, {"run": run}))


def earlier(connection: Connection, run: int, since: int | None) -> set[int]:
    """Targets of a run of which some scan ever found something, and was last tried by another run.

    Args:
        connection: to read by.
        run: its number.
        since: when its first cell ended, where no cell of any other run ended later; None where one may have.
    """
    if since is None:
        return set(connection.scalars(_ELSEWHERE, {"run": run}))
    return set(connection.scalars(_EARLIER, {"run": run, "since": since}))


def left_out(connection: Connection, run: int, extent: Extent) -> set[int]:
    """Names of a run that ever meant a target that some scan found something in, which the run lacks for them."""
    names: set[int] = set()
    for scan in scans(connection):
        if extent.scans.get(scan, 0) == extent.targets:
            continue
        # It may have found something under another name in this run perhaps, or of another target than the name means.
        asked = set(connection.scalars(_WITHOUT, {"run": run, "scan": scan}))
        if not asked:
            continue
        if len(asked) <= BATCH:
            meant = list(rows_by(connection, run_tags.c.tag_id, asked, _MEANT))
            of_targets = {row.target_id for row in meant}
            holding = {
                row.target_id for row in rows_by(connection, states.c.target_id, of_targets, _HOLDING, scan=scan)
            }
        else:
            holding = set(connection.scalars(_HOLDING, {"scan": scan}))
            few = len(asked) < len(holding)
            column, wanted = (run_tags.c.tag_id, asked) if few else (run_tags.c.target_id, holding)
            meant = list(rows_by(connection, column, wanted, _MEANT))
        names.update(row.tag_id for row in meant if row.tag_id in asked and row.target_id in holding)
    return names


def targets_of(connection: Connection, wanted: Iterable[int]) -> set[int]:
    """The targets of targets and scans."""
    return {row.target_id for row in rows_by(connection, states.c.id, wanted, _TARGETS_OF)}
