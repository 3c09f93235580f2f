"""What scanners suppress themselves: no scanner speaks for another, and people's own word counts more."""

from datetime import UTC, datetime

import pytest

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.analysis.suppression import Suppressor
from orchestrator.model import (
    BY_SCANNER,
    KINDS,
    Finding,
    IgnoreRule,
    Outcome,
    Severity,
    Suppressed,
    Suppression,
    VexStatement,
    VexStatus,
)

WHY = Suppressed(by="an ignore rule", reason="not reachable", status=BY_SCANNER, justification="component_not_present")
LOG4J = Finding(id="CVE-2021-44228", kind="vulnerability", package="log4j", version="2.14.1", severity=Severity.HIGH)
HIDDEN = Finding(
    id="CVE-2021-44228",
    kind="vulnerability",
    package="log4j",
    version="2.14.1",
    severity=Severity.CRITICAL,
    location="/a.jar",
    suppressed=WHY,
)


def rows(**scans):
    return merge("t", [CellFindings(name, Outcome.OK, frozenset(KINDS), found) for name, found in scans.items()])


def test_what_its_only_scanner_suppressed_is_a_suppressed_row():
    (row,) = rows(grype=[HIDDEN], trivy=[])
    assert row.suppressed == Suppressed(
        by="grype: an ignore rule",
        reason="not reachable",
        status=BY_SCANNER,
        justification="component_not_present",
    )
    assert (row.found_by, row.suppressed_in, row.not_found_by) == (("grype",), ("grype",), ("trivy",))
    assert (row.severity, row.locations) == (Severity.CRITICAL, ("/a.jar",))


def test_one_scanner_does_not_suppress_what_another_reports():
    for scans in ({"grype": [HIDDEN], "trivy": [LOG4J]}, {"trivy": [LOG4J], "grype": [HIDDEN]}):
        (row,) = rows(**scans)
        assert row.suppressed is None
        assert (row.found_by, row.suppressed_in, row.not_found_by) == (("trivy",), ("grype",), ())
        assert (row.severity, row.severities, row.locations) == (Severity.HIGH, {"trivy": "high"}, ())


def test_a_scanner_that_suppresses_it_in_one_place_only():
    (row,) = rows(grype=[HIDDEN, LOG4J])
    assert (row.suppressed, row.found_by, row.suppressed_in) == (None, ("grype",), ("grype",))


def test_several_scanners_that_suppress_it_are_all_named():
    (row,) = rows(grype=[HIDDEN], osv=[HIDDEN])
    assert row.suppressed.by == "grype: an ignore rule; osv: an ignore rule"


def test_the_key_does_not_depend_on_who_suppresses():
    assert rows(grype=[HIDDEN])[0].key == rows(grype=[LOG4J])[0].key


RULE = IgnoreRule(name="ignore.yaml:2", reason="ours", id="CVE-2021-44228", expires="2026-06-01T00:00:00Z")
OLD_RULE = IgnoreRule(name="ignore.yaml:9", reason="ours", id="CVE-2021-44228", expires="2025-06-01T00:00:00Z")


def judge(*, rules=(), status=None, scanners=True, found=(HIDDEN,)):
    statements = (VexStatement(source="v.json", ids=("CVE-2021-44228",), status=VexStatus(status)),) if status else ()
    suppression = Suppression(rules=rules, statements=statements, scanners=scanners)
    made = Suppressor(suppression, now=datetime(2026, 1, 1, tzinfo=UTC), first_used={})
    (row,) = made.apply(["docker.io/library/app:1"], [], "", rows(grype=list(found)))
    return row, made.notes()


@pytest.mark.parametrize(
    ("known", "by", "vex"),
    [
        ({}, "grype: an ignore rule", ""),
        ({"rules": (RULE,)}, "ignore.yaml:2", ""),
        ({"status": "not_affected"}, "v.json", "not_affected"),
        ({"status": "not_affected", "rules": (RULE,)}, "v.json", "not_affected"),
        ({"status": "affected"}, None, "affected"),
        ({"status": "under_investigation"}, None, "under_investigation"),
        ({"status": "affected", "rules": (RULE,)}, "ignore.yaml:2", "affected"),
        ({"scanners": False}, None, ""),
        ({"scanners": False, "rules": (RULE,)}, "ignore.yaml:2", ""),
    ],
)
def test_which_word_counts(known, by, vex):
    row, _ = judge(**known)
    assert (row.suppressed.by if row.suppressed else None, row.vex) == (by, vex)


def test_a_rule_that_ended_is_not_missed_where_the_scanner_suppresses():
    row, notes = judge(rules=(OLD_RULE,))
    assert row.suppressed.status == BY_SCANNER
    assert not any("EXPIRED" in note for note in notes)
    _, notes = judge(rules=(OLD_RULE,), found=(LOG4J,))
    assert any("EXPIRED" in note for note in notes)
