"""Who has a vulnerability, or a vulnerable package, by the latest results of every name."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from orchestrator.model import MergedRow
from orchestrator.queries.counted import mark_of
from orchestrator.queries.difference.states import NamesAt
from orchestrator.store.dialects import batches
from orchestrator.store.documents import Holder, Holders
from orchestrator.store.lookers import together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from orchestrator.model import MergedFinding, Severity
    from orchestrator.queries.counted import CountedTargets, Counts, Mark
    from orchestrator.store.past import StoreReader
    from orchestrator.store.spans import Span
    from orchestrator.store.tag_cells import TagCell, TellingCell

# Targets up to which their own names are asked for, rather than all names.
_FEW = 5_000
# Targets whose findings are in memory together where all are counted.
_TARGETS_AT_ONCE = 500
_target_of = attrgetter("target")


_Row: TypeAlias = tuple[int, str, str]
"""A merged finding of a target: number of the target, its key and its version."""


class _Told(NamedTuple):
    """A finding as one scan of a target has it, and since when it is known."""

    cell: TagCell
    finding: MergedFinding
    since: int


def holders(
    past: StoreReader,
    facts: Collection[int] | None,
    limit: int,
    is_platform: Callable[[str], bool] | None = None,
    *,
    targets: Collection[int] | None = None,
) -> Holders:
    """Who has any of these facts now.

    A name that later runs no longer have does not count, and of every other only its latest result of each scan.

    Args:
        past: all runs.
        facts: their numbers; None for all.
        limit: most rows; `Holders.total` counts all.
        is_platform: whether targets of a platform are asked for; None for all.
        targets: numbers of those that are asked for; None for all.
    """
    rows, current = _told(past, facts, is_platform, targets)
    order = sorted(rows, key=lambda row: (-max(one.finding.severity.rank for one in rows[row]), row))
    return Holders(total=len(rows), rows=tuple(_holders(past, [rows[row] for row in order[:limit]], current)))


def severities_now(past: StoreReader, counted: CountedTargets) -> Counter[Severity | None]:
    """How many findings of each severity targets have now; suppressed ones count under None.

    Some targets at a time: all findings of a large store would take hundreds of megabytes.

    Args:
        past: all runs.
        counted: what was counted before; only what is otherwise since is counted again.
    """
    told = past.told()
    cells = sorted((cell for cell, _ in _current(past, past.states_with(None))), key=_target_of)
    done: list[tuple[int, Mark | None, Counts]] = []
    waiting: list[tuple[int, Mark | None, list[TagCell]]] = []
    for target, some in groupby(cells, _target_of):
        of_target = list(some)
        mark = mark_of(of_target, told)
        if (counts := counted.of(target, mark)) is not None:
            done.append((target, mark, counts))
        else:
            waiting.append((target, mark, of_target))
    for targets in batches(waiting, _TARGETS_AT_ONCE):
        found = _counts(_rows(past, [cell for _, _, of_target in targets for cell in of_target]))
        done += [(target, mark, tuple(found.get(target, {}).items())) for target, mark, _ in targets]
    counted.remember(done)
    total: Counter[Severity | None] = Counter()
    for _, _, counts in done:
        for severity, number in counts:
            total[severity] += number
    return total


def _counts(rows: Mapping[_Row, Sequence[_Told]]) -> dict[int, Counter[Severity | None]]:
    """How many findings of each severity targets have; suppressed ones count under None."""
    found: dict[int, Counter[Severity | None]] = {}
    for (target, _, _), told in rows.items():
        finding = _newest(told).finding
        found.setdefault(target, Counter())[None if finding.suppressed is not None else finding.severity] += 1
    return found


def _told(
    past: StoreReader,
    facts: Collection[int] | None,
    is_platform: Callable[[str], bool] | None = None,
    targets: Collection[int] | None = None,
) -> tuple[Mapping[_Row, Sequence[_Told]], Sequence[TellingCell]]:
    """What scans tell of these facts, those together that are one; and the cells that tell it, with their names."""
    spans: Sequence[tuple[int, Span]] | None = None
    if targets is not None:
        states = past.states_of(targets, facts)
    elif facts is None:
        states = past.states_with(None)
    else:
        states, spans = past.spans_with(facts)
    if is_platform is not None:
        platforms = past.platforms(target for target, _ in states.values())
        states = {state: of for state, of in states.items() if is_platform(platforms[of[0]])}
    current = _current(past, states)
    return _rows(past, [cell for cell, _ in current], facts, spans), current


def _rows(
    past: StoreReader,
    current: Sequence[TagCell],
    facts: Collection[int] | None = None,
    spans: Sequence[tuple[int, Span]] | None = None,
) -> dict[_Row, list[_Told]]:
    """What cells tell of these facts, those together that are one; `spans` where these are known."""
    wanted = None if facts is None else frozenset(facts)
    found = past.found(((cell.state, cell.place) for cell in current), wanted, spans)
    past.said.read(fact for of_cell in found.values() for fact in of_cell)
    rows: dict[_Row, list[_Told]] = {}
    for cell in current:
        for fact, since in found[cell.state, cell.place].items():
            finding = past.said[fact]
            rows.setdefault((cell.target, finding.key, finding.version), []).append(_Told(cell, finding, since))
    return rows


def _newest(told: Sequence[_Told]) -> _Told:
    return max(told, key=lambda one: one.cell.order)


def merged_rows(found: Holders) -> list[MergedRow]:
    """Who has something, as rows of merged findings."""
    return [
        MergedRow(
            run=each.run,
            target=each.target,
            references=each.references,
            owners=each.owners,
            digest=each.digest,
            indexes=each.indexes,
            platform=each.platform,
            finding=each.finding,
            suspect=each.suspect,
        )
        for each in found.rows
    ]


def _current(past: StoreReader, states: Mapping[int, tuple[int, str]]) -> list[TellingCell]:
    """The cells of these targets and scans that tell what a name means now, with the names."""
    wanted = set(states.values())
    if len({target for target, _ in wanted}) <= _FEW:
        told = past.current(wanted, lambda lacking: _read_current(past, lacking))
    else:
        told = _read_current(past, wanted, all_names=True)
    return [each for of in sorted(told) for each in told[of]]


def _read_current(
    past: StoreReader, wanted: Collection[tuple[int, str]], *, all_names: bool = False
) -> dict[tuple[int, str], tuple[TellingCell, ...]]:
    """The same by target and scan, read from the database."""
    if all_names:
        state = NamesAt(past, past.runs)
    else:
        names = past.names_of_targets({target for target, _ in wanted})
        state = NamesAt(past, past.runs, names, {scan for _, scan in wanted})
    found: dict[tuple[int, str], dict[str, tuple[TagCell, set[int]]]] = {of: {} for of in wanted}
    for name in state.names:
        if state.gone(name):
            continue
        for scan in state.scans(name):
            for cell in state.sources(name, scan):
                if (of := found.get((cell.target, scan))) is not None:
                    of.setdefault(cell.run, (cell, set()))[1].add(name)
    return {key: tuple((cell, frozenset(names)) for cell, names in cells.values()) for key, cells in found.items()}


def _holders(past: StoreReader, rows: Sequence[Sequence[_Told]], current: Iterable[TellingCell]) -> Iterable[Holder]:
    names: dict[int, set[int]] = {}
    for cell, tags in current:
        names.setdefault(cell.target, set()).update(tags)
    shown = {told[0].cell.target for told in rows}
    spelt = past.names({name for target in shown for name in names[target]})
    described = past.described(shown)
    scores = past.scores(told[0].finding.id for told in rows)
    newest_of = list(map(_newest, rows))
    first_of = [min(one.since for one in told) for told in rows]
    found = [
        (newest.cell.target, newest.cell.run, together(newest.finding, (one.cell.scan for one in told), since))
        for told, newest, since in zip(rows, newest_of, first_of, strict=True)
    ]
    by_all = past.completed(found)
    for told, newest, since, finding in zip(rows, newest_of, first_of, by_all, strict=True):
        target = described[newest.cell.target]
        yield Holder(
            target=target.target,
            references=tuple(sorted({spelt[name][0] for name in names[newest.cell.target]})),
            owners=target.owners,
            digest=target.digest,
            platform=target.platform,
            indexes=target.indexes,
            run=newest.cell.run,
            finding=msgspec.structs.replace(finding, target=target.target, epss=scores.get(finding.id)),
            since=datetime.fromtimestamp(since, UTC),
            uses=target.uses,
            suspect=_suspect(told),
        )


def _suspect(told: Sequence[_Told]) -> str:
    reasons = {one.cell.scan: one.cell.suspect for one in told}
    return "; ".join(f"{scan}: {why}" for scan, why in sorted(reasons.items())) if all(reasons.values()) else ""
