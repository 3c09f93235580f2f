"""How many findings of each severity targets have, remembered for as long as what their cells told stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.model import Severity
    from orchestrator.store.places import StateTold
    from orchestrator.store.tag_cells import TagCell

Counts: TypeAlias = tuple[tuple["Severity | None", int], ...]
"""Findings by severity; suppressed ones under None."""
Mark: TypeAlias = tuple[tuple[int, str], ...]
"""The current cells of a target: numbers of target and scan, each with a digest of what it said."""


class _Counted(NamedTuple):
    mark: Mark
    counts: Counts


class CountedTargets:
    """What was counted of each target, of one store: a large one takes many seconds, of which one change needs few."""

    def __init__(self) -> None:
        self._known: dict[int, _Counted] = {}

    def of(self, target: int, mark: Mark | None) -> Counts | None:
        """What was counted of a target when its cells told the same; None where that has to be counted."""
        known = self._known.get(target)
        return known.counts if known is not None and known.mark == mark else None

    def remember(self, found: Iterable[tuple[int, Mark | None, Counts]]) -> None:
        """Remember this, and of no other target anything; what has no mark is counted again each time."""
        # Another one: a question in another thread may be reading it.
        self._known = {target: _Counted(mark, counts) for target, mark, counts in found if mark is not None}


def mark_of(cells: Sequence[TagCell], told: Mapping[int, StateTold]) -> Mark | None:
    """What is the same for as long as the current cells of a target say the same, one of them before the other.

    None where it is not known what they say: only of the newest cell that told anything there is a digest.
    """
    mark = []
    for cell in sorted(cells, key=lambda cell: (cell.order, cell.state)):
        said = told.get(cell.state)
        if said is None or not said.digest or said.place != cell.place:
            return None
        mark.append((cell.state, said.digest))
    return tuple(mark)
