"""Two states side by side, name by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.queries.difference.counts import compare_counts, tell
from orchestrator.queries.difference.explain import CHANGED, STATUSES, STILL, Explained
from orchestrator.queries.difference.quiet import calm
from orchestrator.queries.difference.rows import Difference
from orchestrator.queries.difference.things import gather, rows_by_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orchestrator.queries.difference.explain import Pair, Told
    from orchestrator.queries.difference.states import NamesAt
    from orchestrator.queries.difference.steady import Steady
    from orchestrator.queries.difference.things import CellFinding, Thing
    from orchestrator.store.past import StoreReader
    from orchestrator.store.spans import Position, Span
    from orchestrator.store.tag_cells import TagCell

# Pairs of names that are read at once.
_PAIRS = 200
_RANKS = {status: rank for rank, status in enumerate(STATUSES)}


class Still:
    """What is still there and not altered, which is not given then.

    Attributes:
        things: how many there are, by name and key; 0 where they are not counted.
    """

    def __init__(self, *, counted: bool = True) -> None:
        self.things = 0
        self.counted = counted

    def add(self, past: StoreReader, known: Steady) -> None:
        """Count all that is there under names that are the same."""
        if self.counted:
            self.things += known.things(past)


class _Sides:
    """A pair with the cells that count on both of its sides."""

    def __init__(self, pair: Pair, older: NamesAt, newer: NamesAt) -> None:
        self.pair = pair
        self.explained = Explained(older, newer, pair)
        self.before = _cells(older, pair.older, self.explained.before)
        self.after = _cells(newer, pair.newer, self.explained.after)


def _cells(state: NamesAt, name: int | None, scans: Mapping[str, TagCell]) -> list[TagCell]:
    return [] if name is None else [cell for scan in scans for cell in state.sources(name, scan)]


def compare(
    past: StoreReader, older: NamesAt, newer: NamesAt, pairs: Sequence[Pair], *, still: Still | None = None
) -> Iterator[Difference]:
    """The differences between two states, ordered as `orchestrator.queries.difference` says.

    Args:
        past: all runs.
        older: a state.
        newer: a later one, or the same where two names are compared.
        pairs: the names to compare.
        still: counts what is still there and not altered, instead of giving it.
    """
    pairs = sorted(pairs, key=lambda pair: (pair.reference, pair.platform))
    ends = {run.order[1]: run.order[0] for run in past.runs}
    for start in range(0, len(pairs), _PAIRS):
        some = [_Sides(pair, older, newer) for pair in pairs[start : start + _PAIRS]]
        apart = frozenset[int]()
        spans: Sequence[tuple[int, Span]] = ()
        if still is not None:
            same = calm(past, some)
            still.things += same.things(past) if still.counted else 0
            apart, spans = frozenset(id(some[number]) for number in same.stirred), same.spans
            some = [sides for number, sides in enumerate(some) if number not in same.quiet]
        found = {
            True: past.found(_places(sides for sides in some if id(sides) in apart), known=spans),
            False: past.found(_places(sides for sides in some if id(sides) not in apart)),
        }
        cells = [cell for sides in some for cell in (*sides.before, *sides.after)]
        past.said.read(fact for side in found.values() for there in side.values() for fact in there)
        targets = past.targets(cell.target for cell in cells)
        owners = past.owners(targets)
        for sides in some:
            there = found[id(sides) in apart]
            before = rows_by_key(sides.before, there, past.said)
            after = rows_by_key(sides.after, there, past.said)
            told = [_compare(sides, before.get(key, ()), after.get(key, ())) for key in {**before, **after}]
            rows = [
                _row(sides.pair, each, targets[each.main.cell.target], owners.get(each.main.cell.target, ()), ends)
                for each in told
            ]
            wanted = [row for row in rows if still is None or row.altered or row.status != STILL]
            if still is not None:
                still.things += len(rows) - len(wanted)
            yield from sorted(wanted, key=order_of)


def _places(some: Iterable[_Sides]) -> Iterator[tuple[int, Position]]:
    return ((cell.state, cell.place) for sides in some for cell in (*sides.before, *sides.after))


def order_of(row: Difference) -> tuple[object, ...]:
    """By which the differences of one name are in order."""
    return _RANKS[row.status], -row.severity.rank, row.id, row.key


class _Compared:
    """What became of one thing; `main` is the side that says what it is."""

    def __init__(self, main: Thing, before: Thing | None, after: Thing | None, told: Told) -> None:
        self.before, self.after = before, after
        self.main = main
        self.status, self.why = told.status, told.why
        self.run_before = told.run_before or (before.cell.run if before else "")
        self.run_after = told.run_after or (after.cell.run if after else "")
        self.counts = compare_counts(before.counts if before else {}, after.counts if after else {})


def _compare(sides: _Sides, before_rows: Sequence[CellFinding], after_rows: Sequence[CellFinding]) -> _Compared:
    before, after = (gather(rows) if rows else None for rows in (before_rows, after_rows))
    main = after or gather(before_rows)
    told = sides.explained.tell(main.found_by, before=before is not None, after=after is not None)
    found = _Compared(main, before, after, told)
    if before is not None and after is not None and _is_changed(found, before, after):
        counted = tell(found.counts.before or 0, found.counts.after or 0, before.names, after.names)
        found.status, found.why = CHANGED, f"{counted}; {sides.explained.image(before.found_by)}"
    return found


def _is_changed(found: _Compared, before: Thing, after: Thing) -> bool:
    """Whether there are not as many of it as before, or by their names not the same."""
    if found.counts.changed:
        return True
    others = before.names and after.names and before.names != after.names and before.found_by == after.found_by
    return bool(others) and None not in {found.counts.before, found.counts.after}


def _row(pair: Pair, found: _Compared, target: str, owners: tuple[str, ...], ends: Mapping[str, int]) -> Difference:
    before, after, main = found.before, found.after, found.main
    ended = ends.get(found.run_after)
    return Difference(
        status=found.status,
        reference=pair.reference,
        platform=pair.platform,
        key=main.first.key,
        kind=main.first.kind,
        id=main.first.id,
        severity=main.severity,
        package=main.first.package,
        version_before=before.version if before else "",
        version_after=after.version if after else "",
        count_before=found.counts.before,
        count_after=found.counts.after,
        fixed_version=main.fixed_version,
        found_by=main.found_by,
        owners=owners,
        suppressed_before=before.suppressed if before else "",
        suppressed_after=after.suppressed if after else "",
        run_before=found.run_before,
        run_after=found.run_after,
        why=found.why,
        target=target,
        at=datetime.fromtimestamp(ended, UTC) if ended else None,
        altered=before is not None and after is not None and (found.status != STILL or before.said != after.said),
    )
