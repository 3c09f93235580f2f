"""SARIF 2.1.0: what the specification says, and what each scanner makes of it."""

import json

import pytest

from orchestrator.findings import sarif
from orchestrator.findings.interface import ReportError
from orchestrator.model import Cvss, Severity


def _run(*results, driver="Scanner", rules=(), **others):
    return {
        "tool": {"driver": {"name": driver, "version": "1.0", "rules": list(rules)}},
        "results": list(results),
    } | others


def _parse(*runs, version="2.1.0"):
    return sarif.parse(json.dumps({"version": version, "runs": list(runs)}).encode())


def _result(rule="R1", text="something", uri="src/a.c", line=None, **others):
    region = {"region": {"startLine": line}} if line else {}
    location = {"physicalLocation": {"artifactLocation": {"uri": uri}, **region}}
    return {"ruleId": rule, "message": {"text": text}, "locations": [location]} | others


def _one(*arguments, **others):
    (finding,) = _parse(_run(*arguments, **others)).findings
    return finding


def test_a_result():
    finding = _one(_result(line=15))
    assert (finding.id, finding.kind, finding.severity, finding.location) == ("R1", "check", Severity.MEDIUM, "src/a.c")
    assert finding.title == "something (line 15)"


def test_who_wrote_it():
    report = _parse(_run(driver="CodeQL"), _run(driver="Other"), _run(driver="Other"))
    assert (report.scanner, report.scanner_version) == ("codeql, other", "1.0")


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("error", Severity.HIGH),
        ("warning", Severity.MEDIUM),
        ("note", Severity.INFO),
        ("none", Severity.NONE),
        ("critical", Severity.CRITICAL),
        ("odd", Severity.UNKNOWN),
    ],
)
def test_levels(level, severity):
    assert _one(_result(level=level)).severity is severity
    assert _one(_result(), rules=[{"id": "R1", "defaultConfiguration": {"level": level}}]).severity is severity


def test_a_level_that_the_invocation_changed():
    override = {"descriptor": {"id": "R1"}, "configuration": {"level": "note"}}
    invocations = [{"executionSuccessful": True, "ruleConfigurationOverrides": [override]}]
    rules = [{"id": "R1", "defaultConfiguration": {"level": "error"}}]
    assert _one(_result(), rules=rules, invocations=invocations).severity is Severity.INFO
    assert _one(_result(level="error"), rules=rules, invocations=invocations).severity is Severity.HIGH


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        ("9.0", Severity.CRITICAL),
        ("8.9", Severity.HIGH),
        (6.9, Severity.MEDIUM),
        ("0.1", Severity.LOW),
        ("0.0", Severity.INFO),
        ("MEDIUM", Severity.MEDIUM),
        ("", Severity.INFO),
        ([], Severity.INFO),
        (99, Severity.INFO),
    ],
)
def test_security_severity_of_rule_or_result(score, severity):
    properties = {"security-severity": score}
    assert _one(_result(level="note"), rules=[{"id": "R1", "properties": properties}]).severity is severity
    assert _one(_result(level="note", properties=properties)).severity is severity


@pytest.mark.parametrize("kind", ["pass", "open", "informational", "notApplicable", "review"])
def test_what_did_not_fail_is_no_finding(kind):
    assert _parse(_run(_result(kind=kind))).findings == ()
    assert len(_parse(_run(_result(kind="fail"))).findings) == 1


def test_what_is_gone_since_the_last_run_is_no_finding():
    assert _parse(_run(_result(baselineState="absent"))).findings == ()
    assert len(_parse(_run(_result(baselineState="unchanged"))).findings) == 1


