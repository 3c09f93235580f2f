"""Trivy's reports: schema 2, the list before it, and clusters."""

import json

import pytest

from orchestrator.findings import trivy
from orchestrator.findings.interface import ReportError
from orchestrator.model import Cvss, Severity

HEAD = {"SchemaVersion": 2, "ArtifactName": "image.tar"}


def _vulnerability(**fields):
    return {"VulnerabilityID": "CVE-2024-1", "PkgName": "zlib", "InstalledVersion": "1.2", "Severity": "HIGH"} | fields


def _parse(*results, **others):
    return trivy.parse(json.dumps(HEAD | {"Results": list(results)} | others).encode())


def _one(result="debian:12 (debian 12.4)", kind="os-pkgs", **fields):
    return _parse({"Target": result, "Class": kind, "Vulnerabilities": [_vulnerability(**fields)]}).findings[0]


def test_a_vulnerability():
    finding = _one(
        FixedVersion="1.3, 2.0",
        Title="overflow",
        VendorIDs=["DSA-2", "DSA-1"],
        PkgIdentifier={"PURL": "pkg:deb/debian/zlib@1.2"},
    )
    assert (finding.id, finding.kind, finding.severity) == ("CVE-2024-1", "vulnerability", Severity.HIGH)
    assert (finding.package, finding.version, finding.fixed_version) == ("zlib", "1.2", "1.3, 2.0")
    assert (finding.purl, finding.aliases, finding.title) == (
        "pkg:deb/debian/zlib@1.2",
        ("DSA-1", "DSA-2"),
        "overflow",
    )


@pytest.mark.parametrize(
    ("target", "kind", "path", "location"),
    [
        ("debian:12 (debian 12.4)", "os-pkgs", None, ""),
        ("app/package-lock.json", "lang-pkgs", None, "app/package-lock.json"),
        ("Java", "lang-pkgs", "app/x.jar", "app/x.jar"),
        ("Java", "lang-pkgs", None, ""),
        ("app/x.jar", "lang-pkgs", "app/y.jar", "app/y.jar"),
    ],
)
def test_where_it_lies(target, kind, path, location):
    assert _one(target, kind, PkgPath=path).location == location


@pytest.mark.parametrize(
    ("fields", "cvss"),
    [
        ({"CVSS": None}, None),
        ({"CVSS": {"nvd": {"V2Score": 5.0, "V2Vector": "AV:N"}}}, Cvss(score=5.0, version="2.0", vector="AV:N")),
        (
            {"CVSS": {"nvd": {"V3Score": 9.8}, "redhat": {"V3Score": 7.5, "V3Vector": "CVSS:3.0/x"}}},
            Cvss(score=9.8, version="3"),
        ),
        (
            {
                "CVSS": {"nvd": {"V3Score": 9.8}, "redhat": {"V3Score": 7.5, "V3Vector": "CVSS:3.0/x"}},
                "SeveritySource": "redhat",
            },
            Cvss(score=7.5, version="3.0", vector="CVSS:3.0/x"),
        ),
        (
            {"CVSS": {"ghsa": {"V40Score": 9.3, "V40Vector": "CVSS:4.0/x"}, "nvd": {"V3Score": 9.8}}},
            Cvss(score=9.3, version="4.0", vector="CVSS:4.0/x"),
        ),
    ],
)
def test_the_best_cvss_rating(fields, cvss):
    assert _one(**fields).cvss == cvss


def test_misconfigurations_that_failed():
    checks = [
        {"ID": "DS002", "AVDID": "AVD-DS-0002", "Title": "root", "Severity": "HIGH", "Status": "FAIL"},
        {"ID": "DS001", "Title": "tag", "Severity": "MEDIUM", "Status": "PASS"},
        {"ID": "KSV01", "Title": "old", "Severity": "LOW"},
        {"ID": "KSV02", "Title": "excepted", "Severity": "LOW", "Status": "EXCEPTION"},
    ]
    findings = _parse({"Target": "Dockerfile", "Class": "config", "Misconfigurations": checks}).findings
    assert [(each.id, each.kind, each.aliases, each.location) for each in findings] == [
        ("DS002", "misconfiguration", ("AVD-DS-0002",), "Dockerfile"),
        ("KSV01", "misconfiguration", (), "Dockerfile"),
        ("KSV02", "misconfiguration", (), "Dockerfile"),
    ]
    assert [each.id for each in findings if each.suppressed] == ["KSV02"]


