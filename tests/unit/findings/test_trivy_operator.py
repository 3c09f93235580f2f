"""Reports of the Trivy operator, as the API of Kubernetes gives them."""

import json

import pytest

from orchestrator.findings import trivy
from orchestrator.findings.interface import ReportError
from orchestrator.model import Cvss, Severity

VERSION = "aquasecurity.github.io/v1alpha1"
VULNERABILITY = {
    "vulnerabilityID": "CVE-2023-1",
    "resource": "curl",
    "installedVersion": "7.87.0-r1",
    "fixedVersion": "7.87.0-r2",
    "severity": "CRITICAL",
    "score": 4.2,
    "title": "curl: HSTS",
    "target": "",
    "packagePURL": "pkg:apk/alpine/curl@7.87.0-r1",
}


def _resource(kind="VulnerabilityReport", owner="ReplicaSet", name="web-965685897", **report):
    labels = {"namespace": "shop", "kind": owner, "name": name}
    labels = {f"trivy-operator.resource.{key}": value for key, value in labels.items()}
    image = {
        "artifact": {"repository": "library/nginx", "tag": "1.25"},
        "registry": {"server": "index.docker.io"},
        "scanner": {"name": "Trivy", "version": "0.48.3"},
    }
    metadata = {"name": "x", "labels": labels | {"trivy-operator.container.name": "main"}}
    return {"apiVersion": VERSION, "kind": kind, "metadata": metadata, "report": image | report}


def _parse(document):
    return trivy.parse(json.dumps(document).encode())


def test_vulnerabilities():
    report = _parse(_resource(vulnerabilities=[VULNERABILITY]))
    (finding,) = report.findings
    assert (report.scanner, report.scanner_version) == ("trivy", "0.48.3")
    assert (finding.id, finding.severity, finding.cvss) == ("CVE-2023-1", Severity.CRITICAL, Cvss(score=4.2))
    assert (finding.package, finding.version, finding.fixed_version) == ("curl", "7.87.0-r1", "7.87.0-r2")
    assert finding.purl == "pkg:apk/alpine/curl@7.87.0-r1"
    assert (finding.location, finding.place) == ("shop/ReplicaSet/web/main", "index.docker.io/library/nginx:1.25")


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"target": "nginx:1.25 (debian 12)"}, "shop/Pod/web/main"),
        ({"target": "nginx:1.25 (debian 12)", "class": "os-pkgs"}, "shop/Pod/web/main"),
        ({"target": "Java", "class": "lang-pkgs", "pkgPath": "app/a.jar"}, "shop/Pod/web/main: app/a.jar"),
        ({"target": "usr/bin/x", "class": "lang-pkgs"}, "shop/Pod/web/main: usr/bin/x"),
    ],
)
def test_paths_in_the_image(fields, location):
    (finding,) = _parse(_resource(owner="Pod", name="web", vulnerabilities=[VULNERABILITY | fields])).findings
    assert finding.location == location


def test_checks_and_secrets():
    checks = [
        {"checkID": "KSV014", "title": "Writable", "severity": "LOW", "success": False, "messages": ["a", "b"]},
        {"checkID": "KSV015", "severity": "LOW", "success": True},
        {"title": "Nameless", "severity": "HIGH"},
    ]
    found = _parse(_resource("ClusterConfigAuditReport", checks=checks, artifact=None)).findings
    assert [(each.id, each.kind, each.place) for each in found] == [
        ("KSV014", "misconfiguration", "a"),
        ("KSV014", "misconfiguration", "b"),
        ("Nameless", "misconfiguration", ""),
    ]
    secret = {"ruleID": "aws", "target": "root/a.txt", "severity": "CRITICAL", "title": "AWS"}
    (finding,) = _parse(_resource("ExposedSecretReport", secrets=[secret])).findings
    assert (finding.id, finding.kind, finding.location) == ("aws", "secret", "shop/ReplicaSet/web/main: root/a.txt")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda *each: {"apiVersion": "v1", "kind": "List", "items": list(each)},
        lambda *each: {"apiVersion": VERSION, "kind": "VulnerabilityReportList", "items": list(each)},
        lambda *each: list(each),
        lambda *each: {"vulnerabilityreports.aquasecurity.github.io": list(each)},
    ],
)
def test_several_at_once(wrap):
    one, other = _resource(vulnerabilities=[VULNERABILITY]), _resource("SbomReport")
    assert len(_parse(wrap(one, one)).findings) == 2
    # Inventories hold no findings.
    assert len(_parse(wrap(one, other)).findings) == 1
    with pytest.raises(ReportError):
        _parse(wrap())


