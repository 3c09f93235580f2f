"""The runs in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.past import StoreReader


def overview(past: StoreReader, most: int | None) -> tuple[RunSummary, ...]:
    """The runs in numbers, the latest first; what is suspect in them, and what they cover, is as it is by now.

    Args:
        past: all runs.
        most: of them; None for all.
    """
    places = past.runs[::-1][:most]
    said, suspects = past.summaries(places), past.suspects(places)
    for run, one in said.items():
        doubted = suspects.get(run, {})
        believed = one.covered if one.covered is None or not doubted else one.covered - past.uncovered(run, doubted)
        said[run] = msgspec.structs.replace(one, suspect=len(doubted), covered=believed)
    return tuple(said[place.id] for place in places)