@pytest.mark.parametrize(
    ("suppressions", "reason"),
    [
        ([{"kind": "external", "status": "accepted", "justification": "not reachable"}], "not reachable"),
        ([{"kind": "inSource"}], ""),
        ([{"kind": "inSource"}, {"kind": "external", "justification": "a test"}], "a test"),
        ([{"kind": "external", "status": "underReview", "justification": "later"}], None),
        ([{"kind": "external", "status": "rejected"}], None),
        ([{"kind": "external", "status": "accepted"}, {"kind": "external", "status": "rejected"}], None),
        ([{"kind": "external", "status": "odd"}], None),
        ([{"kind": "external", "state": "rejected"}], None),
        ([{"kind": "external", "state": None, "justification": "not reachable"}], "not reachable"),
        ([], None),
        (None, None),
    ],
)
def test_what_the_tool_suppressed_says_so_and_why(suppressions, reason):
    suppressed = _one(_result(suppressions=suppressions)).suppressed
    assert (suppressed.reason if suppressed else None) == reason


@pytest.mark.parametrize(
    "document",
    [
        {"version": "1.0.0", "runs": [{"tool": {"name": "CodeScanner"}, "results": []}]},
        {"version": "2.0.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": []}]},
        {"version": "2.0.0-csd.2.beta.2018-10-10", "runs": {"x": 1}},
    ],
)
def test_other_versions_are_said_to_be_that(document):
    with pytest.raises(ReportError, match=rf"SARIF '{document['version'][:20]}.*2\.1"):
        sarif.parse(json.dumps(document).encode())


def test_a_finding_for_each_place():
    places = [_result(uri=uri, line=line)["locations"][0] for uri, line in (("a", 1), ("b", 1), ("a", 2), ("a", 1))]
    findings = _parse(_run(_result(locations=places))).findings
    assert [(each.location, each.title) for each in findings] == [
        ("a", "something (line 1)"),
        ("b", "something (line 1)"),
        ("a", "something (line 2)"),
    ]


@pytest.mark.parametrize("locations", [None, [], [{}], [{"physicalLocation": {}}]])
def test_a_result_without_a_place(locations):
    assert _one(_result(locations=locations)).location == ""


BASES = {
    "ROOT": {"uri": "file:///home/me/work/"},
    "SRC": {"uri": " src/", "uriBaseId": "ROOT"},
    "LIB": {"uri": "lib", "uriBaseId": "SRC"},
    "LOOP": {"uri": "x/", "uriBaseId": "LOOP"},
    "EMPTY": {},
}


@pytest.mark.parametrize(
    ("artifact", "location"),
    [
        ({"uri": "a.c", "uriBaseId": "ROOT"}, "a.c"),
        ({"uri": "a.c", "uriBaseId": "SRC"}, "src/a.c"),
        ({"uri": "a.c", "uriBaseId": "LIB"}, "src/lib/a.c"),
        ({"uri": "a.c", "uriBaseId": "UNKNOWN"}, "a.c"),
        ({"uri": "a.c", "uriBaseId": "EMPTY"}, "a.c"),
        ({"uri": "/a.c", "uriBaseId": "SRC"}, "/a.c"),
        ({"uri": "./a%20b.c"}, "a b.c"),
        ({"uri": "file:///src/a.c", "uriBaseId": "SRC"}, "/src/a.c"),
        ({"uri": "file:////src/a.c"}, "/src/a.c"),
        ({"uri": "file://host/src/a.c"}, "/src/a.c"),
        ({"uri": "file://package.json"}, "package.json"),
        ({"uri": "a.c", "index": None}, "a.c"),
        ({"uri": "file:///C:/code/a.c"}, "C:/code/a.c"),
        ({"uri": "https://x.example/a%20b"}, "https://x.example/a%20b"),
        ({"index": 0}, "src/listed.c"),
        ({"index": 9}, ""),
    ],
)
def test_paths(artifact, location):
    result = _result(locations=[{"physicalLocation": {"artifactLocation": artifact}}])
    artifacts = [{"location": {"uri": "listed.c", "uriBaseId": "SRC"}}]
    assert _one(result, originalUriBaseIds=BASES, artifacts=artifacts).location == location


