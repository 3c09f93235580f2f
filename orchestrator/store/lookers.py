"""Who found a thing, and who else looks for it: scans that did not find it, and scans that could not.

Who else looks changes whenever a scan fails for a day, so it is no part of a fact; it follows from how a run's cells
ended, and from what each of its scans looks for.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, select

from orchestrator.model import MergedFinding, Outcome
from orchestrator.model.documents import spell_time
from orchestrator.model.finding import OWN_KIND
from orchestrator.results.overview import RunSummary
from orchestrator.store.dialects import rows_by
from orchestrator.store.extent import read_extent
from orchestrator.store.remembered import filled
from orchestrator.store.schema import cells, runs, states

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

_KINDS = select(runs.c.id, runs.c.run, runs.c.looks_for, runs.c.extent, runs.c.summary).where(
    runs.c.looks_for.is_not(None)
)
_ENDINGS = (
    select(states.c.target_id, cells.c.run_id, states.c.scan, cells.c.outcome, cells.c.standing)
    .join(cells, cells.c.state_id == states.c.id)
    .where(states.c.scan.in_(bindparam("scans", expanding=True)))
)
# The sum keeps planners from reading all cells of the runs.
_ENDED = _ENDINGS.where((cells.c.run_id + 0).in_(bindparam("of_runs", expanding=True)))
_NOT_HELD = _ENDED.where(cells.c.outcome != Outcome.OK.value, cells.c.standing == "")
# The same of all targets of the runs, by the index of cells that did not end ok.
_NONE_HELD = _ENDINGS.where(
    cells.c.outcome.in_([outcome.value for outcome in Outcome if outcome is not Outcome.OK]), cells.c.standing == ""
)
#: Fields that say it; empty in facts.
FIELDS = ("not_found_by", "not_scanned_by")


class RunTold(NamedTuple):
    """What a run says of its scans.

    Attributes:
        id: its number.
        kinds: by kind of finding, the scans that look for it.
        whole: the scans that it has of every target.
        not_ok: how many of its cells did not end ok, at most.
    """

    id: int
    kinds: dict[str, list[str]]
    whole: set[str]
    not_ok: float

    @classmethod
    def of(cls, row: Row[*tuple[Any, ...]]) -> RunTold:
        """As `_KINDS` reads it."""
        kinds = msgspec.json.decode(row.looks_for, type=dict[str, list[str]])
        whole = read_extent(row.extent).whole_scans if row.extent is not None else set()
        if row.summary is None:  # nobody counted them
            return cls(row.id, kinds, whole, math.inf)
        counts = msgspec.json.decode(row.summary, type=RunSummary).cells
        return cls(row.id, kinds, whole, sum(counts.values()) - counts.get(Outcome.OK, 0))


def together(newest: MergedFinding, scans: Iterable[str], since: int) -> MergedFinding:
    """What several scans have of one target and thing, as one finding.

    Args:
        newest: as the newest run has it.
        scans: every scan that has it.
        since: when it was first seen, seconds since 1970.
    """
    found_by = tuple(dict.fromkeys((*newest.found_by, *sorted(scans))))
    first_seen = _spell(since)
    return msgspec.structs.replace(newest, found_by=found_by, first_seen=first_seen)


@lru_cache(maxsize=1024)
def _spell(seconds: int) -> str:
    """A moment in words; those of one answer are mostly the same few."""
    return spell_time(datetime.fromtimestamp(seconds, UTC))


def completed(
    connection: Connection,
    found: Sequence[tuple[int, str, MergedFinding]],
    known: dict[str, RunTold | None] | None = None,
) -> list[MergedFinding]:
    """Findings with the scans that did not, or could not, find them.

    Args:
        connection: to read by.
        found: each with the number of its target and the id of the run that told it last.
        known: what is known of runs; what is read of others is added.

    Returns:
        In the order given; what an earlier version wrote down stays where nothing else is known.
    """

    def read(some: Collection[str]) -> dict[str, RunTold | None]:
        """What runs tell; None of those that tell nothing."""
        told = {row.run: RunTold.of(row) for row in rows_by(connection, runs.c.run, some, _KINDS)}
        return {run: told.get(run) for run in some}

    every = filled({} if known is None else known, (run for _, run, _ in found), read)
    runs_told = {run: told for run, told in every.items() if told is not None}
    others_of = [_others(finding, runs_told[run].kinds if run in runs_told else None) for _, run, finding in found]
    wanted: dict[str, set[str]] = {}
    places: dict[tuple[int, str], None] = {}
    for (target, run, _), others in zip(found, others_of, strict=True):
        if others:
            places[target, run] = None
            wanted.setdefault(run, set()).update(others)
    ended = _ended(connection, {run: runs_told[run] for run in wanted}, wanted, places)
    return [
        _completed(finding, others if run in runs_told else None, ended.get((target, run), {}))
        for (target, run, finding), others in zip(found, others_of, strict=True)
    ]


def _ended(
    connection: Connection,
    told: Mapping[str, RunTold],
    wanted: Mapping[str, set[str]],
    places: Iterable[tuple[int, str]],
) -> dict[tuple[int, str], dict[str, bool]]:
    """Whether cells hold a result: by target and run, and by scan.

    Args:
        connection: to read by.
        told: the runs.
        wanted: scans of each.
        places: targets and runs.
    """
    ended: dict[tuple[int, str], dict[str, bool]] = {place: {} for place in places}
    named = {of.id: run for run, of in told.items()}
    scans, targets = sorted(set().union(*wanted.values())), {target for target, _ in ended}
    asked: dict[str, Any] = {"of_runs": list(named), "scans": scans}
    if all(wanted[run] <= of.whole for run, of in told.items()):
        # The runs have all these of every target: only the few are read that tell nothing.
        ended = {(target, run): dict.fromkeys(wanted[run], True) for target, run in ended}
        few = sum(of.not_ok for of in told.values())
        if few <= len(targets) * len(scans):
            rows = rows_by(connection, cells.c.run_id, named if few else (), _NONE_HELD, scans=scans)
        else:
            rows = rows_by(connection, states.c.target_id, targets, _NOT_HELD, **asked)
    else:
        rows = rows_by(connection, states.c.target_id, targets, _ENDED, **asked)
    for target, number, scan, outcome, standing in rows:
        if (place := (target, named[number])) in ended:
            ended[place][scan] = outcome == Outcome.OK or standing != ""
    return ended


def _completed(finding: MergedFinding, others: Sequence[str] | None, ended: Mapping[str, bool]) -> MergedFinding:
    """A finding with the scans that look for it too, of those that ended; None for them where nobody knows."""
    if others is None:
        known = {*finding.found_by, *finding.suppressed_in}
        said = {name: tuple(scan for scan in getattr(finding, name) if scan not in known) for name in FIELDS}
        return msgspec.structs.replace(finding, **said)
    others = [scan for scan in others if scan in ended]
    if not others and not any(getattr(finding, name) for name in FIELDS):
        return finding
    return msgspec.structs.replace(
        finding,
        not_found_by=tuple(scan for scan in others if ended[scan]),
        not_scanned_by=tuple(scan for scan in others if not ended[scan]),
    )


def _others(finding: MergedFinding, kinds: Mapping[str, Sequence[str]] | None) -> list[str]:
    """The scans that look for such a thing, and did not find it; none where nobody knows which look for what."""
    if finding.kind == OWN_KIND:
        return []
    known = {*finding.found_by, *finding.suppressed_in}
    return [scan for scan in (kinds or {}).get(finding.kind, ()) if scan not in known]
