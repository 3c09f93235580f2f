"""SARIF of scanners whose own severity, package and fix stand elsewhere than in `security-severity`."""

import json

import pytest

from orchestrator.findings import sarif
from orchestrator.model import Cvss, Severity


def _one(driver, rule=None, *, text="something", **result):
    rule = {"id": "R1"} | (rule or {})
    result = {"ruleId": rule["id"], "message": {"text": text}} | result
    run = {"tool": {"driver": {"name": driver, "rules": [rule]}}, "results": [result]}
    (finding,) = sarif.parse(json.dumps({"version": "2.1.0", "runs": [run]}).encode()).findings
    return finding


def _grype(severity, score, message_word="", short_word=""):
    help_text = f"Vulnerability CVE-2021-3711\nSeverity: {severity}\nPackage: libssl1.1\nVersion: 1.1.1g"
    word = message_word or severity
    return _one(
        "Grype",
        {
            "id": "CVE-2021-3711-libssl1.1",
            "shortDescription": {"text": f"CVE-2021-3711 {short_word or severity} vulnerability for libssl1.1 package"},
            "help": {"text": help_text if severity else ""},
            "properties": {"security-severity": score},
        },
        text=f"A {word} vulnerability in deb package: libssl1.1, version 1.1.1g was found at: /x"
        if word
        else "no more",
        level="note",
    )


@pytest.mark.parametrize(("word", "severity"), [("low", Severity.LOW), ("critical", Severity.CRITICAL)])
def test_grype_means_its_own_severity_and_not_the_score(word, severity):
    finding = _grype(word, "7.5")
    assert (finding.severity, finding.cvss) == (severity, Cvss(score=7.5))


def test_grype_names_the_severity_of_a_match_in_its_message_first():
    assert _grype("low", "9.8", message_word="high").severity is Severity.HIGH
    assert _grype("", "9.8", short_word="medium").severity is Severity.MEDIUM


def test_a_severity_that_grype_does_not_name_is_that_of_the_level():
    assert _grype("", "9.8", short_word="odd").severity is Severity.LOW


def test_grype_may_judge_that_nobody_knows():
    assert _grype("Unknown", "9.8").severity is Severity.UNKNOWN


SNYK = {
    "id": "SNYK-JS-LODASH-450202",
    "shortDescription": {"text": "Critical severity - Prototype Pollution vulnerability in lodash"},
    "fullDescription": {"text": "(CVE-2019-10744) lodash@4.17.4"},
    "help": {
        "text": "",
        "markdown": "* Package Manager: npm\n# Remediation\nUpgrade `lodash` to version 4.17.12 or higher.\n",
    },
    "properties": {"tags": ["security", "CWE-400", "npm"], "cvssv3_baseScore": 7.3, "security-severity": "7.3"},
}


def test_snyk_severity_package_and_fix():
    text = "This file introduces a vulnerable lodash package with a critical severity vulnerability."
    finding = _one("Snyk Open Source", SNYK, text=text, level="error")
    assert (finding.severity, finding.cvss) == (Severity.CRITICAL, Cvss(score=7.3, version="3"))
    assert (finding.package, finding.version, finding.fixed_version) == ("lodash", "4.17.4", "4.17.12")
    assert finding.aliases == ("CVE-2019-10744",)


@pytest.mark.parametrize(
    ("described", "tags", "package", "version"),
    [
        ("(CVE-2016-3189) bzip2/libbz2-1.0@1.0.6-8.1", ["deb"], "libbz2-1.0", "1.0.6-8.1"),
        ("expat@2.2.5-r0", ["apk"], "expat", "2.2.5-r0"),
        ("@babel/traverse@7.1.0", ["npm"], "@babel/traverse", "7.1.0"),
        ("(CVE-2021-1) org.x:log@2.0", ["maven"], "org.x:log", "2.0"),
        ("", [], "lodash", "4.17.4"),
    ],
)
def test_packages_of_snyk(described, tags, package, version):
    rule = SNYK | {"fullDescription": {"text": described}, "properties": {"tags": tags}}
    place = {"logicalLocations": [{"fullyQualifiedName": "lodash@4.17.4"}]}
    finding = _one("Snyk Container", rule, locations=[place])
    assert (finding.package, finding.version, finding.kind) == (package, version, "vulnerability")