@pytest.mark.parametrize(
    ("kind", "finding", "own"),
    [
        ("vulnerability", {"VulnerabilityID": "CVE-2022-1", "PkgName": "zlib", "Severity": "HIGH"}, "CVE-2022-1"),
        ("misconfiguration", {"ID": "DS002", "Title": "root", "Severity": "HIGH", "Status": "FAIL"}, "DS002"),
        ("secret", {"RuleID": "github-pat", "Severity": "HIGH"}, "github-pat"),
        ("license", {"Name": "GPL-3.0", "Severity": "HIGH", "PkgName": "bash"}, "GPL-3.0"),
    ],
)
def test_what_trivy_suppressed_says_so_and_why(kind, finding, own):
    modified = {"Type": kind, "Status": "ignored", "Statement": "a test", "Source": ".trivyignore.yaml"}
    result = {"Target": "x", "Class": "lang-pkgs", "ExperimentalModifiedFindings": [modified | {"Finding": finding}]}
    (found,) = _parse(result).findings
    assert (found.id, found.kind, found.severity) == (own, kind, Severity.HIGH)
    assert (found.suppressed.by, found.suppressed.reason) == (".trivyignore.yaml", "a test")


@pytest.mark.parametrize(
    ("status", "statement", "reason", "justification"),
    [
        ("not_affected", "vulnerable_code_not_present", "vulnerable_code_not_present", "vulnerable_code_not_present"),
        ("fixed", "", "fixed", ""),
        ("affected", "", None, None),
        ("under_investigation", "", None, None),
    ],
)
def test_what_vex_told_trivy(status, statement, reason, justification):
    modified = {"Type": "vulnerability", "Status": status, "Statement": statement, "Source": "OpenVEX"}
    (found,) = _parse(
        {"Target": "x", "ExperimentalModifiedFindings": [modified | {"Finding": _vulnerability()}]}
    ).findings
    own = found.suppressed
    assert ((own.reason, own.justification) if own else (None, None)) == (reason, justification)


def test_a_damaged_finding_among_the_suppressed_refuses_the_report():
    modified = {"Type": "secret", "Status": "ignored", "Finding": {"RuleID": 7}}
    with pytest.raises(ReportError):
        _parse({"Target": "x", "ExperimentalModifiedFindings": [modified]})


def test_secrets_and_licenses():
    secret = {"RuleID": "github-pat", "Severity": "CRITICAL", "Title": "token", "StartLine": 1}
    license_ = {
        "Severity": "HIGH",
        "Category": "restricted",
        "PkgName": "bash",
        "FilePath": "usr/share/x",
        "Name": "GPL-3.0",
    }
    report = _parse(
        {"Target": "/app/key", "Class": "secret", "Secrets": [secret]},
        {"Target": "OS Packages", "Class": "license", "Licenses": [license_]},
    )
    first, second = report.findings
    assert (first.id, first.kind, first.severity, first.location) == (
        "github-pat",
        "secret",
        Severity.CRITICAL,
        "/app/key",
    )
    assert (second.id, second.kind, second.package, second.location) == ("GPL-3.0", "license", "bash", "usr/share/x")


def test_the_list_of_results_of_old():
    data = [
        {"Target": "x:1 (alpine 3.9)", "Type": "alpine", "Vulnerabilities": [_vulnerability()]},
        {"Target": "app/Gemfile.lock", "Type": "bundler", "Vulnerabilities": [_vulnerability()]},
        {"Target": "app/yarn.lock", "Vulnerabilities": None},
    ]
    findings = trivy.parse(json.dumps(data).encode()).findings
    assert [each.location for each in findings] == ["", "app/Gemfile.lock"]