def test_bases_that_go_round_in_a_circle_end():
    result = _result(locations=[{"physicalLocation": {"artifactLocation": {"uri": "a", "uriBaseId": "LOOP"}}}])
    assert _one(result, originalUriBaseIds=BASES).location.endswith("x/a")


def test_a_place_that_is_no_file():
    result = _result(locations=[{"logicalLocations": [{"fullyQualifiedName": "Example.Worker.DoWork"}]}])
    assert _one(result).location == "Example.Worker.DoWork"


def test_rules_by_index_id_and_extension():
    first = {"id": "A", "defaultConfiguration": {"level": "error"}}
    extension = {"name": "pack", "rules": [{"id": "X"}, {"id": "B", "defaultConfiguration": {"level": "note"}}]}
    run = _run(rules=[first])
    run["tool"]["extensions"] = [extension]
    nameless = _result()
    del nameless["ruleId"]
    run["results"] = [
        _result("A"),
        nameless | {"ruleIndex": 0},
        _result("B"),
        nameless | {"rule": {"index": 1, "toolComponent": {"index": 0}}},
        nameless | {"ruleIndex": None, "rule": {"index": 1, "toolComponent": {"name": "pack", "index": None}}},
        nameless | {"rule": {"id": "B"}},
        _result("A/sub"),
        _result("A", ruleIndex=7),
        _result("C", ruleIndex=0),
        nameless,
    ]
    assert [(each.id, each.severity.value) for each in _parse(run).findings] == [
        ("A", "high"),
        ("A", "high"),
        ("B", "info"),
        ("B", "info"),
        ("B", "info"),
        ("B", "info"),
        ("A/sub", "high"),
        ("A", "high"),
        ("C", "medium"),
        ("something", "medium"),
    ]


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ({"text": "plain {0}"}, "plain {0}"),
        ({"text": "{0} of {1} {{2}} {7}", "arguments": ["a", 2]}, "a of 2 {2} {7}"),
        ({"id": "default", "arguments": ["ptr"]}, 'Variable "ptr" was not initialized.'),
        ({"id": "shared"}, "shared text"),
        ({"id": "nowhere"}, "short"),
        ({"markdown": "**bold**"}, "**bold**"),
        ({}, "short"),
        (None, "short"),
    ],
)
def test_messages(message, title):
    rule = {
        "id": "R1",
        "messageStrings": {"default": {"text": 'Variable "{0}" was not initialized.'}},
        "shortDescription": {"text": "short"},
    }
    run = _run(_result(message=message), rules=[rule])
    run["tool"]["driver"]["globalMessageStrings"] = {"shared": {"text": "shared text"}}
    assert _parse(run).findings[0].title == title


def test_one_text_filled_in_by_many_results_stays_small():
    rule = {"id": "R1", "messageStrings": {"m": {"text": "{0}" * 100_000}}}
    results = [_result(message={"id": "m", "arguments": ["x" * 100_000]}) for _ in range(20)]
    assert len(_parse(_run(*results, rules=[rule])).findings) == 20


@pytest.mark.parametrize(
    ("rule", "own", "aliases", "kind"),
    [
        ("CVE-2021-44228", "CVE-2021-44228", (), "vulnerability"),
        ("CVE-2021-44228-log4j", "CVE-2021-44228", (), "vulnerability"),
        ("BDSA-2020-1001 (CVE-2020-11022)", "BDSA-2020-1001 (CVE-2020-11022)", ("CVE-2020-11022",), "vulnerability"),
        ("GHSA-jfh8-c2jp-5v3q", "GHSA-jfh8-c2jp-5v3q", (), "vulnerability"),
        ("RHSA-2021:1234", "RHSA-2021:1234", (), "vulnerability"),
        ("openSUSE-SU-2023:1-1", "openSUSE-SU-2023:1-1", (), "vulnerability"),
        ("BIT-nginx-2023-1234", "BIT-nginx-2023-1234", (), "vulnerability"),
        ("EUVD-2025-1234", "EUVD-2025-1234", (), "vulnerability"),
        ("BIT-9-2023", "BIT-9-2023", (), "check"),
        ("py/empty-except", "py/empty-except", (), "check"),
    ],
)
def test_ids(rule, own, aliases, kind):
    finding = _one(_result(rule))
    assert (finding.id, finding.aliases, finding.kind) == (own, aliases, kind)


