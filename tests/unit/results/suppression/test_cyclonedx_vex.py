"""CycloneDX VEX: states, justifications, and what a reference leads to."""

import json

import pytest

from orchestrator.model import JUSTIFICATIONS, VexProduct, VexStatus
from orchestrator.results.suppression import vex
from orchestrator.results.suppression.cyclonedx_vex import JUSTIFICATIONS as WORDS

PACKAGE = "pkg:maven/org.example/lib@1.0"
IMAGE = "pkg:oci/app@sha256%3A" + "a" * 64
SERIAL = "3e671687-395b-41f5-a30f-a58921a69b79"
SUBJECT = {"type": "application", "bom-ref": "product", "name": "ABC", "version": "4.2"}
LIBRARY = {"type": "library", "bom-ref": "lib", "name": "lib", "purl": PACKAGE}


def document(*vulnerabilities, subject=SUBJECT, components=(), version="1.5", **fields):
    metadata = {"timestamp": "2026-01-01T00:00:00Z"} | ({"component": subject} if subject else {})
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": version,
            "serialNumber": f"urn:uuid:{SERIAL}",
            "metadata": metadata,
            "components": list(components),
            "vulnerabilities": list(vulnerabilities),
        }
        | fields
    ).encode()


def vulnerability(state="not_affected", *, ref="product", **fields):
    analysis = {"state": state} | fields.pop("analysis", {})
    return {"id": "CVE-2020-1", "analysis": analysis, "affects": [{"ref": ref}]} | fields


def read(*vulnerabilities, **fields):
    found = vex.parse(document(*vulnerabilities, **fields), "v.json")
    assert found.problems == []
    return found.statements


def products(ref, **fields):
    [found] = read(vulnerability(ref=ref), **fields)
    return list(found.products)


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("exploitable", VexStatus.AFFECTED),
        ("in_triage", VexStatus.UNDER_INVESTIGATION),
        ("resolved", VexStatus.FIXED),
        ("resolved_with_pedigree", VexStatus.FIXED),
        ("not_affected", VexStatus.NOT_AFFECTED),
        ("false_positive", VexStatus.NOT_AFFECTED),
    ],
)
def test_states(state, status, version):
    [found] = read(vulnerability(state), version=version)
    assert found.status is status
    assert found.products == (VexProduct(target="ABC:4.2"),)
    assert found.timestamp == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("word", WORDS)
def test_justifications_become_those_of_vex(word):
    [found] = read(vulnerability(analysis={"justification": word, "detail": "so it is"}))
    assert found.justification in JUSTIFICATIONS
    assert found.detail == "so it is"


def test_aliases_and_times():
    [found] = read(
        vulnerability(
            references=[{"id": "GHSA-1", "source": {}}, {"id": "CVE-2020-1"}],
            analysis={"firstIssued": "2026-01-02T00:00:00Z", "lastUpdated": "2026-01-03T00:00:00Z"},
        )
    )
    assert found.ids == ("CVE-2020-1", "GHSA-1")
    assert found.timestamp == "2026-01-03T00:00:00Z"


def test_a_package_of_the_subject_is_meant_there_only():
    assert products("lib", components=[LIBRARY]) == [VexProduct(target="ABC:4.2", package=PACKAGE)]
    assert products(PACKAGE, components=[LIBRARY]) == [VexProduct(target="ABC:4.2", package=PACKAGE)]
    assert products("lib", components=[LIBRARY], subject=None) == [VexProduct(package=PACKAGE)]


def test_a_package_in_a_container_is_meant_in_that_container():
    image = {"type": "container", "bom-ref": "image", "name": "app", "purl": IMAGE, "components": [LIBRARY]}
    assert products("lib", components=[image]) == [VexProduct(target=IMAGE, package=PACKAGE)]
    assert products("image", components=[image]) == [VexProduct(target=IMAGE)]
    assert products("lib", components=[LIBRARY], subject=image | {"components": []}) == [
        VexProduct(target=IMAGE, package=PACKAGE)
    ]


def test_a_package_without_package_url():
    bare = {"type": "library", "bom-ref": "bare", "name": "thing", "version": "2"}
    assert products("bare", components=[bare], subject=None) == [VexProduct(package="thing", version="2")]


def test_images_by_name():
    for subject, name in [
        ({"name": "ghcr.io/x/y", "version": "sha256:" + "a" * 64}, "ghcr.io/x/y@sha256:" + "a" * 64),
        ({"name": "y", "group": "x", "version": "1"}, "x/y:1"),
        ({"name": "y"}, "y"),
    ]:
        found = products("product", subject={"type": "container", "bom-ref": "product"} | subject)
        assert found == [VexProduct(target=name)]


def test_references_beyond_the_document():
    assert products(PACKAGE, subject=None) == [VexProduct(package=PACKAGE)]
    assert products(f"urn:cdx:{SERIAL}/1#lib", components=[LIBRARY], subject=None) == [VexProduct(package=PACKAGE)]
    other = "urn:cdx:11111111-395b-41f5-a30f-a58921a69b79/1"
    assert products(f"{other}#pkg%3Amaven%2Forg.example%2Flib%401.0", subject=None) == [VexProduct(package=PACKAGE)]
    # `lib` of another document is not this one's, and what it is nobody here knows.
    assert products(f"{other}#lib", components=[LIBRARY], subject=None) == [VexProduct(target=f"{other}#lib")]


def test_versions_are_pinned_and_ranges_left_out():
    affects = [
        {"ref": "lib", "versions": [{"version": "1.1"}, {"version": "1.2", "status": "unaffected"}]},
        {"ref": "product", "versions": [{"version": "5"}]},
    ]
    [found] = read(vulnerability(affects=affects), components=[LIBRARY])
    assert found.products == (
        VexProduct(target="ABC:4.2", package="pkg:maven/org.example/lib@1.1"),
        VexProduct(target="ABC:5"),
    )
    affects = [{"ref": "lib", "versions": [{"range": "vers:maven/<2"}]}]
    document_ = vex.parse(document(vulnerability(affects=affects), components=[LIBRARY]), "v.json")
    assert document_.statements == []
    assert len(document_.notes) == 1


def test_without_affects_it_is_about_the_subject():
    [found] = read(vulnerability(affects=[]))
    assert found.products == (VexProduct(target="ABC:4.2"),)


def test_findings_without_analysis_are_passed_over():
    assert len(read({"id": "CVE-2020-2", "affects": [{"ref": "product"}]}, vulnerability())) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        document(vulnerability("not_afected")),
        document(vulnerability(analysis={"justification": "component_not_present"})),
        document(vulnerability(analysis={"lastUpdated": "now"})),
        document(vulnerability(id="")),
        document(vulnerability(affects=[]), subject=None),
        document(vulnerability(), version="1.3"),
        document({"id": "CVE-2020-1"}),
        document(vulnerabilities=[{"affects": [{}]}]),
    ],
)
def test_what_is_wrong_with_some(wrong):
    found = vex.parse(wrong, "v.json")
    assert len(found.problems) == 1
    assert found.statements == []
