"""When a vulnerability, or anything with an id, came to each name, and when it went: over all runs.

A name is followed, not an image: what a new image under the same name no longer has is fixed. Several scans that find
the same are one, which is there as long as any of them finds it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model import Document, MergedFinding, Severity
from orchestrator.queries.difference.states import NamesAt
from orchestrator.store.dialects import batches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from orchestrator.store.past import StoreReader
    from orchestrator.store.spans import Position
    from orchestrator.store.tag_cells import TagCell

# Names that are followed at once: of each there is a cell for every run.
_NAMES = 100


class SpanState(StrEnum):
    """How it stands.

    Attributes:
        OPEN: the latest result of a scan has it.
        FIXED: the latest results of all scans lack it.
        GONE: runs no longer have the name; its last result had it.
    """

    OPEN = "open"
    FIXED = "fixed"
    GONE = "gone"


class FindingSpan(Document, frozen=True):
    """A time for which a name had a finding.

    Attributes:
        reference: the name; `platform` with it.
        owners: who answers for the target that had it last.
        id: as scans call it; `package`, `version`, `fixed_version` and `severity` as the last of them said.
        scans: that found it.
        first: since when it is known; `first_run` is the run that found it.
        until: when results lacked it; None where none does. `until_run` is that run; of `gone` the one without the
            name.
    """

    reference: str
    platform: str
    owners: tuple[str, ...]
    id: str
    package: str
    version: str
    fixed_version: str
    severity: Severity
    scans: tuple[str, ...]
    state: SpanState
    first: datetime
    first_run: str
    until: datetime | None = None
    until_run: str = ""


class _Had(NamedTuple):
    """What is known of something that a name has."""

    finding: MergedFinding
    target: int
    scans: frozenset[str]
    first: int
    first_run: str


class _Ended(NamedTuple):
    name: int
    had: _Had
    state: SpanState
    at: int
    run: str


_Found = dict[str, tuple[MergedFinding, int]]
"""What a cell found: by key, and since when it is known."""


def finding_history(past: StoreReader, facts: Collection[int]) -> tuple[FindingSpan, ...]:
    """When these facts came to each name and when they went, the first first.

    Args:
        past: all runs.
        facts: their numbers.
    """
    states = past.states_with(facts)
    scans = {scan for _, scan in states.values()}
    names = past.names_of_targets({target for target, _ in states.values()}) if states else set()
    now = NamesAt(past, past.runs, names, scans) if names else None
    ended: list[_Ended] = []
    for some in batches(names, _NAMES):
        cells = sorted((cell for cell in past.cells(past.runs, some, scans) if cell.holds), key=_order)
        found = past.found({(cell.state, cell.place) for cell in cells if cell.state in states}, frozenset(facts))
        past.said.read(fact for of_cell in found.values() for fact in of_cell)
        for name, of_name in groupby(cells, key=lambda cell: cell.tag):
            gone = now.gone(name) if now is not None else ""
            ended += _follow(past, name, list(of_name), found, gone)
    return _spell(past, sorted(ended, key=lambda each: (each.had.first, each.name, each.had.finding.key)))


def _order(cell: TagCell) -> tuple[object, ...]:
    """By name, then in the order of the runs; where a run has two targets of a name, the one that counts last."""
    return cell.tag, cell.order, cell.target


def _follow(
    past: StoreReader,
    name: int,
    cells: Sequence[TagCell],
    found: Mapping[tuple[int, Position], Mapping[int, int]],
    gone: str,
) -> Iterator[_Ended]:
    """What a name had, each thing once for every time that it came and went."""
    by_scan: dict[str, _Found] = {}
    had: dict[str, _Had] = {}
    for _, of_run in groupby(cells, key=lambda cell: cell.order):
        run = list(of_run)
        for cell in run:
            told = found.get((cell.state, cell.place), {})
            of_cell = {past.said[fact].key: (past.said[fact], since) for fact, since in told.items()}
            # A result that is not believed proves nothing fixed.
            by_scan[cell.scan] = by_scan.get(cell.scan, {}) | of_cell if cell.suspect else of_cell
        here = {key: scan for scan, of_scan in by_scan.items() for key in of_scan}
        for key in had.keys() - here.keys():
            yield _Ended(name, had.pop(key), SpanState.FIXED, max(cell.place.at for cell in run), run[-1].run)
        for key in here:
            told_by = {scan: of_scan[key] for scan, of_scan in by_scan.items() if key in of_scan}
            finding = next(reversed(told_by.values()))[0]
            known, target = had.get(key), run[-1].target
            if known is None:
                first = min(since for _, since in told_by.values())
                had[key] = _Had(finding, target, frozenset(told_by), first, run[-1].run)
            else:
                had[key] = known._replace(finding=finding, target=target, scans=known.scans | told_by.keys())
    for each in had.values():
        yield _Ended(name, each, SpanState.GONE if gone else SpanState.OPEN, 0, gone)


def _spell(past: StoreReader, ended: Sequence[_Ended]) -> tuple[FindingSpan, ...]:
    spelt = past.names({each.name for each in ended})
    owners = past.owners({each.had.target for each in ended})
    return tuple(
        FindingSpan(
            reference=spelt[each.name][0],
            platform=spelt[each.name][1],
            owners=owners.get(each.had.target, ()),
            id=each.had.finding.id,
            package=each.had.finding.package,
            version=each.had.finding.version,
            fixed_version=each.had.finding.fixed_version,
            severity=each.had.finding.severity,
            scans=tuple(sorted(each.had.scans)),
            state=each.state,
            first=datetime.fromtimestamp(each.had.first, UTC),
            first_run=each.had.first_run,
            until=datetime.fromtimestamp(each.at, UTC) if each.at else None,
            until_run=each.run,
        )
        for each in ended
    )
