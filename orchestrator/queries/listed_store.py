"""What there is, piece by piece: targets, cells, findings, workloads, runs, and results that were put."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.queries import pages
from orchestrator.queries.earlier import Earlier, earlier
from orchestrator.queries.known_targets import targets_by_id
from orchestrator.queries.overview import overview, run_summary
from orchestrator.queries.whole_store import WholeStore
from orchestrator.store import one_target, put_results
from orchestrator.store.belonging import owners_of, owners_of_targets
from orchestrator.store.listing import having, read_workloads
from orchestrator.store.past import StoreReader

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from orchestrator.model import MergedRow, Outcome
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.pages import FindingKey, MatrixPlace, RowsPage
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.documents import TargetView
    from orchestrator.store.listing import WorkloadPlace
    from orchestrator.store.put_results import ImageResult, PutResult


class ListedStore(WholeStore):
    """A store whose contents are listed."""

    def targets(self, digest: str) -> tuple[str, ...]:
        """Ids of the targets with this digest, or under the index with it, which is what `docker pull` prints."""
        with self._reading() as connection:
            return one_target.targets_of(connection, digest)

    def target(self, target: str, *, gone: bool = False) -> TargetView | None:
        """One target with its findings; with `gone`, those too that it no longer has. None for an unknown one."""
        with self._reading() as connection:
            return one_target.target_view(connection, target, gone=gone)

    def having(self, targets: Collection[str]) -> set[str]:
        """Those of some targets that are in it, by their ids."""
        with self._reading() as connection:
            return having(connection, targets)

    def owners_of(self, reference: str, *, within: bool = False) -> frozenset[str]:
        """Owners of what has, or had, a name; with `within`, of all names in that repository."""
        with self._reading() as connection:
            return owners_of(connection, reference, within=within)

    def owners_of_targets(self, targets: Collection[str]) -> frozenset[str]:
        """Owners of any name that some targets have, or had, by their ids."""
        with self._reading() as connection:
            return owners_of_targets(connection, targets)

    def targets_page(self, choice: Choice, after: int, limit: int) -> RowsPage[KnownTarget, int]:
        """Targets that names mean now, a page at a time: see `orchestrator.queries.pages`."""
        with self._past() as past:
            return pages.targets_page(past, choice, after, limit)

    def cells_page(
        self, choice: Choice, after: tuple[int, str], limit: int, outcome: Outcome | None = None
    ) -> RowsPage[MatrixPlace, tuple[int, str]]:
        """Cells of the matrix, likewise."""
        with self._past() as past:
            return pages.cells_page(past, choice, after, limit, outcome)

    def findings_page(self, choice: Choice, after: FindingKey | None, limit: int) -> RowsPage[MergedRow, FindingKey]:
        """What targets have now, merged, likewise."""
        with self._past() as past:
            return pages.findings_page(past, choice, after, limit)

    def workloads_page(self, after: int, limit: int) -> tuple[WorkloadPlace, ...]:
        """Workloads by their numbers, likewise; at most `limit` after one of them."""
        with self._reading() as connection:
            return read_workloads(connection, after, limit)

    def put_result(self, scan: str, target: str) -> PutResult | None:
        """What a target has by an external scan; None for nothing."""
        with self._reading() as connection:
            return put_results.put_result(connection, scan, target)

    def image_results(self, external: str, *, after: int, limit: int) -> RowsPage[tuple[int, ImageResult], int]:
        """The results of images, each with the number of its target: see `orchestrator.queries.pages`."""
        with self._past() as past:
            return pages.image_results_page(past, external, after, limit)

    def image_result(self, external: str, target: str) -> ImageResult | None:
        """The result of one image; None where there is none."""
        with self._reading() as connection:
            numbers = one_target.targets_with(connection, [target])
            return next(iter(put_results.image_results(connection, external, numbers).values()), None)

    def targets_called(self, reference: str) -> tuple[str, ...]:
        """The targets that have, or had, a name."""
        with self._reading() as connection:
            return put_results.targets_called(connection, reference)

    def targets_by_id(self, ids: Collection[str]) -> tuple[KnownTarget, ...]:
        """The same of some targets: those with these ids that names mean now."""
        with self._past() as past:
            return targets_by_id(past, ids)

    def earlier(self, run: str) -> Earlier:
        """Which cells of a run had failed before, and which rules the run before it broke.

        Raises:
            NoResultsError: there is no such run.
        """
        with self._reading() as connection:
            return earlier(StoreReader(connection, self._distrusted), run)

    def overview(self, most: int | None = None, *, before: tuple[int, str] | None = None) -> tuple[RunSummary, ...]:
        """The runs in numbers, the latest first.

        Args:
            most: of them; None for all.
            before: only those that come after this one: when it finished, seconds since 1970, and its id.
        """
        with self._reading() as connection:
            return overview(StoreReader(connection, self._distrusted), most, before)

    def run_summary(self, run: str) -> RunSummary | None:
        """One run that has finished, in numbers; None where there is none of that id."""
        with self._reading() as connection:
            return run_summary(StoreReader(connection, self._distrusted), run)

    def runs_that_put(self, scan: str, target: str) -> tuple[str, ...]:
        """Every run that brought a result of a target by an external scan."""
        with self._reading() as connection:
            return put_results.runs_that_put(connection, scan, target)

    def runs_since(self, target: str, moment: datetime) -> tuple[str, ...]:
        """The runs that brought a result of a target at a moment, or after it."""
        with self._reading() as connection:
            return put_results.runs_since(connection, target, int(moment.timestamp()))
