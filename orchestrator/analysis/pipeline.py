"""From what single scans found to what people act on: merged, suppressed, dated, judged; target by target."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from orchestrator.analysis.ages import Ages
from orchestrator.analysis.feeds import read_feeds
from orchestrator.analysis.merge.merge import merge_rows
from orchestrator.analysis.parts import Parts, in_parts
from orchestrator.analysis.policy import Judge
from orchestrator.analysis.policy.words import SHOWN, clip, name_target
from orchestrator.analysis.suppression.apply import Suppressor
from orchestrator.analysis.suppression.first_use import first_used
from orchestrator.model import Outcome
from orchestrator.packages.found import FoundPackages
from orchestrator.results.ledger import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.analysis.merge import CellFindings
    from orchestrator.model import LedgerRow, MergedFinding, Plan, Verdict
    from orchestrator.volume.layout import Volume


class _Several:
    """Findings that stand for several things, such as two secrets of one rule in one file."""

    def __init__(self) -> None:
        self._rows = self._things = 0
        self._shown: list[str] = []

    def look(self, row: LedgerRow, findings: Sequence[MergedFinding]) -> None:
        """Count those of one target that nobody has suppressed, and remember the first."""
        for finding in findings:
            if finding.count > 1 and finding.suppressed is None and (things := finding.things) > 1:
                self._rows += 1
                self._things += things
                if len(self._shown) < SHOWN:
                    self._shown.append(clip(f"{name_target(row)} {finding.key}: {things}"))

    def notes(self) -> list[str]:
        """One sentence, or none."""
        if not self._rows:
            return []
        more = f"; and {self._rows - SHOWN} more" if self._rows > SHOWN else ""
        subject = "1 finding stands" if self._rows == 1 else f"{self._rows} findings stand"
        return [f"{subject} for {self._things} places of the same thing: {'; '.join(self._shown)}{more}"]


class Pipeline:
    """Holds what the plan says of suppression and policy; what it has seen grows only with what broke a rule.

    A context manager, because of what it remembers on the volume.

    Everything is judged as of the moment the plan was made, so that the same run is always judged alike.

    Attributes:
        packages: of the target whose reports are being read; `add` forgets them.
    """

    def __init__(self, plan: Plan, volume: Volume) -> None:
        now = moment(plan.created) or datetime.now(UTC)
        rules = plan.suppression.rules
        self._suppressor = Suppressor(
            plan.suppression, now=now, first_used=first_used(volume, rules, plan.created) if rules else {}
        )
        self.packages = FoundPackages()
        self._several = _Several()
        self._folder = volume.results(plan.run)
        self._ages = Ages(volume, plan.created)
        self._feeds = read_feeds(volume, plan.policy)
        self._judge = Judge(
            plan.policy,
            now=now,
            feeds=self._feeds,
            databases=[scan.name for scan in plan.scans if scan.database],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._ages.__exit__(*error)

    def settle(self) -> None:
        """Make durable what is remembered of findings, once every target was added.

        Raises:
            OSError: the volume cannot be written.
        """
        self._ages.settle()

    @contextmanager
    def add(self, rows: Sequence[LedgerRow], cells: Sequence[CellFindings]) -> Iterator[Parts]:
        """What all scans of one target found, together: in parts, so that there may be more than memory holds.

        Args:
            rows: the ledger's rows of the target, in the plan's order; at least one.
            cells: the same cells with what they found.
        """
        row = rows[0]
        ran = {cell.scan for cell in cells if cell.outcome is Outcome.OK}
        found: dict[str, frozenset[str]] = {}
        qualifiers: set[tuple[tuple[str, str], ...]] = set()
        with Parts(self._folder) as merged, Parts(self._folder) as judged:
            for part in in_parts(merge_rows(row.target, cells, self.packages)):
                self._ages.gather(part, found)
                qualifiers.update([each.qualifiers for each in part])
                merged.add(part)
            target = self._suppressor.target(
                row.references,
                row.owners,
                row.digest,
                platform=row.platform,
                indexes=row.indexes,
                qualifiers=qualifiers,
            )
            dates = self._ages.remember(row.references, row.platform, found, ran)
            del found
            for some in merged:
                dated = self._ages.dated(self._suppressor.apply_to(target, some), dates)
                self._several.look(row, dated)
                judged.add(self._judge.look(row.owners, dated))
            yield judged

    def verdict(self, rows: Sequence[LedgerRow]) -> Verdict:
        """What the policy says, once every target was added."""
        return self._judge.verdict(rows)

    def notes(self) -> list[str]:
        """What else people should know, once every target was added: a sentence each."""
        return [*self._suppressor.notes(), *self._feeds.notes, *self._several.notes()]
