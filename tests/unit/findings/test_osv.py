"""OSV-Scanner's reports, versions 1 and 2."""

import json

import pytest

from orchestrator.findings import osv
from orchestrator.findings.interface import ReportError
from orchestrator.findings.osv_packages import package_url
from orchestrator.model import Cvss, Severity

V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
V40 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


def _affected(*fixes, name="django", ecosystem="PyPI", kind="ECOSYSTEM", **others):
    events = [{"introduced": "0"}, *({"fixed": fix} for fix in fixes)]
    package = {"name": name, "ecosystem": ecosystem}
    return {"package": package, "ranges": [{"type": kind, "events": events}], **others}


def _found(*vulnerabilities, groups=None, package=None, **others):
    named = {"name": "django", "version": "3.2.1", "ecosystem": "PyPI"} | (package or {})
    found = {"package": named, "vulnerabilities": list(vulnerabilities), **others}
    return found if groups is None else found | {"groups": groups}


def _parse(*packages, **others):
    result = {"source": {"path": "/app/requirements.txt", "type": "lockfile"}, "packages": list(packages)}
    return osv.parse(json.dumps({"results": [result], **others}).encode())


def _one(**vulnerability):
    (finding,) = _parse(_found({"id": "GHSA-a", **vulnerability})).findings
    return finding


def test_one_finding_per_group():
    both = [{"id": "GHSA-a", "aliases": ["CVE-1"]}, {"id": "PYSEC-1"}, {"id": "GHSA-b"}]
    groups = [{"ids": ["GHSA-a", "PYSEC-1"], "aliases": ["CVE-1", "GHSA-a", "PYSEC-1"]}, {"ids": ["GHSA-b"]}]
    first, second = _parse(_found(*both, groups=groups)).findings
    assert (first.id, first.aliases, second.id, second.aliases) == ("GHSA-a", ("CVE-1", "PYSEC-1"), "GHSA-b", ())
    assert (first.package, first.version, first.purl) == ("django", "3.2.1", "pkg:pypi/django@3.2.1")
    assert (first.kind, first.location) == ("vulnerability", "/app/requirements.txt")


