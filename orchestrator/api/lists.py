"""Lists a page at a time, for a service: runs, targets, cells, findings, workloads; and what such an answer rests on.

Each begins after a position, and gives the one after which the next page begins; see `orchestrator.queries.pages`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from orchestrator.config.loading import Config
    from orchestrator.model import MergedRow, Outcome
    from orchestrator.model.suppression import Suppression
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.pages import FindingKey, MatrixPlace, RowsPage
    from orchestrator.queries.store import Store
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.documents import TargetView
    from orchestrator.store.listing import WorkloadPlace


def runs_page(config: Config, before: tuple[int, str] | None, limit: int) -> tuple[RunSummary, ...]:
    """Runs that have finished, the latest first.

    Args:
        config: names the volume and the store.
        before: when the last one of the page before finished, seconds since 1970, and its id; None to begin.
        limit: most of them.
    """
    with _asking(config) as store:
        return store.overview(limit, before=before)


def run_summary(config: Config, run: str) -> RunSummary | None:
    """One run that has finished, in numbers; None where there is none of that id."""
    with _asking(config) as store:
        return store.run_summary(run)


def visible(config: Config, targets: Collection[str]) -> set[str]:
    """Those of some targets that the store here has: of one that shows what some owners may see, their own."""
    with _asking(config) as store:
        return store.having(targets)


def targets_page(config: Config, choice: Choice, after: int, limit: int) -> RowsPage[KnownTarget, int]:
    """The targets that names mean now."""
    with _asking(config) as store:
        return store.targets_page(choice, after, limit)


def cells_page(
    config: Config, choice: Choice, after: tuple[int, str], limit: int, outcome: Outcome | None = None
) -> RowsPage[MatrixPlace, tuple[int, str]]:
    """The cells of the matrix."""
    with _asking(config) as store:
        return store.cells_page(choice, after, limit, outcome)


def findings_page(
    config: Config, choice: Choice, after: FindingKey | None, limit: int
) -> RowsPage[MergedRow, FindingKey]:
    """What targets have now, merged."""
    with _asking(config) as store:
        return store.findings_page(choice, after, limit)


def workloads_page(config: Config, after: int, limit: int) -> tuple[WorkloadPlace, ...]:
    """What runs in clusters, by its numbers."""
    with _asking(config) as store:
        return store.workloads_page(after, limit)


def one_target(config: Config, target: str) -> TargetView | None:
    """One target by its id, with its findings; None for an unknown one."""
    with _asking(config) as store:
        return store.target(target)


def coverage_of_choice(config: Config, choice: Choice) -> Coverage:
    """Of which targets that a choice is about anything is known, and of which nothing is.

    Raises:
        NotKnownError: no target, owner or scan has such a name.
    """
    from orchestrator.api.results import looks_for

    with _asking(config) as store:
        return store.coverage(choice.kinds, looks_for=looks_for(config), choice=choice)


def suppressions(config: Config) -> Suppression:
    """The ignore rules and VEX statements that hold now.

    Raises:
        SourceError: a file of them is missing, or has mistakes.
    """
    from orchestrator.analysis.suppression.loading import load
    from orchestrator.catalog.loading import load_catalog

    return load(config, tuple(load_catalog(config)), now=datetime.now(UTC))


def _asking(config: Config) -> AbstractContextManager[Store]:
    from orchestrator.queries.opening import asking

    return asking(volume_of(config), config)
