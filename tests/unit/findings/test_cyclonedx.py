"""CycloneDX documents as reports: inventories and vulnerabilities of any version since 1.2."""

import json

import pytest

from orchestrator.findings import cyclonedx
from orchestrator.findings.interface import ReportError
from orchestrator.model import Cvss, Severity

PURL = "pkg:maven/org.apache/log4j-core@2.14.1"
COMPONENT = {"type": "library", "bom-ref": "ref-1", "name": "log4j-core", "version": "2.14.1", "purl": PURL}


def _document(*vulnerabilities, version="1.5", components=(COMPONENT,), **others):
    document = {"bomFormat": "CycloneDX", "specVersion": version, "components": list(components)}
    return json.dumps(document | {"vulnerabilities": list(vulnerabilities)} | others).encode()


def _one(components=(COMPONENT,), **vulnerability):
    fields = {"id": "CVE-2021-44228", "affects": [{"ref": "ref-1"}]} | vulnerability
    return cyclonedx.parse(_document(fields, components=components)).findings[0]


@pytest.mark.parametrize("version", ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"])
def test_an_inventory_is_kept_for_merging(version):
    report = cyclonedx.parse(_document(version=version))
    assert report.findings == ()
    assert report.bom["components"] == [COMPONENT]


def test_what_is_nested_in_the_subject_counts_as_its_components_do():
    inner = {"type": "library", "name": "inner"}
    subject = {"type": "container", "name": "shop", "components": [COMPONENT | {"components": [inner]}]}
    report = cyclonedx.parse(_document(components=[{"type": "library", "name": "x"}], metadata={"component": subject}))
    assert report.components == 3
    assert cyclonedx.parse(_document(components=[], metadata={"component": subject})).components == 2
    assert cyclonedx.parse(_document(components=[], metadata={"component": {"name": "shop"}})).components == 0


def test_one_finding_per_affected_component():
    other = {"type": "library", "bom-ref": "ref-2", "name": "api", "components": [COMPONENT]}
    affects = [{"ref": "ref-1"}, {"ref": "ref-2"}, {"ref": "ref-1"}]
    findings = cyclonedx.parse(_document({"id": "CVE-1", "affects": affects}, components=[other])).findings
    assert [(each.package, each.version, each.purl) for each in findings] == [
        ("log4j-core", "2.14.1", PURL),
        ("api", "", ""),
    ]


@pytest.mark.parametrize(
    ("ref", "package"),
    [
        ("urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#ref-1", "log4j-core"),
        (PURL, "log4j-core"),
        ("pkg:nonsense", "pkg:nonsense"),
        ("somewhere", "somewhere"),
        ("subject", "app"),
    ],
)
def test_references_of_every_kind(ref, package):
    data = _document(
        {"id": "CVE-1", "affects": [{"ref": ref}]}, metadata={"component": {"bom-ref": "subject", "name": "app"}}
    )
    assert cyclonedx.parse(data).findings[0].package == package


def test_a_vulnerability_of_nothing_in_particular_is_a_finding_too():
    assert [each.package for each in cyclonedx.parse(_document({"id": "CVE-1"})).findings] == [""]


@pytest.mark.parametrize(
    ("ratings", "severity", "cvss"),
    [
        ([], Severity.UNKNOWN, None),
        ([{"severity": "high"}], Severity.HIGH, None),
        ([{"severity": "low"}, {"severity": "critical"}], Severity.CRITICAL, None),
        (
            [{"severity": "critical", "source": {"name": "nvd"}}, {"severity": "low", "source": {"name": "debian"}}],
            Severity.LOW,
            None,
        ),
        ([{"score": 9.8, "method": "CVSSv31"}], Severity.CRITICAL, Cvss(score=9.8, version="3.1")),
        ([{"score": "7.5", "method": "CVSSv3"}], Severity.HIGH, Cvss(score=7.5, version="3.0")),
        ([{"score": 10, "method": "CVSSv2"}], Severity.HIGH, Cvss(score=10.0, version="2.0")),
        ([{"score": 3, "method": "OWASP"}], Severity.UNKNOWN, None),
        ([{"score": 5.5}, {"score": "9.8"}, {"score": 9.9, "method": "OWASP"}], Severity.CRITICAL, None),
        ([{"score": 9.8}, {"score": 5.5, "method": "CVSSv31"}], Severity.MEDIUM, Cvss(score=5.5, version="3.1")),
        (
            [{"method": "CVSSv31", "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
            Severity.HIGH,
            Cvss(score=7.5, version="3.1", vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"),
        ),
        ([{"score": "NaN", "method": "CVSSv3", "vector": "nonsense"}], Severity.UNKNOWN, None),
        (
            [
                {"severity": "critical"},
                {"score": 9.3, "method": "CVSSv2", "vector": "AV:N"},
                {"score": 10, "method": "CVSSv31", "vector": "CVSS:3.1/AV:N"},
            ],
            Severity.CRITICAL,
            Cvss(score=10.0, version="3.1", vector="CVSS:3.1/AV:N"),
        ),
    ],
)
def test_ratings(ratings, severity, cvss):
    finding = _one(ratings=ratings, source={"name": "debian"})
    assert (finding.severity, finding.cvss) == (severity, cvss)


def test_equivalent_vulnerabilities_are_aliases():
    assert _one(references=[{"id": "GHSA-b"}, {"id": "CVE-2021-44228"}, {"id": "GHSA-a"}]).aliases == (
        "GHSA-a",
        "GHSA-b",
    )


@pytest.mark.parametrize(
    ("fields", "fixed"),
    [
        ({"recommendation": "Upgrade log4j-core to version 2.15.0"}, "2.15.0"),
        ({"recommendation": "Upgrade a to version 1; Upgrade log4j-core to version 2.15.0, 2.3.1"}, "2.15.0, 2.3.1"),
        ({"recommendation": "Upgrade to 2.15.0."}, "2.15.0"),
        ({"recommendation": "Upgrade a:log4j-core to version 2.3.1, 2.15.0 or higher."}, "2.3.1, 2.15.0"),
        ({"recommendation": "Update to version 2.15.0 or later."}, "2.15.0"),
        ({"recommendation": "Do not use it"}, ""),
        ({"recommendation": "Upgrade to the latest version"}, ""),
        ({"properties": [{"name": "amazon:inspector:sbom_scanner:fixed_version:ref-1", "value": "2.15.0"}]}, "2.15.0"),
        ({"properties": [{"name": "amazon:inspector:sbom_scanner:fixed_version:ref-2", "value": "2.15.0"}]}, ""),
        (
            {
                "affects": [
                    {
                        "ref": "ref-1",
                        "versions": [{"version": "2.14.1"}, {"version": "2.15.0", "status": "unaffected"}],
                    }
                ]
            },
            "2.15.0",
        ),
    ],
)
def test_fixed_versions(fields, fixed):
    assert _one(**fields).fixed_version == fixed


@pytest.mark.parametrize(
    "where",
    [
        {"evidence": {"occurrences": [{"location": "/app/x.jar"}]}},
        {"properties": [{"name": "syft:location:0:path", "value": "/app/x.jar"}]},
        {"properties": [{"name": "aquasecurity:trivy:FilePath", "value": "/app/x.jar"}]},
    ],
)
def test_locations(where):
    assert _one(components=[COMPONENT | where]).location == "/app/x.jar"


@pytest.mark.parametrize(
    "tools",
    [
        [{"vendor": "anchore", "name": "Syft", "version": "1.18.1"}],
        {"components": [{"type": "application", "name": "syft", "version": "1.18.1"}]},
    ],
)
def test_tools_old_and_new(tools):
    report = cyclonedx.parse(_document(metadata={"tools": tools}))
    assert (report.scanner, report.scanner_version) == ("syft", "1.18.1")


@pytest.mark.parametrize("tools", [None, [], {}, [None], {"components": None}, [{"name": None}], "x"])
def test_tools_that_say_nothing(tools):
    assert cyclonedx.parse(_document(metadata={"tools": tools})).scanner == "cyclonedx"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"bomFormat": "CycloneDX"},
        {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1},
        {"bomFormat": "SPDX", "specVersion": "1.5", "components": []},
        {"bomFormat": "CycloneDX", "specVersion": "SPDX-2.3", "components": []},
        {"specVersion": "1.5", "components": []},
        {"spdxVersion": "SPDX-2.3", "packages": []},
        {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": {}},
    ],
)
def test_what_is_no_such_document_is_refused(document):
    with pytest.raises(ReportError):
        cyclonedx.parse(json.dumps(document).encode())


def test_a_reference_that_is_made_again_names_nothing():
    def named(ref, **fields):
        document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [{"bom-ref": ref, **fields}]}
        (finding,) = cyclonedx.parse(json.dumps(document).encode()).findings
        return finding.id

    refs = [f"urn:uuid:3e671687-395b-41f5-a30f-a58921a69b7{number}" for number in range(2)]
    assert {named(ref, references=[{"id": "CVE-2024-1"}]) for ref in refs} == {"CVE-2024-1"}
    assert {named(ref, description="Overflow in x") for ref in refs} == {"Overflow in x"}
    assert {named(ref) for ref in refs} == set(refs)
    assert named("vuln-1", description="Overflow in x") == "vuln-1"