TRIVY_MESSAGE = (
    "Package: zlib1g\nInstalled Version: 1.2\nVulnerability CVE-2022-37434\nSeverity: LOW\n"
    "Fixed Version: 1.3, 1.2-u1\nLink: [CVE-2022-37434](https://avd.example)"
)


def _trivy(name, rule="CVE-2022-37434", message=TRIVY_MESSAGE, **others):
    described = {
        "id": rule,
        "name": name,
        "shortDescription": {"text": "zlib: &#39;overflow&#39;"},
        "properties": {"security-severity": "9.8", "tags": ["vulnerability", "security"]},
    }
    return _one(_result(rule, message, uri="library/debian", line=1, level="note"), driver="Trivy", rules=[described])


def test_trivy_vulnerabilities():
    finding = _trivy("OsPackageVulnerability")
    assert (finding.id, finding.kind, finding.severity) == ("CVE-2022-37434", "vulnerability", Severity.LOW)
    assert (finding.package, finding.version, finding.fixed_version) == ("zlib1g", "1.2", "1.3, 1.2-u1")
    assert (finding.location, finding.title, finding.cvss) == ("", "zlib: 'overflow'", Cvss(score=9.8))
    assert _trivy("LanguageSpecificPackageVulnerability").location == "library/debian"


def test_trivy_fixes_that_are_not_there():
    assert _trivy("OsPackageVulnerability", message=TRIVY_MESSAGE.replace(" 1.3, 1.2-u1", " ")).fixed_version == ""


def test_trivy_misconfigurations_secrets_and_licenses():
    finding = _trivy(
        "Misconfiguration", "DS002", "Artifact: Dockerfile\nType: dockerfile\nSeverity: HIGH\nMessage: root"
    )
    assert (finding.id, finding.kind, finding.severity) == ("DS002", "misconfiguration", Severity.HIGH)
    finding = _trivy("Secret", "aws", "Artifact: key\nType: \nSecret AWS Key\nSeverity: CRITICAL\nMatch: ***")
    assert (finding.id, finding.kind, finding.severity) == ("aws", "secret", Severity.CRITICAL)
    assert finding.title == "AWS Key (line 1)"
    finding = _trivy("License", "org.x:a:GPL-3.0", "Artifact: OS Packages\nLicense GPL-3.0\nPkgName: restricted")
    assert (finding.id, finding.kind, finding.package) == ("GPL-3.0", "license", "org.x:a")


NEW_GRYPE = (
    "A medium vulnerability in deb package: libc6, version 2.28-10 was found in image a:1 at: /var/lib/dpkg/status"
)
OLD_GRYPE = (
    "The path /var/lib/dpkg/status reports libc6 at version 2.28-10  which would result in a vulnerable (deb) package"
)


@pytest.mark.parametrize(
    ("message", "location"),
    [
        (NEW_GRYPE, "/var/lib/dpkg/status"),
        (OLD_GRYPE, "/var/lib/dpkg/status"),
        ("A medium vulnerability in deb package: libc6, version 2.28-10 was found from SBOM file x", "debian/x"),
    ],
)
def test_grype(message, location):
    rule = {
        "id": "CVE-2019-1010022-libc6",
        "fullDescription": {"text": "GNU Libc mitigation bypass"},
        "help": {
            "text": "Vulnerability CVE-2019-1010022\nSeverity: medium\nPackage: libc6\nVersion: 2.28-10\n"
            "Fix Version: 2.29,2.30\nType: deb\nLocation: var/lib/dpkg/status"
        },
        "properties": {"security-severity": "9.8", "purls": ["pkg:deb/debian/libc6@2.28-10"]},
    }
    finding = _one(_result(rule["id"], message, uri="debian/x"), driver="Grype", rules=[rule])
    assert (finding.id, finding.severity, finding.cvss) == ("CVE-2019-1010022", Severity.MEDIUM, Cvss(score=9.8))
    assert (finding.package, finding.version, finding.fixed_version) == ("libc6", "2.28-10", "2.29, 2.30")
    assert (finding.purl, finding.location) == ("pkg:deb/debian/libc6@2.28-10", location)