@pytest.mark.parametrize(
    ("advice", "fixed"),
    [
        (
            "## Remediation\nUpgrade `Debian:10` `zlib` to version 1:1.2.11.dfsg-1+deb10u2 or higher.\n",
            "1:1.2.11.dfsg-1+deb10u2",
        ),
        ("## Remediation\nUpgrade `a` to version 1.2.3, 2.0.1 or higher.\n## References", "1.2.3, 2.0.1"),
        ("## Remediation\nThere is no fixed version for `Debian:10` `util-linux`.\n", ""),
        ("## Overview\nUpgrade to version 9", ""),
    ],
)
def test_fixes_of_snyk(advice, fixed):
    assert _one("Snyk Container", SNYK | {"help": {"markdown": advice}}).fixed_version == fixed


@pytest.mark.parametrize(("wanted", "fixed"), [("lodash@4.17.21", "4.17.21"), ("parent@2.0.0", "")])
def test_an_upgrade_of_snyk_is_a_fix_where_it_is_of_the_package_itself(wanted, fixed):
    fixes = [{"description": {"text": f"Upgrade to {wanted}"}}]
    assert _one("Snyk Open Source", SNYK | {"help": {}}, fixes=fixes).fixed_version == fixed


def test_other_things_that_snyk_finds():
    licence = SNYK | {"id": "snyk:lic:npm:x:GPL-3.0", "fullDescription": {"text": "x@1.0"}}
    assert _one("Snyk Open Source", licence).kind == "license"
    finding = _one(
        "Snyk IaC", {"id": "SNYK-CC-K8S-10", "shortDescription": {"text": "Low severity - Root"}}, level="error"
    )
    assert (finding.kind, finding.severity) == ("misconfiguration", Severity.LOW)


def test_docker_scout():
    purl = "pkg:deb/debian/apt@2.6.1?os_name=debian&os_version=12"
    text = (
        "  Vulnerability   : CVE-2011-3374       \n  Severity        : LOW    \n"
        f"  Package         : {purl}  \n  Affected range  : >=2.6.1  \n  Fixed version   : 2.7.0  \n"
    )
    rule = {"id": "CVE-2011-3374", "properties": {"security-severity": "9.1", "tags": ["LOW"]}}
    finding = _one("docker scout", rule, text=text, level="error")
    assert (finding.severity, finding.package, finding.version) == (Severity.LOW, "apt", "2.6.1")
    assert (finding.purl, finding.fixed_version, finding.kind) == (purl, "2.7.0", "vulnerability")
    assert _one("docker scout", rule, text=text.replace("2.7.0", "not fixed")).fixed_version == ""


def test_clair():
    finding = _one("Clair V4", {"id": "CVE-2022-1"}, text='[zlib1g - 1:1.2.11 - Low] "overflow."', level="error")
    assert (finding.severity, finding.package, finding.version) == (Severity.LOW, "zlib1g", "1:1.2.11")


def test_the_template_of_trivy_before_it_wrote_sarif_itself():
    rule = {"id": "[CRITICAL] CVE-2021-1", "help": {"text": "Vulnerability CVE-2021-1\nSeverity: CRITICAL"}}
    finding = _one("Trivy", rule, text="openssl", level="error")
    assert (finding.id, finding.severity) == ("CVE-2021-1", Severity.CRITICAL)


def test_names_of_govulncheck():
    finding = _one("govulncheck", {"id": "GO-2023-1", "properties": {"tags": ["CVE-2023-1234", "go"]}})
    assert (finding.id, finding.aliases, finding.kind) == ("GO-2023-1", ("CVE-2023-1234",), "vulnerability")


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        ({}, {"issue_severity": "LOW"}),
        ({}, {"severity": "low"}),
        ({}, {"securityRisk": "LOW"}),
        ({}, {"cvssv3_baseSeverity": "LOW"}),
        ({"cvssv3_baseSeverity": "LOW", "cvssv2_severity": "MEDIUM"}, {}),
        ({"severity": "LOW"}, {}),
        ({"cvssV3_severity": "LOW"}, {}),
        ({"tags": ["security", "LOW"]}, {}),
        ({"severity": "CRITICAL"}, {"severity": "LOW"}),
    ],
)
def test_a_word_of_any_tool_counts_before_score_and_level(rule, result):
    rule = {"properties": {"security-severity": "9.8"} | rule}
    assert _one("some tool", rule, level="error", properties=result).severity is Severity.LOW


@pytest.mark.parametrize("tags", [["HIGH", "low"], ["none"], ["HIGH CONFIDENCE"], "low", [7, None], ["error"]])
def test_tags_that_name_no_severity(tags):
    assert _one("some tool", {"properties": {"tags": tags}}, level="warning").severity is Severity.MEDIUM


