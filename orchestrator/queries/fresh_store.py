"""How fresh results are: what is stale or due, how every scan stands, and what waits to be scanned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.queries.choice import Choice
from orchestrator.queries.counted import CountedTargets
from orchestrator.queries.coverage import coverage_now
from orchestrator.queries.due import PlannedScans
from orchestrator.queries.known_targets import known_targets, meant_now
from orchestrator.queries.overview import overview_now
from orchestrator.queries.whole_store import ALWAYS, WholeStore
from orchestrator.store import matrix
from orchestrator.store.ages import ages_by_day
from orchestrator.store.backlog.view import view
from orchestrator.store.waits import running_waits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from orchestrator.queries.due import DueScan
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.overview import StoreOverview
    from orchestrator.results.coverage import Coverage
    from orchestrator.store.ages import AgeOfDay
    from orchestrator.store.backlog.messages import Backlog
    from orchestrator.store.documents import Stale, StateCount, Version
    from orchestrator.store.past import StoreReader
    from orchestrator.store.waits import RunningWait


class FreshStore(WholeStore):
    """A store that answers how fresh everything is."""

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
            # What only some owners may see is a part of it, which is counted by itself.
            counted = self._counted if self._owners is None else CountedTargets()
            return overview_now(past, scans, counted), coverage_now(past, (), {})

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

    def result_ages(self, now: datetime, days: int) -> tuple[AgeOfDay, ...]:
        """How old the last results were, day by day, of the targets that names mean now; the present day last."""
        with self._past() as past:
            return ages_by_day(past.connection, meant_now(past), int(now.timestamp()), days)

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

    def backlog(self, now: datetime, *, held: int = 0) -> Backlog:
        """What waits to be scanned and what is being scanned, as the scheduler has it; empty where none ever ran.

        Args:
            now: with a time zone.
            held: most of the failed cells to list.
        """
        with self._reading() as connection:
            return view(connection, int(now.timestamp()), held)

    def running_waits(self, since: datetime) -> tuple[RunningWait, ...]:
        """How long what began to run in clusters since a moment waited for its first result."""
        with self._reading() as connection:
            return running_waits(connection, int(since.timestamp()))


def _stale(
    past: StoreReader, ages: Mapping[str, int], now: datetime, questions: Mapping[str, Collection[str]] | None = None
) -> tuple[Stale, ...]:
    """All that is stale by age or by what is asked; without ages all that there is."""
    return matrix.stale(
        past.connection, ages, now,
        limit=ALWAYS, versions={}, asked_since=None, questions=questions or {},
    )  # fmt: skip