def test_grype_describes_only_the_first_version_of_a_package():
    rule = {
        "id": "GHSA-jfh8-c2jp-5v3q-log4j",
        "help": {"text": "Vulnerability GHSA-jfh8-c2jp-5v3q\nPackage: log4j\nVersion: 2.14\nFix Version: 2.15.0"},
        "properties": {"security-severity": "7.0", "purls": ["pkg:maven/x/log4j@2.14"]},
    }
    message = "A high vulnerability in java-archive package: log4j, version 2.13 was found at: /a.jar"
    finding = _one(_result(rule["id"], message), driver="grype", rules=[rule])
    assert (finding.id, finding.version, finding.purl, finding.cvss) == ("GHSA-jfh8-c2jp-5v3q", "2.13", "", None)
    assert _one(_result("ALAS-1-zlib", message.replace("log4j", "zlib")), driver="grype").id == "ALAS-1"


def test_osv_scanner():
    rule = {
        "id": "CVE-2021-1",
        "shortDescription": {"text": "CVE-2021-1: bad"},
        "help": {
            "markdown": "| Vulnerability ID | Package Name | Fixed Version |\n| --- | --- | --- |\n"
            "| GHSA-a | @scope/a | 1.1, 2.0 |\n| CVE-2021-1 | @scope/a | 2.0 |\n| CVE-2021-1 | other | 9 |\n"
        },
        "properties": {"security-severity": "9.1"},
    }
    message = "Package '@scope/a@1.0' is vulnerable to 'CVE-2021-1' (also known as 'GHSA-a', 'PYSEC-1')."
    finding = _one(_result("CVE-2021-1", message, level="warning"), driver="osv-scanner", rules=[rule])
    assert (finding.id, finding.aliases, finding.severity) == ("CVE-2021-1", ("GHSA-a", "PYSEC-1"), Severity.CRITICAL)
    assert (finding.package, finding.version, finding.fixed_version) == ("@scope/a", "1.0", "2.0; 1.1, 2.0")


def test_snyk():
    rule = {
        "id": "SNYK-DEBIAN10-APT-407502",
        "shortDescription": {"text": "Low severity - CVE-2011-3374 vulnerability in apt"},
        "fullDescription": {"text": "(CVE-2011-3374) apt/libapt-pkg5.0@1.8.2.3"},
        "properties": {"cvssv3_baseScore": 3.7, "security-severity": "3.7"},
    }
    finding = _one(_result(rule["id"]), driver="Snyk Container", rules=[rule])
    assert (finding.id, finding.aliases) == ("SNYK-DEBIAN10-APT-407502", ("CVE-2011-3374",))
    assert (finding.package, finding.version, finding.severity) == ("libapt-pkg5.0", "1.8.2.3", Severity.LOW)
    assert finding.cvss == Cvss(score=3.7, version="3")
    assert _one(_result("javascript/Sqli"), driver="SnykCode", rules=[{"id": "javascript/Sqli"}]).kind == "check"


def test_kinds_that_the_tool_tells():
    assert _one(_result(), driver="gitleaks").kind == "secret"
    assert _one(_result(), driver="Dockle").kind == "misconfiguration"


