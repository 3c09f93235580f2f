"""A run in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import Document, Outcome, Severity
from orchestrator.model.base import SCHEMA_VERSION
from orchestrator.results.coverage import coverage_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.model import Ledger


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
        broken: names of the rules of the policy that it broke.
        remark: what its policy did not judge, as its verdict says.
        covered: targets of which it has a result that is believed; None where an earlier version did not count them.
    """

    run: str
    finished: str
    targets: int
    cells: dict[Outcome, int]
    open: dict[Severity, int] = msgspec.field(default_factory=dict)
    suppressed: int = 0
    passed: bool = True
    suspect: int = 0
    broken: tuple[str, ...] = ()
    remark: str = ""
    covered: int | None = None


class RunsList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """Runs that have finished, in numbers.

    Attributes:
        runs: the latest first.
    """

    runs: tuple[RunSummary, ...]


def summary_of(ledger: Ledger, unsuppressed: Mapping[Severity, int], suppressed: int) -> RunSummary:
    """The numbers of a run.

    Args:
        ledger: of the run.
        unsuppressed: merged findings that are not suppressed.
        suppressed: number of those that are.
    """
    return RunSummary(
        run=ledger.run,
        finished=ledger.finished,
        targets=len({row.target for row in ledger.rows}),
        cells={outcome: ledger.count(outcome) for outcome in Outcome},
        open={severity: unsuppressed[severity] for severity in reversed(Severity) if unsuppressed.get(severity)},
        suppressed=suppressed,
        passed=ledger.verdict.passed,
        suspect=sum(bool(row.suspect) for row in ledger.rows),
        broken=ledger.verdict.names,
        remark=ledger.verdict.remark,
        covered=coverage_in(ledger.rows).covered,
    )
