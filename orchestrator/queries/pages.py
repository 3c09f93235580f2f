"""Lists a page at a time: what is read is bounded, whatever fits the question, so a page may be short.

Only a page without a position for the next one is the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from orchestrator.model import Document, Outcome
from orchestrator.queries.choice import Choice, choose, is_meant, is_owned
from orchestrator.queries.holders import holders, merged_rows
from orchestrator.queries.known_targets import KnownTarget, numbers_meant, targets_by_number
from orchestrator.store.documents import ScanState  # noqa: TC001 - msgspec reads the annotations
from orchestrator.store.listing import read_states, read_targets
from orchestrator.store.put_results import ImageResult, image_results

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from orchestrator.model import MergedRow
    from orchestrator.store.past import StoreReader

Row = TypeVar("Row")
Position = TypeVar("Position")
#: Targets, or cells, that one page reads at most, and at once.
MOST_READ, AT_ONCE = 2_000, 200
_ALWAYS = 2**31


class RowsPage(NamedTuple, Generic[Row, Position]):
    """Some rows.

    Attributes:
        rows: in their order.
        last: position of the last that was looked at, after which the next page begins; None for no next page.
    """

    rows: tuple[Row, ...]
    last: Position | None


class MatrixPlace(Document, frozen=True):
    """A cell of the matrix: how a scan of a target stands now.

    Attributes:
        target: its id.
        references: its names.
        owners: who answers for it.
        state: how the scan stands.
    """

    target: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    state: ScanState


def targets_page(past: StoreReader, choice: Choice, after: int, limit: int) -> RowsPage[KnownTarget, int]:
    """The targets that names mean now, by their numbers.

    Args:
        past: all runs.
        choice: of which only target and owner count.
        after: number of the last target that was looked at.
        limit: most rows.
    """

    def look(numbers: Sequence[int]) -> dict[int, KnownTarget]:
        found = targets_by_number(past, numbers)
        return {number: of for number, of in found.items() if _is_asked(of, choice)}

    return _page_of_targets(past, after, limit, look)


def cells_page(
    past: StoreReader, choice: Choice, after: tuple[int, str], limit: int, outcome: Outcome | None = None
) -> RowsPage[MatrixPlace, tuple[int, str]]:
    """The cells of the matrix, by target and scan.

    Args:
        past: all runs.
        choice: of which only target, owner and scan (a name, no glob) count.
        after: number of the target, and scan, of the last that was looked at.
        limit: most rows.
        outcome: only those whose last attempt ended so.
    """
    rows: list[MatrixPlace] = []
    read = 0
    while read < MOST_READ:
        some = read_states(past.connection, after, AT_ONCE, choice.scan)
        found = targets_by_number(past, sorted({row.target for row in some}))
        for row in some:
            of = found.get(row.target)
            state = next((each for each in of.states if each.scan == row.scan), None) if of else None
            if of and state and _is_asked(of, choice) and outcome in {None, state.outcome}:
                if len(rows) == limit:
                    return RowsPage(tuple(rows), after)
                rows.append(MatrixPlace(of.target, of.references, of.owners, state))
            after = row.target, row.scan
        read += len(some)
        if len(some) < AT_ONCE:
            return RowsPage(tuple(rows), None)
    return RowsPage(tuple(rows), after)


def image_results_page(
    past: StoreReader, external: str, after: int, limit: int
) -> RowsPage[tuple[int, ImageResult], int]:
    """The results of images, each with the number of its target, by which they are in order.

    Of our own scans, those of images that names mean now; what another tool put stays until somebody deletes it.

    Args:
        past: all runs.
        external: name of the scan whose results are put.
        after: number of the last target that was looked at.
        limit: most rows.
    """

    def look(numbers: Sequence[int]) -> dict[int, tuple[int, ImageResult]]:
        found = image_results(past.connection, external, numbers)
        meant = numbers_meant(past, [number for number, of in found.items() if not of.put])
        return {number: (number, of) for number, of in found.items() if of.put or number in meant}

    return _page_of_targets(past, after, limit, look)


def _page_of_targets(
    past: StoreReader, after: int, limit: int, look: Callable[[Sequence[int]], Mapping[int, Row]]
) -> RowsPage[Row, int]:
    """At most one row for each target, by their numbers; `look` has those of some targets."""
    rows: list[Row] = []
    read = 0
    while read < MOST_READ:
        numbers = read_targets(past.connection, after, min(AT_ONCE, limit + 1))
        found = look(numbers)
        for number in numbers:
            if (row := found.get(number)) is not None:
                if len(rows) == limit:
                    return RowsPage(tuple(rows), after)
                rows.append(row)
            after = number
        read += len(numbers)
        if len(numbers) < min(AT_ONCE, limit + 1):
            return RowsPage(tuple(rows), None)
    return RowsPage(tuple(rows), after)


class FindingKey(NamedTuple):
    """Where a merged finding stands: number of its target; there the worst first, then by what it is."""

    target: int
    rank: int
    key: str
    version: str


def findings_page(
    past: StoreReader, choice: Choice, after: FindingKey | None, limit: int
) -> RowsPage[MergedRow, FindingKey]:
    """What targets have now, merged: target by target, of each the worst first.

    Args:
        past: all runs.
        choice: what is wanted; with an id or a package only the targets are read that have it, by an index.
        after: position of the last that was looked at.
        limit: most rows.
    """
    facts = past.facts(choice.id, choice.package) if choice.id or choice.package else None
    having = None if facts is None else sorted({target for target, _ in past.states_with(facts).values()})
    rows: list[MergedRow] = []
    last, at, read = after, (after.target - 1 if after else 0), 0
    while read < MOST_READ:
        numbers = _next_targets(past, having, at, _FEW)
        for number in numbers:
            for place, row in _of_target(past, facts, number, choice):
                if last is not None and place <= last:
                    continue
                if len(rows) == limit:
                    return RowsPage(tuple(rows), last)
                rows.append(row)
                last = place
            at, last = number, FindingKey(number, _ALWAYS, "", "")
        read += len(numbers)
        if len(numbers) < _FEW:
            return RowsPage(tuple(rows), None)
    return RowsPage(tuple(rows), last)


_FEW = 50


def _next_targets(past: StoreReader, having: Collection[int] | None, after: int, limit: int) -> list[int]:
    if having is None:
        return read_targets(past.connection, after, limit)
    return [number for number in having if number > after][:limit]


def _of_target(
    past: StoreReader, facts: Collection[int] | None, number: int, choice: Choice
) -> list[tuple[FindingKey, MergedRow]]:
    """The findings of one target, in their order."""
    found = choose(merged_rows(holders(past, facts, _ALWAYS, targets=(number,))), choice)
    placed = [
        (FindingKey(number, -row.finding.severity.rank, row.finding.key, row.finding.version), row) for row in found
    ]
    return sorted(placed, key=lambda pair: pair[0])


def _is_asked(of: KnownTarget, choice: Choice) -> bool:
    return (not choice.target or is_meant(choice.target)(of)) and (not choice.owner or is_owned(choice.owner)(of))
