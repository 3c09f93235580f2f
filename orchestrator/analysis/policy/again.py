"""The findings of a run judged once more, by another severity than its plan's: what `--fail-on` asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from orchestrator.analysis.policy.judging import Judge
from orchestrator.model import Policy, Verdict, Violation
from orchestrator.model.policy import COVERAGE, SEVERITY
from orchestrator.results.errors import NoResultsError

if TYPE_CHECKING:
    from orchestrator.model import Ledger, Severity
    from orchestrator.results.run import RunResults


def judged_by(severity: Severity, ledger: Ledger, results: RunResults) -> Ledger:
    """The ledger with the verdict that it had if its policy's `severity` were this one, and more than a warning.

    What the other rules of its policy say stays as it is.

    Args:
        severity: a finding of this severity or above breaks the policy.
        ledger: of the run.
        results: of the same run, whose merged findings are read.

    Where its merged findings cannot be read, the rule is broken: nobody knows that it is not.
    """
    try:
        found = _found(severity, ledger, results)
    except NoResultsError as error:
        found = (Violation(rule=SEVERITY, message=f"{SEVERITY}: cannot be judged: {error}", count=0),)
    said = ledger.verdict.messages.items()  # all that ledgers of earlier versions have
    broken = ledger.verdict.rules or tuple(Violation(rule=rule, message=message, count=0) for rule, message in said)
    others = tuple(rule for rule in broken if rule.rule != SEVERITY)
    first = sum(rule.rule == COVERAGE for rule in others)  # then severity: the order in which a policy has its rules
    rules = (*others[:first], *found, *others[first:])
    passed = not found and (ledger.verdict.passed or not others)
    verdict = Verdict(passed=passed, broken=tuple(rule.message for rule in rules), rules=rules)
    return msgspec.structs.replace(ledger, verdict=verdict)


def _found(severity: Severity, ledger: Ledger, results: RunResults) -> tuple[Violation, ...]:
    judge = Judge(Policy(coverage=0, severity=severity), now=datetime.now(UTC))
    with results.open_merged() as merged:
        for _, rows in groupby(merged, key=lambda row: row.finding.target):
            judge.look((), [row.finding for row in rows])
    return judge.verdict(ledger.rows).rules