def test_a_vulnerability_without_an_id_or_a_severity_is_not_lost():
    finding = _one(VulnerabilityID=None, Severity=None, CVSS={"nvd": {"V3Score": 9.8}})
    assert (finding.package, finding.severity) == ("zlib", Severity.CRITICAL)


def test_the_line_of_a_secret():
    secret = {"RuleID": "github-pat", "Severity": "CRITICAL", "Title": "token", "StartLine": 24}
    (finding,) = _parse({"Target": "key", "Class": "secret", "Secrets": [secret]}).findings
    assert (finding.title, finding.location) == ("token (line 24)", "key")


def test_results_prove_a_scan_even_of_something_without_a_name():
    document = {"SchemaVersion": 2, "Results": [{"Target": "x", "Vulnerabilities": [_vulnerability()]}]}
    assert len(trivy.parse(json.dumps(document).encode()).findings) == 1


def test_a_cluster():
    resource = {"Kind": "Pod", "Name": "a", "Results": [{"Target": "image", "Vulnerabilities": [_vulnerability()]}]}
    for document in (
        {"ClusterName": "c", "Resources": [resource, {"Kind": "Pod"}]},
        {"ClusterName": "c", "Vulnerabilities": [resource], "Misconfigurations": None},
        {"Resources": [resource]},
        {"SchemaVersion": 0, "ClusterName": "c", "Findings": [resource]},
    ):
        assert len(trivy.parse(json.dumps(document).encode()).findings) == 1


def _workload(*results, **others):
    resource = {"Namespace": "shop", "Kind": "Deployment", "Name": "web", "Results": list(results)} | others
    findings = trivy.parse(json.dumps({"ClusterName": "c", "Resources": [resource]}).encode()).findings
    return [(each.location, each.place) for each in findings]


SYSTEM = {"Target": "nginx:1.25 (debian 12.1)", "Class": "os-pkgs", "Vulnerabilities": [_vulnerability()]}
JAR = {"Target": "app.jar", "Class": "lang-pkgs", "Vulnerabilities": [_vulnerability()]}


def test_workload_and_image_of_a_cluster_are_kept():
    secret = {"Target": "etc/key", "Class": "secret", "Secrets": [{"RuleID": "r", "StartLine": 3}]}
    check = {"Target": "Deployment/web", "Class": "config", "Misconfigurations": [{"ID": "KSV01", "Message": "root"}]}
    assert _workload(check, SYSTEM, JAR, secret, Metadata=[{}, {"RepoTags": ["nginx:1.25"]}]) == [
        ("shop/Deployment/web", "root"),
        ("shop/Deployment/web", "nginx:1.25"),
        ("shop/Deployment/web: app.jar", "nginx:1.25"),
        ("shop/Deployment/web: etc/key", "nginx:1.25, line 3"),
    ]


def test_images_of_a_workload_that_has_several():
    other = SYSTEM | {"Target": "redis:7 (alpine 3.19)"}
    both = [{"RepoTags": ["nginx:1.25"]}, {"RepoTags": ["redis:7"]}]
    assert [place for _, place in _workload(SYSTEM, JAR, other, JAR, Metadata=both)] == [
        *("nginx:1.25", "nginx:1.25"),
        *("redis:7", "redis:7"),
    ]
    # Nobody can say which of them holds it.
    assert _workload(SYSTEM, JAR, Metadata=both)[1] == ("shop/Deployment/web: app.jar", "nginx:1.25, redis:7")
    assert _workload(JAR, Metadata={"ImageID": "sha256:1"}) == [("shop/Deployment/web: app.jar", "sha256:1")]


def test_what_could_not_be_scanned_in_a_cluster_is_said():
    document = {"ClusterName": "c", "Resources": [{"Kind": "Pod", "Name": "a", "Error": "no such image"}]}
    (finding,) = trivy.parse(json.dumps(document).encode()).findings
    assert (finding.severity, finding.title, finding.location) == (Severity.UNKNOWN, "no such image", "Pod/a")


