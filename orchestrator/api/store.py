"""What is asked of the store: what is due, which targets are known, how everything stands.

found, coverage = due(config)                     # what the next run scans again
known_targets(config, Choice(target="shop/web"))  # its names, owners, workloads and scans
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.api.results import coverage, open_results
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.due import DueScan
    from orchestrator.queries.finding_history import FindingSpan
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.overview import StoreOverview
    from orchestrator.queries.store import Store
    from orchestrator.results.coverage import Coverage
    from orchestrator.store.documents import StateCount


def due(
    config: Config, choice: Choice | None = None, *, age: int | None = None
) -> tuple[tuple[DueScan, ...], Coverage]:
    """What of the targets that names mean now should be scanned again, and what that answer rests on.

    Args:
        config: names the volume, the store and the scans; `rescanAfter` says how long results stay fresh.
        choice: of which only target, owner and scan count; None for all.
        age: seconds that every result stays fresh, instead of `rescanAfter`.

    Raises:
        UsageError: no run has finished.
        NotKnownError: no target, owner or scan has such a name.
    """
    with _asking(config) as store:
        return store.due(_ages(config, age), datetime.now(UTC), choice, questions=_questions(config))


def overview_now(config: Config, *, age: int | None = None) -> tuple[StoreOverview, Coverage]:
    """How every scan stands, and what there is, in numbers, and what that rests on; arguments as for `due`.

    Raises:
        UsageError: no run has finished.
    """
    with _asking(config) as store:
        return store.overview_now(_ages(config, age), datetime.now(UTC), questions=_questions(config))


def state_counts(config: Config) -> tuple[StateCount, ...]:
    """The whole matrix in numbers: targets by scan, outcome of the last attempt, and freshness."""
    from orchestrator.queries.opening import asking

    with asking(volume_of(config), config) as store:
        return store.states(config.rescan_after, datetime.now(UTC))


def known_targets(
    config: Config, choice: Choice | None = None, *, every: bool = False
) -> tuple[tuple[KnownTarget, ...], Coverage]:
    """The targets that names mean now, and of which of them there is any result.

    Args:
        config: names the volume and the store.
        choice: of which only target and owner count; None for all. Where it means nothing now, it is what names meant
            earlier.
        every: also targets that no name means any more.

    Raises:
        UsageError: no run has finished.
        NotKnownError: no target or owner has such a name.
    """
    from orchestrator.queries.known_targets import coverage_of_targets

    with _asking(config) as store:
        found = store.known_targets(choice, every=every)
        return found, coverage_of_targets(found)


def finding_history(config: Config, id_: str) -> tuple[tuple[FindingSpan, ...], Coverage]:
    """When a finding came to each name, and when it went, over all runs; and what that answer rests on.

    Args:
        config: names the volume, the store and the scans.
        id_: its id, or any alias, in any case, or a glob of such.

    Raises:
        UsageError: no run has finished, or the id is empty.
    """
    with _asking(config) as store:
        found = store.finding_history(id_)
    return found, coverage(config, id_)


@contextmanager
def _asking(config: Config) -> Iterator[Store]:
    from orchestrator.queries.opening import asking

    with asking(volume_of(config), config) as store:
        if not store.overview(1):
            open_results(config)  # says what to do
        yield store


def _ages(config: Config, age: int | None) -> Mapping[str, int]:
    from orchestrator.model.ages import DEFAULT

    return config.rescan_after if age is None else {DEFAULT: age}


def _questions(config: Config) -> dict[str, tuple[str, ...]]:
    from orchestrator.catalog.loading import load_catalog
    from orchestrator.catalog.question import questions_of

    return {name: questions_of(scan) for name, scan in load_catalog(config).items()}
