"""Grype's reports, from the flat ones of 2021 to today's."""

import json

import pytest

from orchestrator.findings import grype
from orchestrator.findings.interface import ReportError
from orchestrator.model import BY_SCANNER, Cvss, Severity

DESCRIPTOR = {"name": "grype", "version": "0.110.0", "db": {"status": {"built": "2025-01-02T03:04:05Z"}}}


def _match(vulnerability=None, related=None, **artifact):
    return {
        "vulnerability": {"id": "CVE-2024-1", "severity": "High"} | (vulnerability or {}),
        "relatedVulnerabilities": related,
        "artifact": {"name": "zlib1g", "version": "1.2"} | artifact,
    }


def _parse(*matches, **others):
    return grype.parse(json.dumps({"matches": list(matches), "descriptor": DESCRIPTOR} | others).encode())


def _one(*arguments, **others):
    return _parse(_match(*arguments, **others)).findings[0]


def test_who_wrote_it_with_which_database():
    report = _parse()
    assert (report.scanner, report.scanner_version, report.database_version) == (
        "grype",
        "0.110.0",
        "2025-01-02T03:04:05Z",
    )
    old = _parse(descriptor={"name": "grype", "version": "0.28.0", "db": {"built": "2021-12-24T08:14:02Z"}})
    assert old.database_version == "2021-12-24T08:14:02Z"
    assert _parse(descriptor={"name": "grype", "version": "0.7.0"}).database_version == ""


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("Negligible", Severity.INFO),
        ("Low", Severity.LOW),
        ("Medium", Severity.MEDIUM),
        ("High", Severity.HIGH),
        ("Critical", Severity.CRITICAL),
        ("Unknown", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
    ],
)
def test_severities(word, severity):
    assert _one({"severity": word}).severity is severity


def test_related_vulnerabilities_are_aliases_without_its_own_id():
    related = [{"id": "CVE-2024-9"}, {"id": "GHSA-x"}, {"id": "CVE-2024-8"}, {"id": "CVE-2024-9"}]
    assert _one({"id": "GHSA-x"}, related).aliases == ("CVE-2024-8", "CVE-2024-9")


@pytest.mark.parametrize(
    ("vulnerability", "fixed"),
    [
        ({"fix": {"versions": ["1.3", "2.0"], "state": "fixed"}}, "1.3, 2.0"),
        ({"fix": {"versions": [], "state": "wont-fix"}}, ""),
        ({"fix": {"versions": None, "state": "unknown"}}, ""),
        ({"fixedInVersion": "1.3"}, "1.3"),
        ({}, ""),
    ],
)
def test_fixed_versions_old_and_new(vulnerability, fixed):
    assert _one(vulnerability).fixed_version == fixed


def _rating(version, score, kind="Primary"):
    return {"version": version, "vector": f"v{version}", "type": kind, "metrics": {"baseScore": score}}


@pytest.mark.parametrize(
    ("vulnerability", "related", "cvss"),
    [
        ({"cvss": []}, None, None),
        ({"cvss": [_rating("2.0", 5), _rating("3.1", 7.5)]}, None, Cvss(score=7.5, version="3.1", vector="v3.1")),
        (
            {"cvss": [_rating("3.1", 9.8, "Secondary"), _rating("3.1", 7.5)]},
            None,
            Cvss(score=7.5, version="3.1", vector="v3.1"),
        ),
        (
            {"cvss": None},
            [{"id": "CVE-1", "cvss": [_rating("4.0", 9.3)]}],
            Cvss(score=9.3, version="4.0", vector="v4.0"),
        ),
        (
            {
                "cvssV2": {"baseScore": 6.5, "vector": "AV:N"},
                "cvssV3": {"baseScore": 8.8, "vector": "CVSS:3.1/AV:N"},
            },
            None,
            Cvss(score=8.8, version="3.1", vector="CVSS:3.1/AV:N"),
        ),
        (
            {"cvssV2": {"baseScore": 6.5, "vector": "AV:N"}, "cvssV3": {"baseScore": 0, "vector": ""}},
            None,
            Cvss(score=6.5, version="2.0", vector="AV:N"),
        ),
    ],
)
def test_the_best_cvss_rating(vulnerability, related, cvss):
    assert _one(vulnerability, related).cvss == cvss


@pytest.mark.parametrize(
    ("locations", "path"),
    [
        (None, ""),
        ([], ""),
        ([{"path": "/a"}, {"path": "/b"}], "/a"),
        ([{"path": "/a"}, {"path": "/b", "annotations": {"evidence": "primary"}}], "/b"),
        (["/old"], "/old"),
        ([{"realPath": "/real"}], "/real"),
    ],
)
def test_locations(locations, path):
    assert _one(locations=locations).location == path


@pytest.mark.parametrize(
    ("rules", "by", "reason", "justification"),
    [
        ([{"vulnerability": "CVE-2024-1", "reason": "not reachable"}], "an ignore rule", "not reachable", ""),
        ([{"fix-state": "wont-fix"}, {"reason": "Explicit APK NAK"}], "an ignore rule", "Explicit APK NAK", ""),
        ([{"namespace": "", "fix-state": "not-fixed"}], "an ignore rule", "fix-state not-fixed", ""),
        (
            [{"vex-status": "not_affected", "vex-justification": "component_not_present"}],
            "a VEX document",
            "not_affected",
            "component_not_present",
        ),
        ([], "an ignore rule", "", ""),
        (None, "an ignore rule", "", ""),
    ],
)
def test_ignored_matches_are_suppressed(rules, by, reason, justification):
    report = _parse(_match(), ignoredMatches=[_match({"id": "CVE-2024-2"}) | {"appliedIgnoreRules": rules}])
    first, second = report.findings
    assert (first.suppressed, second.id, second.severity) == (None, "CVE-2024-2", Severity.HIGH)
    assert (second.suppressed.by, second.suppressed.reason) == (by, reason)
    assert (second.suppressed.status, second.suppressed.justification) == (BY_SCANNER, justification)


def test_what_was_found_proves_a_scan():
    assert len(grype.parse(json.dumps({"matches": [_match()]}).encode()).findings) == 1


def test_no_matches_written_as_null():
    assert _parse(matches=None).findings == ()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"matches": []},
        {"matches": [], "source": None, "descriptor": None},
        {"descriptor": DESCRIPTOR},
        {"matches": {}, "descriptor": DESCRIPTOR},
        {"matches": [{"vulnerability": {}}], "descriptor": DESCRIPTOR},
        {"SchemaVersion": 2, "ArtifactName": "x"},
    ],
)
def test_what_does_not_prove_a_scan_is_refused(document):
    with pytest.raises(ReportError):
        grype.parse(json.dumps(document).encode())
