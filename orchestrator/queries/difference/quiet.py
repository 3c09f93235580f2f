"""Names of which every scan told the very same on both sides, so that nothing needs to be read of their findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.store.quiet import things_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.store.past import StoreReader
    from orchestrator.store.spans import Position
    from orchestrator.store.tag_cells import TagCell


class Sides(Protocol):
    """The cells that count on both sides of a pair."""

    before: list[TagCell]
    after: list[TagCell]


class Quiet(NamedTuple):
    """Which of some pairs are quiet, by their places among them, and the targets that each of these is about."""

    targets: Mapping[int, int]
    states: Mapping[int, frozenset[int]]

    def things(self, past: StoreReader) -> int:
        """How many things are still there under the quiet names."""
        counts = things_of(past.connection, {state for of in self.states.values() for state in of})
        return sum(counts.get(target, 0) for target in self.targets.values())


def quiet(past: StoreReader, pairs: Sequence[Sides]) -> Quiet:
    """The pairs of which nothing came or went between the two sides, nor since.

    Both sides are results of the same scans of one target; what is more involved is compared finding by finding.
    """
    alike = {number: sides for number, sides in enumerate(pairs) if _is_alike(sides)}
    moments = past.moments({cell.state for sides in alike.values() for cell in sides.after})
    targets: dict[int, int] = {}
    states: dict[int, frozenset[int]] = {}
    for number, sides in alike.items():
        first: dict[int, Position] = {}
        for cell in (*sides.before, *sides.after):
            first[cell.state] = min(first.get(cell.state, cell.place), cell.place)
        target, of = sides.after[0].target, frozenset(first)
        still = all(place <= first[state] for state in of for place in moments.get(state, ()))
        if still and states.setdefault(target, of) == of:
            targets[number] = target
    return Quiet(targets, states)


def _is_alike(sides: Sides) -> bool:
    same = {cell.state for cell in sides.before} == {cell.state for cell in sides.after}
    return same and len({cell.target for cell in sides.after}) == 1
