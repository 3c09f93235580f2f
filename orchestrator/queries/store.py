"""The store with its answers: every question across runs, anybody who asks it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.kit.ids import clean
from orchestrator.packages.qualifiers import platforms_meant
from orchestrator.queries import difference, pages
from orchestrator.queries.changes import StoreChanges, changes
from orchestrator.queries.choice import Choice, choose
from orchestrator.queries.coverage import coverage_now
from orchestrator.queries.due import PlannedScans
from orchestrator.queries.earlier import Earlier, earlier
from orchestrator.queries.finding_history import finding_history
from orchestrator.queries.holders import holders, merged_rows
from orchestrator.queries.known_targets import known_targets, targets_by_id
from orchestrator.queries.overview import overview, overview_now, run_summary
from orchestrator.results.errors import NoResultsError
from orchestrator.store import matrix, one_target, put_results
from orchestrator.store.database import StoreDatabase
from orchestrator.store.listing import having, read_workloads
from orchestrator.store.past import StoreReader
from orchestrator.store.revision import revision_of
from orchestrator.store.scope import unlimited
from orchestrator.volume.layout import STORE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence, Set
    from datetime import datetime

    from sqlalchemy import Connection

    from orchestrator.model import MergedRow, Outcome
    from orchestrator.queries.difference import Difference
    from orchestrator.queries.due import DueScan
    from orchestrator.queries.finding_history import FindingSpan
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.overview import StoreOverview
    from orchestrator.queries.pages import FindingKey, MatrixPlace, RowsPage
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.documents import Holders, Stale, StateCount, TargetView, Version
    from orchestrator.store.listing import WorkloadPlace
    from orchestrator.store.put_results import PutResult
    from orchestrator.volume.layout import Volume

_ALWAYS = sys.maxsize


class Store(StoreDatabase):
    """Results of all runs in a database, and what can be asked of them.

    It answers out of what has been imported; `orchestrator.queries.asking` imports what a volume has first.
    """

    def __init__(self, url: str, *, patience: float = 30.0) -> None:
        super().__init__(url, patience=patience)
        self._missing: dict[str, tuple[str, Sequence[tuple[str, str, int]]]] = {}

    def miss(self, run: str, why: str, results: Sequence[tuple[str, str, int]]) -> None:
        """Know of a run that could not be imported: what it found is never taken for gone.

        Args:
            run: its id.
            why: it could not.
            results: that it should have: target, scan, and when each ended, seconds since 1970. Where a question needs
                one of them, because there is none that is newer, it is refused.
        """
        # Another one: a question in another thread may be reading it.
        self._missing = {**self._missing, run: (why, results)}

    def is_index_of(self, volume: Volume) -> bool:
        """Whether this is the store on a volume, and no run that it was to have is missing in it."""
        return not self._missing and self.file == volume.root / STORE

    def miss_none_but(self, runs: Collection[str]) -> dict[str, str]:
        """Forget what was missing, but for these runs: others could be imported since, or are gone.

        Returns:
            By run, why those of them that are missing already are.
        """
        self._missing = {run: self._missing[run] for run in self._missing.keys() & set(runs)}
        return {run: why for run, (why, _) in self._missing.items()}

    def who_has(self, name: str = "", limit: int = 1000, *, package: str = "") -> Holders:
        """Targets that have a finding now, suppressed or not, by its id or any alias, or by its package.

        Args:
            name: such as `CVE-2021-44228`, or a glob of such, in any case and with blanks around it; empty for any.
            limit: most rows; `Holders.total` counts all.
            package: as in `orchestrator.queries.choice.Choice`; empty for any.

        Raises:
            UsageError: neither is given.
        """
        name, package = clean(name), package.strip()
        if not name and not package:
            raise UsageError("who has what? Give an id, a package, or both")
        with self._past() as past:
            return holders(past, past.facts(name, package), limit, platforms_meant(package))

    def finding_history(self, name: str) -> tuple[FindingSpan, ...]:
        """When a finding came to each name, by its id or any alias, and when it went; the first first.

        Args:
            name: as for `who_has`.

        Raises:
            UsageError: it is empty.
        """
        if not (name := clean(name)):
            raise UsageError("the history of what? Give an id, such as CVE-2021-44228")
        with self._past() as past:
            return finding_history(past, past.facts(name, ""))

    def coverage(
        self,
        kinds: Sequence[str] = (),
        *,
        looks_for: Mapping[str, Set[str]] | None = None,
        between: tuple[str, str] | None = None,
        choice: Choice | None = None,
    ) -> Coverage:
        """Of how many targets anything is known now, and of which nothing is, so that no answer can have them.

        Args:
            kinds: of findings that are asked for, such as `vulnerability`; none for any.
            looks_for: kinds of findings by scan; a scan that is not named looks for all.
            between: only of what these names mean, as for `differences`.
            choice: of which only target, owner and scan count: those that are asked about; None for all.

        Raises:
            NotKnownError: no run has such a name.
        """
        with self._past() as past:
            return coverage_now(past, kinds, looks_for or {}, choice, between=between)

    def findings_now(
        self, choice: Choice, *, looks_for: Mapping[str, Set[str]] | None = None
    ) -> tuple[list[MergedRow], Coverage]:
        """What every target has now, by its latest results, the worst first; and what that answer rests on.

        Args:
            choice: what is wanted.
            looks_for: as for `coverage`.

        Raises:
            UsageError: there is no such kind of finding.
            NotKnownError: no target, owner or scan has such a name.
        """
        with self._past() as past:
            rests_on = coverage_now(past, choice.kinds, looks_for or {}, choice)
            found = holders(past, None, _ALWAYS)
            return choose(merged_rows(found), choice), rests_on

    def differences(
        self,
        run: str | None = None,
        *,
        since: datetime | None = None,
        between: tuple[str, str] | None = None,
        references: Sequence[str] | None = None,
        still: bool = True,
    ) -> list[Difference]:
        """What is new, changed, fixed, no longer scanned and still there: see `orchestrator.queries.difference`.

        Args:
            run: against what its targets were before it; the latest run where nothing else is given.
            since: instead: all targets now against all then; with a time zone.
            between: instead: two names of images, the older first.
            references: with `since`: only these names.
            still: also what is still there and has not been altered.

        Raises:
            UsageError: there is no such run or name.
            NoResultsError: there is no run at all.
        """
        if run in self._missing:
            raise NoResultsError(self._missing[run][0])
        count = None if still else difference.Still(counted=False)
        with self._past(since) as past:
            if between is not None:
                found = difference.between(past, *between)
            elif since is not None:
                found = difference.since(past, since, references=references, still=count)
            else:
                run = past.latest() if run is None else run
                self._refuse(past.connection, past.before(run))
                found = difference.since_last(past, run, still=count)
            return [row for row in found if still or row.altered or row.status != difference.STILL]

    def changes(self, since: datetime) -> StoreChanges:
        """What is otherwise than it was at a moment, with a time zone."""
        with self._past(since) as past:
            return changes(past, since)

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

    def targets(self, digest: str) -> tuple[str, ...]:
        """Ids of the targets with this digest, or under the index with it, which is what `docker pull` prints."""
        with self._reading() as connection:
            return one_target.targets_of(connection, digest)

    def target(self, target: str, *, gone: bool = False) -> TargetView | None:
        """One target with its findings; with `gone`, those too that it no longer has. None for an unknown one."""
        with self._reading() as connection:
            return one_target.target_view(connection, target, gone=gone)

    def stale(
        self,
        ages: Mapping[str, int],
        now: datetime,
        limit: int = 1000,
        *,
        versions: Mapping[str, Version] | None = None,
        asked_since: datetime | None = None,
        questions: Mapping[str, Collection[str]] | None = None,
    ) -> tuple[Stale, ...]:
        """What should be scanned again: first what never ended ok, then the oldest.

        Args:
            ages: seconds a result stays fresh, by scan, `default` for the others; one without is always stale.
            now: with a time zone.
            limit: most of them.
            versions: of the scans now: a fresh result of others is stale, too. `Store.versions` has the newest seen.
            asked_since: leave out what no plan has had since then.
            questions: that scans ask now, as `orchestrator.catalog.question.questions_of` gives them: a fresh result
                that answers another one is stale, too.
        """
        with self._reading() as connection:
            return matrix.stale(
                connection, ages, now,
                limit=limit, versions=versions or {}, asked_since=asked_since, questions=questions or {},
            )  # fmt: skip

    def due(
        self,
        ages: Mapping[str, int],
        now: datetime,
        choice: Choice | None = None,
        *,
        questions: Mapping[str, Collection[str]] | None = None,
    ) -> tuple[tuple[DueScan, ...], Coverage]:
        """What of the targets that names mean now should be scanned again, and what that answer rests on.

        Args:
            ages: as for `stale`.
            now: with a time zone.
            choice: of which only target, owner and scan count; None for all.
            questions: as for `stale`.

        Raises:
            NotKnownError: no target, owner or scan has such a name.
        """
        wanted = choice or Choice()
        with self._past() as past:
            planned = PlannedScans(past, wanted, _stale(past, {}, now))
            return planned.due(_stale(past, ages, now, questions), ages), coverage_now(past, (), {}, wanted)

    def overview_now(
        self, ages: Mapping[str, int], now: datetime, *, questions: Mapping[str, Collection[str]] | None = None
    ) -> tuple[StoreOverview, Coverage]:
        """How every scan stands and what there is, in numbers, of the targets that names mean now.

        Args:
            ages: as for `stale`.
            now: with a time zone.
            questions: as for `stale`.

        Raises:
            NoResultsError: there is no run.
        """
        with self._past() as past:
            planned = PlannedScans(past, Choice(), _stale(past, {}, now))
            scans = planned.standing(planned.due(_stale(past, ages, now, questions), ages))
            return overview_now(past, scans), coverage_now(past, (), {})

    def known_targets(self, choice: Choice | None = None, *, every: bool = False) -> tuple[KnownTarget, ...]:
        """The targets that names mean now; where those asked for mean none of these, the ones that they meant earlier.

        Args:
            choice: of which only target and owner count; None for all.
            every: also those that no name means any more.

        Raises:
            NotKnownError: no target or owner has such a name.
        """
        with self._past() as past:
            return known_targets(past, choice or Choice(), every=every)

    def run_summary(self, run: str) -> RunSummary | None:
        """One run that has finished, in numbers; None where there is none of that id."""
        with self._reading() as connection:
            return run_summary(StoreReader(connection, self._distrusted), run)

    def having(self, targets: Collection[str]) -> set[str]:
        """Those of some targets that are in it, by their ids."""
        with self._reading() as connection:
            return having(connection, targets)

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

    def put_results(self, scan: str, *, after: int = 0, limit: int = 100) -> tuple[PutResult, ...]:
        """What targets have by an external scan, in the order of their numbers.

        Args:
            scan: its name.
            after: number of the target before the first.
            limit: most of them.
        """
        with self._reading() as connection:
            return put_results.put_results(connection, scan, after, limit)

    def runs_that_put(self, scan: str, target: str) -> tuple[str, ...]:
        """Every run that brought a result of a target by an external scan."""
        with self._reading() as connection:
            return put_results.runs_that_put(connection, scan, target)

    def revision(self) -> str:
        """What changes whenever an answer may: what is in it, who is not believed, and which runs are missing."""
        with self._reading() as connection:
            return " ".join((revision_of(connection), *sorted(self._missing)))

    def targets_by_id(self, ids: Collection[str]) -> tuple[KnownTarget, ...]:
        """The same of some targets: those with these ids that names mean now."""
        with self._past() as past:
            return targets_by_id(past, ids)

    def versions(self) -> dict[str, Version]:
        """Of each scan, the versions that made its newest result."""
        with self._reading() as connection:
            return matrix.versions(connection)

    def states(self, ages: Mapping[str, int], now: datetime) -> tuple[StateCount, ...]:
        """The whole matrix in numbers: targets by scan, outcome of the last attempt, and freshness.

        Args:
            ages: as for `stale`.
            now: with a time zone.
        """
        with self._reading() as connection:
            return matrix.count_states(connection, ages, now)

    @contextmanager
    def _past(self, since: datetime | None = None) -> Iterator[StoreReader]:
        """All runs; refused where one is missing that says how something stands, or stood at a moment."""
        with self._reading() as connection:
            for moment in (_ALWAYS, *([] if since is None else [int(since.timestamp())])):
                self._refuse(connection, moment)
            yield StoreReader(connection, self._distrusted)

    def _refuse(self, connection: Connection, moment: int) -> None:
        # What followed a missing result may be of others, so that some owners do not see it.
        with unlimited(connection):
            for why, results in self._missing.values():
                if results and matrix.lacks(connection, results, moment):
                    raise NoResultsError(why)


def _stale(
    past: StoreReader, ages: Mapping[str, int], now: datetime, questions: Mapping[str, Collection[str]] | None = None
) -> tuple[Stale, ...]:
    """All that is stale by age or by what is asked; without ages all that there is."""
    return matrix.stale(
        past.connection, ages, now,
        limit=_ALWAYS, versions={}, asked_since=None, questions=questions or {},
    )  # fmt: skip