def test_a_clean_scan():
    assert _parse(_run()).findings == ()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": "2.1.0"},
        {"version": "2.1.0", "runs": []},
        {"version": "2.1.0", "runs": None},
        {"version": "2.1.0", "runs": [_run() | {"results": None}]},
        {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}}]},
        {"version": "2.1.0", "runs": [_run(invocations=[{"executionSuccessful": False}])]},
        {"version": "2.1.0", "runs": [{"results": []}]},
        {"version": "2.0.0", "runs": [_run()]},
        {"version": "1.0.0", "runs": [_run()]},
        {"results": [], "version": "1.69.0"},
        {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1},
    ],
)
def test_what_proves_no_scan_is_refused(document):
    with pytest.raises(ReportError):
        sarif.parse(json.dumps(document).encode())


def test_what_a_tool_found_before_it_failed_is_kept():
    assert len(_parse(_run(_result(), invocations=[{"executionSuccessful": False}])).findings) == 1


def _at(region, *names, uri="main.tf"):
    logical = {"logicalLocations": [{"fullyQualifiedName": name} for name in names]} if names else {}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}, **logical}


def test_places_of_one_rule_in_one_file():
    regions = [_at({"startLine": 1, "endLine": 3}, "aws_s3_bucket.a"), _at({"startLine": 5, "startColumn": 2})]
    regions.append(_at({"startLine": -1}))
    report = _parse(_run(*(_result("CKV_1", locations=[region]) for region in regions), driver="checkov"))
    assert [each.place for each in report.findings] == ["aws_s3_bucket.a, line 1-3", "line 5, column 2", ""]
    assert "line" not in report.findings[-1].title
    assert {each.location for each in report.findings} == {"main.tf"}


def test_two_things_in_one_line_are_distinguished_by_their_messages():
    """Trivy says `line 1` of what has no line, Gitleaks repeats a secret for each commit."""

    def places(*messages):
        return [each.place for each in _parse(_run(*(_result("DS002", text, line=1) for text in messages))).findings]

    assert places("bucket a is public", "bucket b is public") == ["line 1", "line 1 (2)"]
    assert places(*(f"a key of commit {digit * 39}a" for digit in "12")) == ["line 1", "line 1"]


def test_a_place_is_not_made_of_what_our_own_export_says_of_the_target():
    own = {"kind": "secret", "severity": "high"}
    region = {**_at({"startLine": 4}, "docker.io/library/nginx:1", uri="a.py"), "message": {"text": "line 4"}}
    (finding,) = _parse(_run(_result("key", locations=[region], properties=own), driver="scanmatrix")).findings
    assert finding.place == "line 4"


def _of_message(text, line):
    return _one({"message": {"text": text}, "locations": [_at({"startLine": line}, uri="a.py")]})


def test_a_result_without_a_rule_is_the_same_one_when_lines_move():
    found = [
        _of_message(f"key {hash_} (0x{line}ab) of {time}, line {line} of a.py:{line}:7 in /tmp/tmp{hash_}/a.py", line)
        for line, hash_, time in (
            (20, "deadbeef0123", "2025-03-01T10:00:00Z"),
            (21, "0123deadbeef", "2025-03-02 11:00"),
        )
    ]
    assert {(each.id, each.location) for each in found} == {(found[0].id, "a.py")}
    assert found[0].id.startswith("key")
    assert _of_message("RHSA-2024:1234 is missing", 1).id.startswith("RHSA-2024:1234")


@pytest.mark.parametrize(
    ("run", "location"),
    [
        ({"originalUriBaseIds": {"ROOT": {"uri": "file:///tmp/tmp1/src/"}}}, "a.py"),
        ({"invocations": [{"workingDirectory": {"uri": "file:///tmp/tmp1"}}]}, "src/a.py"),
        ({"originalUriBaseIds": {"ROOT": {"uri": "file:///"}}}, "/tmp/tmp1/src/a.py"),
        ({}, "/tmp/tmp1/src/a.py"),
    ],
)
def test_the_temporary_folder_of_a_scan_is_no_part_of_a_path(run, location):
    assert _one(_result(uri="file:///tmp/tmp1/src/a.py"), **run).location == location
    assert (
        _one(_result(uri="file:///src/a.py"), originalUriBaseIds={"R": {"uri": "file:///src/"}}).location == "/src/a.py"
    )
