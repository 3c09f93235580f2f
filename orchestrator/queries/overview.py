"""The runs in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.past import StoreReader


def overview(past: StoreReader, most: int | None) -> tuple[RunSummary, ...]:
    """The runs in numbers, the latest first, with as many suspect cells as there are by now.

    Args:
        past: all runs.
        most: of them; None for all.
    """
    places = past.runs[::-1][:most]
    said, suspects = past.summaries(places), past.suspects(places)
    return tuple(msgspec.structs.replace(said[place.id], suspect=suspects.get(place.id, 0)) for place in places)