@pytest.mark.parametrize("value", [3, "7.5", "warning", ["low"], {"a": 1}, None])
def test_properties_that_name_no_severity(value):
    assert _one("some tool", level="note", properties={"severity": value}).severity is Severity.INFO


@pytest.mark.parametrize(
    ("level", "score", "severity"),
    [
        ("error", "9.8", Severity.CRITICAL),
        ("error", "7.5", Severity.HIGH),
        ("error", "5.0", Severity.HIGH),
        ("warning", "9.8", Severity.MEDIUM),
        ("note", "9.8", Severity.LOW),
    ],
)
def test_checkov_means_its_level_and_names_the_package_in_the_rule(level, score, severity):
    rule = {
        "id": "CVE-2018-1000656_flask@0.12",
        "help": {"text": "SCA package scan\nResource: requirements.txt.flask\nStatus: fixed in 0.12.3"},
        "properties": {"security-severity": score},
    }
    finding = _one("Checkov", rule, level=level)
    assert (finding.id, finding.severity, finding.cvss) == ("CVE-2018-1000656", severity, Cvss(score=float(score)))
    assert (finding.package, finding.version, finding.fixed_version) == ("flask", "0.12", "0.12.3")


def test_licenses_and_checks_of_checkov():
    finding = _one("Checkov", {"id": "GPL-3.0_flask@0.12", "properties": {"security-severity": "6.9"}}, level="warning")
    assert (finding.id, finding.kind, finding.package, finding.severity) == (
        "GPL-3.0",
        "license",
        "flask",
        Severity.MEDIUM,
    )
    assert _one("Checkov", {"id": "CKV_AWS_20"}, level="error").kind == "misconfiguration"


@pytest.mark.parametrize(
    ("driver", "severity"), [("KICS", Severity.LOW), ("SnykCode", Severity.LOW), ("CodeQL", Severity.INFO)]
)
def test_tools_that_write_low_as_a_note(driver, severity):
    assert _one(driver, level="note").severity is severity


GRYPES_FORM = (
    "Vulnerability CVE-2019-3462\nSeverity: Critical\nPackage: apt\nCVSS Score: 8.1\nVersion: 1.4.8\n"
    "Fix Version: 1.4.9\nType: dpkg\nLocation: pkgdb"
)
ROXCTLS_FORM = (
    "Vulnerability:\tCVE-2019-3462\nLink:\tx\nSeverity:\tIMPORTANT\nComponent:\tapt\nVersion:\t1.4.8\n"
    "Fixed Version:\t1.4.9"
)


@pytest.mark.parametrize(
    ("driver", "rule_id", "help_text", "level", "severity"),
    [
        ("Anchore Container Vulnerability Report (T0)", "ANCHOREVULN_CVE-2019-3462_dpkg_apt-1.4.8", GRYPES_FORM,
         "warning", Severity.CRITICAL),
        ("grype", "ANCHOREVULN_debian:9_CVE-2019-3462_deb_apt_1.4.8", GRYPES_FORM, "note", Severity.CRITICAL),
        ("sysdig-cli-scanner", "CVE-2019-3462", GRYPES_FORM, "error", Severity.CRITICAL),
        # StackRox knows no level for IMPORTANT, and writes `none`.
        ("roxctl", "CVE-2019-3462_apt_1.4.8", ROXCTLS_FORM, "none", Severity.HIGH),
        ("roxctl", "CVE-2019-3462_apt_1.4.8",
         ROXCTLS_FORM.replace("IMPORTANT", "LOW_VULNERABILITY_SEVERITY"), "none", Severity.LOW),
    ],
)  # fmt: skip
def test_the_help_describes_vulnerability_and_package(driver, rule_id, help_text, level, severity):
    finding = _one(driver, {"id": rule_id, "help": {"text": help_text}}, level=level)
    assert (finding.id, finding.kind, finding.severity) == ("CVE-2019-3462", "vulnerability", severity)
    assert (finding.package, finding.version, finding.fixed_version) == ("apt", "1.4.8", "1.4.9")


def test_a_help_that_says_that_nothing_is_fixed_or_describes_no_package():
    unfixed = GRYPES_FORM.replace("1.4.9", "None")
    assert not _one("sysdig-cli-scanner", {"id": "CVE-2019-3462", "help": {"text": unfixed}}).fixed_version
    text = "Vulnerability in templates: see below\nPackage: anything"
    assert (_one("some tool", {"help": {"text": text}}).id, _one("some tool", {"help": {"text": text}}).package) == (
        "R1",
        "",
    )


