"""Names of which the same scans told of one target on both sides: only what moved between them needs to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.store.quiet import things_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.store.past import StoreReader
    from orchestrator.store.spans import Position, Span
    from orchestrator.store.tag_cells import Order, TagCell


# In place of the number of a target where nothing was ever found.
_NONE = 0


class Sides(Protocol):
    """The cells that count on both sides of a pair."""

    before: list[TagCell]
    after: list[TagCell]


class Calm(NamedTuple):
    """What need not be compared of some pairs.

    Attributes:
        quiet: the pairs, by their places among all, of which nothing came or went between the two sides, nor since;
            with the targets that they are about.
        stirred: the pairs of which something did, likewise.
        states: of these targets, the numbers of the targets and scans that count.
        spans: what may be otherwise under the stirred names; all else is the same on both sides.
        told: of each target, how many of the things that it has now these are about.
    """

    quiet: Mapping[int, int]
    stirred: Mapping[int, int]
    states: Mapping[int, frozenset[int]]
    spans: Sequence[tuple[int, Span]]
    told: Mapping[int, int]

    def things(self, past: StoreReader) -> int:
        """How many things are still there under these names, but for those that are compared."""
        counts = things_of(past.connection, self.states)
        quiet = sum(counts.get(target, 0) for target in self.quiet.values())
        return quiet + sum(counts.get(target, 0) - self.told.get(target, 0) for target in self.stirred.values())


def calm(past: StoreReader, pairs: Sequence[Sides]) -> Calm:
    """What need not be compared; names that moved, or are of other scans than before, are compared whole."""
    places: dict[int, Position] = {}
    states: dict[int, frozenset[int]] = {}
    targets: dict[int, int] = {}
    for number, sides in enumerate(pairs):
        # What never found anything tells nothing, whenever it ran.
        before, after = ([cell for cell in side if cell.may_tell] for side in (sides.before, sides.after))
        about = {cell.target for cell in after}
        if _layout(before) != _layout(after) or len(about) > 1:
            continue
        target, of = min(about, default=_NONE), frozenset(cell.state for cell in after)
        if states.setdefault(target, of) == of:
            targets[number] = target
            for cell in (*before, *after):
                places[cell.state] = min(places.get(cell.state, cell.place), cell.place)
    moved = past.moved(places)
    moving = {state for state, _ in moved}
    stirred = {number: target for number, target in targets.items() if not moving.isdisjoint(states[target])}
    quiet = {number: target for number, target in targets.items() if number not in stirred}
    if not past.merged:
        return Calm(quiet, {}, {target: states[target] for target in quiet.values()}, (), {})
    ours = {state: target for target in stirred.values() for state in states[target]}
    rows = (
        past.alike([each for each in moved if each[0] in ours], {of: states[ours[of]] for of in ours}) if ours else []
    )
    now: dict[int, set[str]] = {}
    for row in rows:
        if row.span.gone is None:
            now.setdefault(ours[row.state], set()).add(row.identity)
    told = {target: len(about) for target, about in now.items()}
    return Calm(quiet, stirred, states, [(row.state, row.span) for row in rows], told)


def _layout(cells: Sequence[TagCell]) -> list[frozenset[int]]:
    """Which targets and scans came in together, the earliest first: of a thing, the latest run says what it is."""
    by_order: dict[Order, set[int]] = {}
    for cell in cells:
        by_order.setdefault(cell.order, set()).add(cell.state)
    return [frozenset(by_order[order]) for order in sorted(by_order)]
