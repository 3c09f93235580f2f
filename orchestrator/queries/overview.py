"""The runs in numbers, and what there is now in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import Document, Severity
from orchestrator.queries.due import ScanStanding  # noqa: TC001 - msgspec reads the annotations
from orchestrator.queries.holders import severities_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.queries.counted import CountedTargets
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.past import StoreReader
    from orchestrator.store.places import RunPlace


class StoreOverview(Document, frozen=True):
    """What there is now, in numbers.

    Attributes:
        runs: that are in the store.
        latest: id of the one that ended last.
        scans: how each stands.
        open: merged findings by severity that are not suppressed; severities without any are left out.
        suppressed: merged findings that are.
    """

    runs: int
    latest: str
    scans: tuple[ScanStanding, ...]
    open: dict[Severity, int]
    suppressed: int


def overview_now(past: StoreReader, scans: tuple[ScanStanding, ...], counted: CountedTargets) -> StoreOverview:
    """What there is now, in numbers.

    Args:
        past: all runs.
        scans: how each stands.
        counted: as for `severities_now`.

    Raises:
        NoResultsError: there is no run.
    """
    counts = severities_now(past, counted)
    return StoreOverview(
        runs=len(past.runs),
        latest=past.latest(),
        scans=scans,
        open={severity: counts[severity] for severity in reversed(Severity) if counts[severity]},
        suppressed=counts[None],
    )


def overview(past: StoreReader, most: int | None, before: tuple[int, str] | None = None) -> tuple[RunSummary, ...]:
    """The runs in numbers, the latest first; what is suspect in them, and what they cover, is as it is by now.

    Args:
        past: all runs.
        most: of them; None for all.
        before: only those that are after this one in that order: when it finished, and its id.
    """
    places = [place for place in past.runs[::-1] if before is None or place.order < before][:most]
    return _overview(past, places)


def _overview(past: StoreReader, places: Sequence[RunPlace]) -> tuple[RunSummary, ...]:
    said, suspects = past.summaries(places), past.suspects(places)
    for run, one in said.items():
        doubted = suspects.get(run, {})
        believed = one.covered if one.covered is None or not doubted else one.covered - past.uncovered(run, doubted)
        said[run] = msgspec.structs.replace(one, suspect=len(doubted), covered=believed)
    return tuple(said[place.id] for place in places)


def run_summary(past: StoreReader, run: str) -> RunSummary | None:
    """One run in numbers, as `overview` has it; None where there is none of that id."""
    place = next((place for place in past.runs if place.order[1] == run), None)
    return None if place is None else _overview(past, [place])[0]
