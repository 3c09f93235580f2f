"""`--fail-on`: a finished run judged by another severity; the other rules of its policy stay as they were."""

import msgspec
import pytest

from orchestrator.analysis.policy.again import judged_by
from orchestrator.model import Severity, Verdict, Violation
from tests.exports import make_finding, put_run, suppressed

COVERAGE = Violation(rule="coverage", message="coverage: 50 %", count=1)
OWN = Violation(rule="severity", message="severity: 3 findings are low or worse", count=3)
OTHER = Violation(rule="exploited", message="exploited: 1 finding is known to be exploited", count=1)


def judged(tmp_path, severity, *rules, warns=False, findings=None):
    results = put_run(tmp_path, findings=findings)
    verdict = Verdict(passed=warns or not rules, broken=tuple(rule.message for rule in rules), rules=rules)
    return judged_by(severity, msgspec.structs.replace(results.ledger, verdict=verdict), results).verdict


@pytest.mark.parametrize(
    ("severity", "passed"), [(Severity.CRITICAL, True), (Severity.HIGH, False), (Severity.LOW, False)]
)
def test_a_finding_of_this_severity_or_above_fails_it(tmp_path, severity, passed):
    verdict = judged(tmp_path, severity)
    assert (verdict.passed, verdict.names) == (passed, () if passed else ("severity",))
    assert all("high" in str(rule.findings) for rule in verdict.rules)


def test_suppressed_findings_do_not_count(tmp_path):
    assert judged(tmp_path, Severity.LOW, findings=[make_finding(suppressed=suppressed())]).passed


def test_it_replaces_the_severity_of_the_policy_and_no_other_rule(tmp_path):
    verdict = judged(tmp_path, Severity.CRITICAL, COVERAGE, OWN, OTHER)
    assert (verdict.passed, verdict.rules) == (False, (COVERAGE, OTHER))
    assert verdict.broken == (COVERAGE.message, OTHER.message)


def test_a_rule_that_an_earlier_version_wrote_in_words_alone_stays_broken(tmp_path):
    results = put_run(tmp_path)
    verdict = Verdict(passed=False, broken=(COVERAGE.message, OWN.message))
    found = judged_by(Severity.CRITICAL, msgspec.structs.replace(results.ledger, verdict=verdict), results).verdict
    assert (found.passed, found.names, found.broken) == (False, ("coverage",), (COVERAGE.message,))


def test_it_stands_where_a_policy_has_it(tmp_path):
    assert judged(tmp_path, Severity.HIGH, COVERAGE, OWN, OTHER).names == ("coverage", "severity", "exploited")


@pytest.mark.parametrize(("severity", "passed"), [(Severity.CRITICAL, True), (Severity.HIGH, False)])
def test_it_fails_also_where_the_policy_only_warns(tmp_path, severity, passed):
    assert judged(tmp_path, severity, OTHER, warns=True).passed is passed


def test_what_cannot_be_read_is_not_taken_for_clean(tmp_path):
    results = put_run(tmp_path)
    (results.folder / "merged.parquet").write_bytes(b"damaged")
    verdict = judged_by(Severity.HIGH, results.ledger, results).verdict
    assert not verdict.passed
    assert verdict.broken[0].startswith("severity: cannot be judged: ")