def test_a_severity_that_the_help_calls_unknown_is_that_whatever_the_level():
    text = GRYPES_FORM.replace("Critical", "Unknown")
    rule = {"id": "CVE-2019-3462", "help": {"text": text}, "properties": {"security-severity": "9.8"}}
    assert _one("sysdig-cli-scanner", rule, level="error").severity is Severity.UNKNOWN


def _jfrog(short, rule_id="X", **result):
    table = (
        "| Severity Score | Direct Dependencies | Fixed Versions     |\n| :---: | :---: | :---: |\n| 7.5 | `a 1` | {} |"
    )
    helped = {"text": "ansi-regex is slow", "markdown": table.format("[3.0.1], [4.1.1]   ")}
    rule = {"id": rule_id, "shortDescription": {"text": short}, "help": helped}
    return _one("JFrog Xray Scanner", rule | {"properties": {"security-severity": "7.5"}}, **result)


def test_jfrog_names_package_version_and_fix():
    finding = _jfrog("[CVE-2021-3807] @scope/ansi-regex 3.0.0", "CVE-2021-3807_@scope/ansi-regex_3.0.0")
    assert (finding.id, finding.kind, finding.severity) == ("CVE-2021-3807", "vulnerability", Severity.HIGH)
    assert (finding.package, finding.version) == ("@scope/ansi-regex", "3.0.0")
    assert finding.fixed_version == "3.0.1, 4.1.1"


@pytest.mark.parametrize(("said", "fixed"), [("[3.0.1]", "3.0.1"), ("No fix available", "")])
def test_the_fix_of_jfrog_is_a_property_of_the_result(said, fixed):
    assert _jfrog("[CVE-2021-3807] a 1", properties={"fixedVersion": said}).fixed_version == fixed


@pytest.mark.parametrize(
    ("short", "own", "kind", "aliases"),
    [
        ("[XRAY-264729] log4j:log4j 1.2.17 (my watch)", "XRAY-264729", "vulnerability", ()),
        ("[CVE-2022-1111_CVE-2022-2222] a 1", "CVE-2022-1111", "vulnerability", ("CVE-2022-2222",)),
        ("Security Violation [CVE-2022-1111] a 1", "CVE-2022-1111", "vulnerability", ()),
        ("License violation [GPL-3.0] in readline 1.0", "GPL-3.0", "license", ()),
    ],
)
def test_what_jfrog_finds(short, own, kind, aliases):
    finding = _jfrog(short, "any")
    assert (finding.id, finding.kind, finding.aliases) == (own, kind, aliases)


@pytest.mark.parametrize(
    ("rule_id", "kind"),
    [("CVE-2021-44228", "vulnerability"), ("PRISMA-2021-0001", "vulnerability"), ("41", "misconfiguration")],
)
def test_the_scan_action_of_prisma_cloud_writes_high_as_a_warning(rule_id, kind):
    rule = {"id": rule_id, "fullDescription": {"text": f"High severity {rule_id} found in openssl version 1.1.1d"}}
    finding = _one("Prisma Cloud (twistcli)", rule, level="warning")
    assert (finding.id, finding.kind, finding.severity) == (rule_id, kind, Severity.HIGH)


def test_a_package_url_among_the_logical_locations():
    named = "pkg:maven/com.fasterxml.jackson.core/jackson-databind@2.9.10"
    location = {"physicalLocation": {"artifactLocation": {"uri": "file:///app/x.jar"}}}
    finding = _one(
        "dependency-check",
        {"id": "CVE-2020-36518", "properties": {"cvssv3_baseScore": 9.8}},
        level="warning",
        locations=[location | {"logicalLocations": [{"fullyQualifiedName": named}]}],
    )
    assert (finding.package, finding.version, finding.purl) == ("jackson-databind", "2.9.10", named)
    # The level is a warning whatever the score.
    assert (finding.severity, finding.location) == (Severity.CRITICAL, "/app/x.jar")


def test_package_urls_that_are_all_there_is_to_say_where():
    places = [{"logicalLocations": [{"fullyQualifiedName": f"pkg:npm/{name}@1"}]} for name in "ab"]
    one = _one("some tool", {"id": "CVE-2020-36518"}, locations=places[:1])
    assert (one.package, one.version, one.location) == ("a", "1", "")
    run = {"tool": {"driver": {"name": "x"}}, "results": [{"ruleId": "CVE-2020-36518", "locations": places}]}
    found = sarif.parse(json.dumps({"version": "2.1", "runs": [run]}).encode()).findings
    # Which of them it is about stays in the location, and none is said to be in the other's.
    assert [(each.package, each.location) for each in found] == [("", "pkg:npm/a@1"), ("", "pkg:npm/b@1")]
