"""Lists a page at a time, for a service: runs, targets, cells, findings, workloads; and what such an answer rests on.

Each begins after a position, and gives the one after which the next page begins; see `orchestrator.queries.pages`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from orchestrator.config.loading import Config
    from orchestrator.model import MergedRow, Outcome, RunStatus
    from orchestrator.model.suppression import Suppression
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.pages import FindingKey, MatrixPlace, RowsPage
    from orchestrator.queries.store import Store
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.results.run import RunResults
    from orchestrator.store.backlog.messages import Backlog
    from orchestrator.store.documents import TargetView
    from orchestrator.store.listing import WorkloadPlace

#: Cells of all runs of one page, at most, unless its first run has more.
_MOST_CELLS = 20_000
#: Findings of a run that one page looks at, at most.
_MOST_LOOKED_AT = 50_000

#: Failed cells that the backlog lists.
_HELD = 10


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


def statuses_page(config: Config, after: str | None, limit: int) -> RowsPage[RunStatus, str]:
    """How runs stand that the engine knows, the newest first.

    Args:
        config: names the engine.
        after: the last run of the page before; None to begin.
        limit: most of them.

    Raises:
        UsageError: that run is not known any more.
    """
    from orchestrator.api import run as run_api
    from orchestrator.queries.pages import RowsPage

    found = run_api.list_runs(config)
    names = [status.run for status in found]
    if after is not None and after not in names:
        raise UsageError(f"run {after}, after which this page begins, is not known any more; begin with the first page")
    begin = 0 if after is None else names.index(after) + 1
    rows: list[RunStatus] = []
    cells = 0
    for status in found[begin : begin + limit]:
        cells += len(status.cells)
        if rows and cells > _MOST_CELLS:
            break
        rows.append(status)
    return RowsPage(tuple(rows), rows[-1].run if begin + len(rows) < len(found) else None)


def run_findings_page(results: RunResults, choice: Choice, after: int, limit: int) -> RowsPage[MergedRow, int]:
    """Merged findings of one run, in the order in which they lie there.

    Args:
        results: of the run.
        choice: which of them.
        after: how many rows of the file the pages before have looked at.
        limit: most of them.

    Raises:
        UsageError: there is no such kind of finding.
        NoResultsError: the run has none, or they are damaged.
    """
    from orchestrator.queries.choice import chosen
    from orchestrator.queries.pages import RowsPage

    is_chosen = chosen(choice)
    rows: list[MergedRow] = []
    with results.open_merged() as merged:
        for number, row in merged.following(after):
            if number >= after + _MOST_LOOKED_AT or len(rows) >= limit:
                return RowsPage(tuple(rows), number)
            if is_chosen(row):
                rows.append(row)
    return RowsPage(tuple(rows), None)


def backlog(config: Config) -> Backlog:
    """How fresh everything is that a scheduler keeps fresh.

    Raises:
        StoreUrlError: the store's URL cannot be used, or its driver is not installed.
        StoreGoneError: the database does not answer.
    """
    with _asking(config) as store:
        return store.backlog(datetime.now(UTC), held=_HELD)


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
