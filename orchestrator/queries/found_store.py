"""What was found: who has it now, since when, and what is otherwise than it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.kit.ids import clean
from orchestrator.packages.qualifiers import platforms_meant
from orchestrator.queries import difference
from orchestrator.queries.changes import StoreChanges, changes
from orchestrator.queries.choice import Choice, choose
from orchestrator.queries.coverage import coverage_now
from orchestrator.queries.finding_history import finding_history
from orchestrator.queries.holders import holders, merged_rows
from orchestrator.queries.whole_store import ALWAYS, WholeStore
from orchestrator.results.errors import NoResultsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set
    from datetime import datetime

    from orchestrator.model import MergedRow
    from orchestrator.queries.difference import Difference
    from orchestrator.queries.finding_history import FindingSpan
    from orchestrator.results.coverage import Coverage
    from orchestrator.store.documents import Holders


class FoundStore(WholeStore):
    """A store that answers what was found."""

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
            found = holders(past, None, ALWAYS)
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