@pytest.mark.parametrize("key", ["experimentalAnalysis", "experimental_analysis"])
@pytest.mark.parametrize(
    ("analysis", "suppressed"),
    [
        ({"GHSA-a": {"called": False, "unimportant": False}}, True),
        ({"GHSA-a": {"called": False}, "GHSA-b": {"called": False}}, True),
        ({"GHSA-a": {"called": True, "unimportant": True}}, True),
        ({"GHSA-a": {"called": True}}, False),
        ({"GHSA-a": {"unimportant": False}}, False),
        ({"GHSA-a": {"unimportant": True}}, True),
        ({"GHSA-a": {"called": False}, "GHSA-b": {"called": True}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_what_osv_scanner_hides_is_suppressed(key, analysis, suppressed):
    group = {"ids": ["GHSA-a", "GHSA-b"]} | {key: analysis}
    (finding,) = _parse(_found({"id": "GHSA-a"}, {"id": "GHSA-b"}, groups=[group])).findings
    assert (finding.suppressed is not None) is suppressed


def test_what_nothing_calls_says_so_in_words_of_vex():
    group = {"ids": ["GHSA-a"], "experimentalAnalysis": {"GHSA-a": {"called": False}}}
    (finding,) = _parse(_found({"id": "GHSA-a"}, groups=[group])).findings
    assert finding.suppressed.justification == "vulnerable_code_not_in_execute_path"


def test_the_package_that_is_installed_and_the_source_that_the_database_names():
    package = {"name": "glibc", "os_package_name": "libc6", "version": "2.31-13", "ecosystem": "Debian:11"}
    affected = _affected("2.31-14", name="glibc", ecosystem="Debian:11")
    (finding,) = _parse(_found({"id": "CVE-1", "affected": [affected]}, package=package)).findings
    assert (finding.package, finding.fixed_version) == ("libc6", "2.31-14")
    assert finding.purl == "pkg:deb/debian/libc6@2.31-13?distro=debian-11"


def test_without_groups_each_vulnerability_is_one():
    assert [each.id for each in _parse(_found({"id": "GHSA-a"}, {"id": "GHSA-b"})).findings] == ["GHSA-a", "GHSA-b"]


@pytest.mark.parametrize(
    ("fields", "severity", "cvss"),
    [
        ({}, Severity.UNKNOWN, None),
        ({"database_specific": {"severity": "MODERATE"}}, Severity.MEDIUM, None),
        (
            {"severity": [{"type": "CVSS_V3", "score": V31}]},
            Severity.HIGH,
            Cvss(score=7.5, version="3.1", vector=V31),
        ),
        (
            {"severity": [{"type": "CVSS_V3", "score": V31}, {"type": "CVSS_V4", "score": V40}]},
            Severity.CRITICAL,
            Cvss(score=9.3, version="4.0", vector=V40),
        ),
        (
            {"severity": [{"type": "CVSS_V3", "score": V31}], "database_specific": {"severity": "CRITICAL"}},
            Severity.CRITICAL,
            Cvss(score=7.5, version="3.1", vector=V31),
        ),
        ({"severity": [{"type": "Ubuntu", "score": "medium"}]}, Severity.MEDIUM, None),
        ({"affected": [_affected(ecosystem_specific={"severity": "Low"})]}, Severity.LOW, None),
        ({"severity": [{"type": "CVSS_V3", "score": "nonsense"}]}, Severity.UNKNOWN, None),
    ],
)
def test_severities(fields, severity, cvss):
    finding = _one(**fields)
    assert (finding.severity, finding.cvss) == (severity, cvss)


def test_the_highest_score_of_the_group_where_nobody_says_more():
    (finding,) = _parse(_found({"id": "GHSA-a"}, groups=[{"ids": ["GHSA-a"], "max_severity": "9.8"}])).findings
    assert (finding.severity, finding.cvss) == (Severity.CRITICAL, Cvss(score=9.8))


@pytest.mark.parametrize(
    ("affected", "fixed"),
    [
        ([], ""),
        ([_affected()], ""),
        ([_affected("3.2.11")], "3.2.11"),
        ([_affected("2.2.26"), _affected("3.2.11")], "2.2.26, 3.2.11"),
        ([_affected("2.2.26", versions=["2.2"]), _affected("3.2.11", versions=["3.2", "3.2.1"])], "3.2.11"),
        ([_affected("9", name="flask"), _affected("3.2.11")], "3.2.11"),
        ([_affected("9", ecosystem="npm"), _affected("3.2.11")], "3.2.11"),
        ([_affected("abcdef", kind="GIT"), _affected("3.2.11")], "3.2.11"),
    ],
)
def test_fixed_versions_are_those_of_the_package(affected, fixed):
    assert _one(affected=affected).fixed_version == fixed


@pytest.mark.parametrize(
    ("fixes", "fixed"),
    [
        ([["1.8.4"], ["1.9.1"]], "1.9.1"),
        ([["1.9.1"], ["1.8.4"]], "1.9.1"),
        ([["1.8.4", "2.0.1"], ["1.8.6"]], "1.8.6"),
        ([["1.8.4", "2.0.1"], ["1.8.4", "2.0.1"]], "1.8.4, 2.0.1"),
        ([["1.8.4"], []], "1.8.4"),
    ],
)
def test_all_records_of_a_group_must_be_fixed(fixes, fixed):
    records = [{"id": f"X-{number}", "affected": [_affected(*each)]} for number, each in enumerate(fixes)]
    found = _found(*records, groups=[{"ids": ["X-0", "X-1"]}], package={"version": "1.8.0"})
    (finding,) = _parse(found).findings
    assert finding.fixed_version == fixed


def test_a_package_that_the_database_spells_otherwise():
    affected = [_affected("4.2", name="Django"), _affected("1.0", name="django-cms")]
    assert _one(affected=affected).fixed_version == "4.2"


def test_releases_of_a_distribution():
    affected = [
        _affected("1-deb11", name="apt", ecosystem="Debian:11"),
        _affected("1-deb12", name="apt", ecosystem="Debian:12"),
    ]
    for ecosystem, fixed in (("Debian:12", "1-deb12"), ("Debian", "1-deb11, 1-deb12")):
        package = {"name": "apt", "version": "1", "ecosystem": ecosystem}
        (finding,) = _parse(_found({"id": "DSA-1", "affected": affected}, package=package)).findings
        assert finding.fixed_version == fixed


def test_what_was_found_as_a_commit_is_fixed_by_one():
    package = {"name": "", "version": "", "ecosystem": "", "commit": "f00"}
    affected = [{"ranges": [{"type": "GIT", "repo": "https://x", "events": [{"introduced": "0"}, {"fixed": "ba5"}]}]}]
    (finding,) = _parse(_found({"id": "OSV-1", "affected": affected}, package=package)).findings
    assert (finding.version, finding.fixed_version, finding.purl) == ("f00", "ba5", "")


def test_malicious_packages():
    (finding,) = _parse(_found({"id": "MAL-2023-1035", "aliases": ["GHSA-8348-2q94-ffjx"]})).findings
    assert (finding.kind, finding.severity) == ("malware", Severity.CRITICAL)


def test_licenses_that_are_not_allowed():
    (finding,) = _parse(_found(licenses=["GPL-3.0", "MIT"], license_violations=["GPL-3.0"])).findings
    assert (finding.id, finding.kind, finding.package) == ("GPL-3.0", "license", "django")


@pytest.mark.parametrize(
    ("ecosystem", "name", "version", "purl"),
    [
        ("npm", "@scope/a", "1", "pkg:npm/%40scope/a@1"),
        ("Maven", "org.apache:x", "1", "pkg:maven/org.apache/x@1"),
        ("Go", "github.com/a/b", "v1", "pkg:golang/github.com/a/b@v1"),
        ("Packagist", "guzzlehttp/guzzle", "6", "pkg:composer/guzzlehttp/guzzle@6"),
        ("crates.io", "time", "0.1", "pkg:cargo/time@0.1"),
        ("RubyGems", "rack", "", "pkg:gem/rack"),
        ("Debian:12", "apt", "1", "pkg:deb/debian/apt@1?distro=debian-12"),
        ("Alpine:v3.18", "zlib", "1-r0", "pkg:apk/alpine/zlib@1-r0?distro=alpine-v3.18"),
        ("OSS-Fuzz", "x", "1", ""),
        ("", "x", "1", ""),
        ("npm", "", "1", ""),
    ],
)
def test_package_urls(ecosystem, name, version, purl):
    assert package_url(ecosystem, name, version) == purl


@pytest.mark.parametrize(
    "document",
    [
        {"results": [], "experimental_config": {"licenses": {"summary": False, "allowlist": None}}},
        {"results": None, "experimental_config": {}},
        {"results": []},
    ],
)
def test_clean_reports_of_every_version(document):
    assert osv.parse(json.dumps(document).encode()).findings == ()


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"experimental_config": {}},
        {"results": [], "version": "1.69.0", "errors": []},
        {"results": [{"packages": []}]},
        {"results": [{"source": {}, "packages": [{"package": {}, "vulnerabilities": [{}]}]}]},
        {"results": {}},
    ],
)
def test_what_is_no_report_of_it_is_refused(document):
    with pytest.raises(ReportError):
        osv.parse(json.dumps(document).encode())