def test_the_version_where_it_is_stated():
    assert _parse(Trivy={"Version": "0.66.0"}).scanner_version == "0.66.0"
    assert _parse().scanner_version == ""


def test_no_results_at_all_is_clean():
    assert trivy.parse(json.dumps(HEAD).encode()).findings == ()


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        [{}],
        [1],
        {"SchemaVersion": 2},
        {"ArtifactName": "x"},
        {"Results": []},
        HEAD | {"Results": {}},
        HEAD | {"Results": [{"Target": "x", "Vulnerabilities": [{}]}]},
        {"matches": [], "descriptor": {}},
        "text",
        None,
    ],
)
def test_what_does_not_prove_a_scan_is_refused(document):
    with pytest.raises(ReportError):
        trivy.parse(json.dumps(document).encode())


def _secret(line, **others):
    return {"RuleID": "aws-access-key-id", "Title": "AWS", "Severity": "CRITICAL", "StartLine": line, **others}


def test_secrets_of_one_rule_in_one_file_have_places():
    secrets = [_secret(3, EndLine=3), _secret(9, EndLine=11), _secret(9, EndLine=11)]
    findings = _parse({"Target": "/app/key", "Class": "secret", "Secrets": secrets}).findings
    assert [each.place for each in findings] == ["line 3", "line 9-11", "line 9-11 (2)"]
    assert {each.location for each in findings} == {"/app/key"}


def test_resources_of_one_check_have_places():
    def check(**others):
        return {"ID": "AVD-AWS-0086", "Severity": "HIGH", "Status": "FAIL", **others}

    checks = [
        check(Message="No block", CauseMetadata={"Resource": "aws_s3_bucket.a", "StartLine": 1, "EndLine": 3}),
        check(Message="No block", CauseMetadata={"Resource": "aws_s3_bucket.b", "StartLine": 5, "EndLine": 7}),
        check(Message="Container 'web' may escalate"),
        check(Message="Container 'log' may escalate", CauseMetadata={}),
    ]
    findings = _parse({"Target": "main.tf", "Class": "config", "Misconfigurations": checks}).findings
    assert [each.place for each in findings] == [
        "aws_s3_bucket.a, line 1-3",
        "aws_s3_bucket.b, line 5-7",
        "Container 'web' may escalate",
        "Container 'log' may escalate",
    ]


def test_licenses_of_one_package_in_two_lock_files_have_places():
    gpl = {"Name": "GPL-3.0", "PkgName": "x", "Severity": "HIGH"}
    results = [{"Target": path, "Class": "license", "Licenses": [gpl]} for path in ("a/lock.json", "b/lock.json")]
    assert [each.place for each in _parse(*results).findings] == ["a/lock.json", "b/lock.json"]
    assert {each.location for each in _parse(*results).findings} == {""}


def test_the_configuration_of_an_image_is_no_file():
    for image in ("app:1.2", "/tmp/x/image.tar"):
        result = {"Target": image, "Class": "config", "Misconfigurations": [{"ID": "DS002", "Status": "FAIL"}]}
        (finding,) = _parse(result, ArtifactName=image, ArtifactType="container_image").findings
        assert finding.location == ""
        (finding,) = _parse(result, ArtifactName=image, ArtifactType="filesystem").findings
        assert finding.location == image


@pytest.mark.parametrize(
    "more",
    [
        {"Results": [{"ID": "4.1", "Name": "a user", "Severity": "HIGH", "Results": []}]},
        {"SchemaVersion": 2, "SummaryControls": [{"ID": "4.1", "Name": "a user", "TotalFail": 1}]},
    ],
)
def test_a_compliance_report_is_said_to_be_one(more):
    with pytest.raises(ReportError, match="--compliance"):
        trivy.parse(json.dumps({"ID": "docker-cis-1.6.0", "Title": "CIS"} | more).encode())
