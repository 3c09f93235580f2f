"""What names mean in runs, compared within the database: only names that are otherwise are ever read.

Everything here may name more than there is, never less: what it does not name is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, exists, func, select

from orchestrator.store.dialects import BATCH, rows_by
from orchestrator.store.matrix import scans
from orchestrator.store.schema import HAS_FOUND, cells, run_tags, runs, states, targets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import BindParameter, Connection

    from orchestrator.store.extent import Extent

_RUN: BindParameter[int] = bindparam("run")
_OTHER: BindParameter[int] = bindparam("other")
_MANY: BindParameter[Any] = bindparam("others", expanding=True)
_SCAN: BindParameter[str] = bindparam("scan")
_mine, _theirs, _also = run_tags.alias(), run_tags.alias(), run_tags.alias()

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
_THINGS = (
    select(func.sum(targets.c.things))
    .join(run_tags, run_tags.c.target_id == targets.c.id)
    .where(run_tags.c.run_id == _RUN)
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
_HOLDING = select(states.c.target_id).where(states.c.scan == _SCAN, HAS_FOUND)
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
    """Names of a run that mean another target in another one."""
    return set(connection.scalars(_MEANT_ELSE, {"run": run, "other": other}))


def renamed(connection: Connection, run: int, other: int) -> set[int]:
    """Names of a run that another one lacks while it has their target; they are among those it lacks at all."""
    return set(connection.scalars(_CALLED_ELSE, {"run": run, "other": other}))


def names_of(connection: Connection, run: int, wanted: Iterable[int]) -> set[int]:
    """The names that targets have in a run."""
    return {row.tag_id for row in rows_by(connection, run_tags.c.target_id, wanted, _OF_RUN, run=run)}


def things(connection: Connection, run: int, without: Collection[int]) -> int:
    """How many things the targets of a run have now, counted once for each of their names, but for some names."""
    every = connection.scalar(_THINGS, {"run": run}) or 0
    return int(every - sum(row[0] or 0 for row in rows_by(connection, run_tags.c.tag_id, without, _THINGS, run=run)))


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
