"""The verdict: which rule was broken, by which rows."""

import pytest

from orchestrator.model import LedgerRow, Outcome, Policy, Severity
from orchestrator.results.policy import coverage, judge


def _row(number, outcome=Outcome.OK, reason=""):
    return LedgerRow(
        cell=f"t{number}/virus",
        target=f"t{number}",
        scan="virus",
        references=(f"app:{number}",),
        outcome=outcome,
        reason=reason,
    )


ROWS = [_row(1), _row(2, Outcome.SKIPPED, "fresh"), _row(3, Outcome.FAILED, "no report"), _row(4)]


def test_skipped_cells_are_covered():
    assert coverage(ROWS) == 75.0
    assert coverage([]) == 100.0


@pytest.mark.parametrize(("asked", "passed"), [(100.0, False), (75.1, False), (75.0, True), (0.0, True)])
def test_coverage(asked, passed):
    verdict = judge(Policy(coverage=asked), ROWS, {})
    assert verdict.passed is passed
    assert bool(verdict.broken) is not passed


def test_a_broken_coverage_names_the_rule_the_figures_and_the_rows():
    (rule,) = judge(Policy(), ROWS, {}).broken
    for word in ("coverage", "75 %", "100 %", "1 of 4", "app:3"):
        assert word in rule


def test_almost_all_is_never_shown_as_all():
    rows = [_row(number) for number in range(100_000)] + [_row(0, Outcome.FAILED, "x")]
    (rule,) = judge(Policy(), rows, {}).broken
    assert "99.99 %" in rule


@pytest.mark.parametrize(
    ("least", "broken"),
    [(None, False), (Severity.CRITICAL, False), (Severity.HIGH, True), (Severity.LOW, True), (Severity.UNKNOWN, True)],
)
def test_severity(least, broken):
    counts = {"t1/virus": {Severity.HIGH: 2, Severity.LOW: 1}}
    assert bool(judge(Policy(coverage=0, severity=least), ROWS, counts).broken) is broken


def test_a_broken_severity_names_the_worst_rows_first_and_not_all():
    rows = [_row(number) for number in range(20)]
    counts = {row.cell: {Severity.CRITICAL: number + 1} for number, row in enumerate(rows)}
    (rule,) = judge(Policy(severity=Severity.HIGH), rows, counts).broken
    assert "210 findings" in rule
    assert "20 cells" in rule
    assert rule.index("app:19") < rule.index("app:18")
    assert "and 15 more" in rule
    assert "app:3 " not in rule


def test_warn_only_passes_and_still_names_the_rules():
    counts = {"t1/virus": {Severity.HIGH: 2}}
    verdict = judge(Policy(severity=Severity.HIGH, warn_only=True), ROWS, counts)
    assert verdict.passed
    assert [rule.split(":")[0] for rule in verdict.broken] == ["coverage", "severity"]
