"""A run in numbers, read from its ledger and two columns of its merged findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import Document, Outcome, Severity

if TYPE_CHECKING:
    from orchestrator.results.run import RunResults


class RunSummary(Document, frozen=True):
    """A run that has finished, in numbers.

    Attributes:
        finished: RFC 3339 in UTC.
        targets: how many there are in its plan.
        cells: cells by outcome.
        open: merged findings by severity that are not suppressed; severities without any are left out.
        suppressed: merged findings that are.
        passed: what its policy says.
        suspect: cells whose result is not believed any more; they are among the ok ones.
    """

    run: str
    finished: str
    targets: int
    cells: dict[Outcome, int]
    open: dict[Severity, int] = msgspec.field(default_factory=dict)
    suppressed: int = 0
    passed: bool = True
    suspect: int = 0


def summary_of(results: RunResults) -> RunSummary:
    """The numbers of a run; of one from before findings were merged, its cells alone.

    Raises:
        NoResultsError: it has no ledger, or its merged findings are damaged.
    """
    ledger = results.ledger
    found, suppressed = results.counts() if (results.folder / "merged.parquet").exists() else ({}, 0)
    return RunSummary(
        run=ledger.run,
        finished=ledger.finished,
        targets=len({row.target for row in ledger.rows}),
        cells={outcome: ledger.count(outcome) for outcome in Outcome},
        open=found,
        suppressed=suppressed,
        passed=ledger.verdict.passed,
        suspect=sum(bool(row.suspect) for row in ledger.rows),
    )