def test_nothing_found_is_clean():
    assert _parse(_resource(vulnerabilities=[])).findings == ()


@pytest.mark.parametrize("kind", ["ClusterComplianceReport", "SbomReport", "NewReport"])
def test_kinds_that_are_not_read_are_named(kind):
    with pytest.raises(ReportError, match=kind.removeprefix("Cluster")):
        _parse(_resource(kind))


def test_a_resource_that_is_not_whole():
    for document in (
        {"apiVersion": VERSION, "kind": "VulnerabilityReport", "metadata": {}},
        [_resource(vulnerabilities=[]), {"kind": "VulnerabilityReport"}],
        [_resource(vulnerabilities=[]), 5],
        _resource(vulnerabilities=[{"resource": "curl"}]),
    ):
        with pytest.raises(ReportError):
            _parse(document)


def test_a_report_of_trivy_that_only_mentions_the_operator():
    text = {"Title": "see aquasecurity.github.io/", "VulnerabilityID": "CVE-1", "PkgName": "x"}
    document = {"SchemaVersion": 2, "ArtifactName": "a", "Results": [{"Target": "a", "Vulnerabilities": [text]}]}
    assert len(_parse(document).findings) == 1
    assert len(_parse(document["Results"]).findings) == 1


def test_a_list_of_one_kind_whose_items_do_not_say_it():
    one = _resource(vulnerabilities=[VULNERABILITY])
    items = [{key: one[key] for key in ("metadata", "report")}]
    of = {"apiVersion": VERSION, "kind": "VulnerabilityReportList", "metadata": {}}
    (finding,) = _parse(of | {"items": items}).findings
    assert (finding.id, finding.location) == ("CVE-2023-1", "shop/ReplicaSet/web/main")
    with pytest.raises(ReportError, match="proves no scan"):
        _parse(of | {"items": []})


@pytest.mark.parametrize("kind", ["VulnerabilityReport", "ConfigAuditReport", "ExposedSecretReport"])
def test_a_report_without_its_list_proves_nothing(kind):
    with pytest.raises(ReportError, match="lists nothing"):
        _parse(_resource(kind))


def test_starboard_which_the_operator_was_before():
    one = _resource(vulnerabilities=[VULNERABILITY])
    labels = {key.replace("trivy-operator", "starboard"): value for key, value in one["metadata"]["labels"].items()}
    (finding,) = _parse(one | {"metadata": {"name": "x", "labels": labels}}).findings
    assert finding.location == "shop/ReplicaSet/web/main"


def test_checks_of_the_first_versions_of_starboard():
    failed = {"id": "hostIPCSet", "message": "Host IPC", "success": False, "severity": "danger"}
    passed = failed | {"success": True}
    limits = {"id": "cpuLimits", "message": "CPU", "success": False, "severity": "warning"}
    found = _parse(
        _resource("ConfigAuditReport", podChecks=[failed, passed], containerChecks={"web": [limits], "db": [limits]})
    ).findings
    assert [(each.id, each.severity.value, each.place.rpartition(", ")[2]) for each in found] == [
        ("hostIPCSet", "high", "Host IPC"),
        ("cpuLimits", "medium", "web: CPU"),
        ("cpuLimits", "medium", "db: CPU"),
    ]


def test_other_resources_of_the_cluster_are_passed_over():
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}}
    listed = {"apiVersion": "v1", "kind": "List", "items": [other, pod, _resource(vulnerabilities=[VULNERABILITY])]}
    assert [each.id for each in _parse(listed).findings] == ["CVE-2023-1"]
