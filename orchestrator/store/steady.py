"""How the cells of runs ended, and what came or went, asked of the indexes: only what is otherwise is ever read.

Everything here may name more than there is, never less: what it does not name is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, exists, func, literal_column, or_, select, union_all

from orchestrator.model import Outcome
from orchestrator.store.dialects import rows_by
from orchestrator.store.schema import HAS_FOUND, cells, findings, run_tags, states
from orchestrator.store.suspects import doubtful

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import BindParameter, Connection

    from orchestrator.model import Distrust
    from orchestrator.store.extent import Maker

_RUN: BindParameter[int] = bindparam("run")
_OTHER: BindParameter[int] = bindparam("other")
_MANY: BindParameter[Any] = bindparam("others", expanding=True)
_SINCE: BindParameter[int] = bindparam("since")
_SCAN: BindParameter[str] = bindparam("scan")
_now, _then = cells.alias(), cells.alias()

_SCANS_OF = (
    select(states.c.scan)
    .join(run_tags, run_tags.c.target_id == states.c.target_id)
    .where(run_tags.c.run_id.in_(_MANY), HAS_FOUND)
    .distinct()
)
# All others there are, each a range of an index; "is not" would be none, and less or more only one.
_OTHERS = [each.value for each in Outcome if each is not Outcome.OK]
_NOT_OK = select(cells.c.state_id).where(cells.c.outcome.in_(_OTHERS))
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
_STIRRED = union_all(_CAME, _WENT)
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
_NAMES_OF = (
    select(run_tags.c.tag_id)
    # The sum keeps planners from going through all names of the run instead of the few targets and scans.
    .join(states, states.c.target_id + 0 == run_tags.c.target_id)
    .where(run_tags.c.run_id == _RUN)
    .distinct()
)
_IN_RUN = exists().where(run_tags.c.target_id == states.c.target_id, run_tags.c.run_id == _RUN)
_FOUND_BY_SEVERAL = (
    select(states.c.target_id)
    .where(states.c.ever_found == 1)
    .group_by(states.c.target_id)
    .having(func.count() > 1, _IN_RUN)
)
_EARLIER = select(states.c.target_id).where(states.c.last_at < _SINCE, _IN_RUN, HAS_FOUND)
_ELSEWHERE = select(states.c.target_id).where(
    or_(states.c.last_run_id.is_(None), states.c.last_run_id != _RUN), _IN_RUN, HAS_FOUND
)


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
    return set(connection.scalars(_STIRRED, {"since": since, "others": list(before)}))


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


def names_of(connection: Connection, run: int, wanted: Iterable[int]) -> set[int]:
    """The names that the targets of targets and scans have in a run."""
    return {row.tag_id for row in rows_by(connection, states.c.id, wanted, _NAMES_OF, run=run)}
