"""What is written down of a report that is stored as an SBOM."""

import json
from pathlib import Path

import pytest

from orchestrator.findings import syft as format_
from orchestrator.findings.interface import ReportError
from orchestrator.findings.stored import read_catalogued
from tests.tools.layers import sha256

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
IMAGE = sha256(b"an image")


def syft(*artifacts, unknowns=(), image=IMAGE, name="syft", files=None):
    return json.dumps(
        {
            "artifacts": [{"name": "a", "version": "1", "purl": purl, "type": "deb"} for purl in artifacts],
            "files": files if files is not None else [{"location": {"path": "/x"}, "unknowns": list(unknowns)}],
            "source": {"type": "image", "metadata": {"manifestDigest": image}},
            "descriptor": {"name": name, "version": "v1.42.3"},
        }
    ).encode()


def cyclonedx(*components, tools=None):
    tools = tools or {"components": [{"name": "trivy", "version": "0.68.2"}]}
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"tools": tools}, "components": components}
    ).encode()


def test_who_made_it_of_what():
    found = read_catalogued("syft", syft("pkg:deb/debian/a@1", "pkg:npm/b@1", "pkg:npm/c@1"), image=IMAGE)
    assert found == ("syft 1.42.3", IMAGE, ("deb", "npm"), ())
    component = {"type": "library", "name": "a", "version": "1", "purl": "pkg:maven/g/a@1"}
    found = read_catalogued(
        "cyclonedx", cyclonedx(component, {"type": "operating-system", "name": "debian"}), image=IMAGE
    )
    assert found == ("trivy 0.68.2", "", ("maven",), ())


def test_one_of_another_image_is_refused():
    with pytest.raises(ReportError, match="another image"):
        read_catalogued("syft", syft(image=sha256(b"another")), image=IMAGE)


@pytest.mark.parametrize(
    ("unknown", "is_gap"),
    [
        ("java-archive-cataloger: unable to parse", True),
        ("rpm-db-cataloger: no", True),
        ("cargo-auditable-binary-cataloger: unknown file format", False),
        ("file-executable-cataloger: unable to determine executable kind", False),
    ],
)
def test_what_the_cataloguer_could_not_read_is_a_gap(unknown, is_gap):
    found = read_catalogued("syft", syft("pkg:deb/debian/a@1", unknowns=[unknown]), image=IMAGE)
    assert bool(found.gaps) is is_gap


def test_packages_that_nothing_can_be_looked_up_by_are_gaps():
    plain = json.loads(syft("pkg:deb/debian/a@1"))
    plain["artifacts"][0]["version"] = ""
    assert read_catalogued("syft", json.dumps(plain).encode(), image=IMAGE).gaps
    for component in ({"purl": "pkg:npm/a"}, {"version": "1"}):
        document = cyclonedx({"type": "library", "name": "a", **component})
        assert read_catalogued("cyclonedx", document, image=IMAGE).gaps


def test_gaps_are_bounded():
    found = read_catalogued("syft", syft(unknowns=[f"rpm: {number}" * 100 for number in range(10_000)]), image=IMAGE)
    assert len(found.gaps) == 50
    assert max(map(len, found.gaps)) < 1000


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("syft", b""), ("syft", b"{"), ("syft", b"[]"), ("syft", syft(name="grype")), ("syft", b"[" * 100_000),
        ("cyclonedx", b"{}"), ("cyclonedx", cyclonedx(tools={"components": [{"name": "trivy"}]})),
        ("cyclonedx", b'{"bomFormat": "SPDX"}'), ("grype", b"{}"),
    ],
)  # fmt: skip
def test_what_is_none_is_refused(name, data):
    with pytest.raises(ReportError):
        read_catalogued(name, data, image=IMAGE)


def test_of_syfts_own_is_stored_what_grype_reads():
    owned = {"files": [{"path": "/lib/a.so"}], "source": "src"}
    document = json.loads(syft("pkg:deb/debian/a@1")) | {
        "artifacts": [
            {"id": "1", "name": "a", "version": "1", "metadataType": "dpkg-db-entry", "metadata": owned},
            {"id": "2", "name": "b", "version": "1", "metadataType": "apk-db-entry", "metadata": owned},
            {"id": "3", "name": "c", "version": "1", "metadata": "of another kind"},
        ],
        "artifactRelationships": [
            {"parent": "1", "child": "2", "type": "ownership-by-file-overlap"},
            {"parent": "1", "child": "file", "type": "contains"},
        ],
        "distro": {"id": "debian"},
    }
    kept = json.loads(format_.for_matching(json.dumps(document).encode()))
    assert kept["files"] == []
    assert kept["artifactRelationships"] == document["artifactRelationships"][:1]
    assert [each.get("metadata") for each in kept["artifacts"]] == [{"source": "src"}, owned, "of another kind"]
    assert {name: kept[name] for name in ("distro", "source", "descriptor")} == {
        name: document[name] for name in ("distro", "source", "descriptor")
    }


@pytest.mark.parametrize("wrong", [{"artifactRelationships": 1}, {"artifactRelationships": [1]}, {"artifacts": ["a"]}])
def test_what_is_no_whole_document_is_not_stored(wrong):
    with pytest.raises(ReportError):
        format_.for_matching(json.dumps(json.loads(syft()) | wrong).encode())


def test_what_is_nested_in_others_counts():
    inner = {"type": "library", "name": "b", "purl": "pkg:npm/b"}
    found = read_catalogued("cyclonedx", cyclonedx({"type": "application", "components": [inner]}), image=IMAGE)
    assert found.types == ("npm",)
    assert found.gaps == ("package b has no version",)


#: What others publish: what is written down of each, or why it is refused.
CORPUS = {
    "bom/dropwizard-1.3.15.json": ("cyclonedx maven plugin 2.0.2", "", ("maven",), ()),
    "bom/juice-shop-11.1.2.json": ("node.js module 2.0.0", "", ("npm",), ()),
    "reports/cyclonedx/log4j.json": ("grype 0.41.0", "", ("maven",), ()),
    "reports/cyclonedx/nested-component-log4j.json": ("grype 0.41.0", "", ("maven", "oci"), ()),
    "vex/cisa-case-1.json": "does not say which version",
    "vex/cisa-case-2.json": "does not say which version",
    "vex/cisa-case-3.json": "does not say which version",
    "reports/trivy/scheme_2_many_vulns.json": "not a CycloneDX document",
    "reports/grype/many_vulns3.json": "not a CycloneDX document",
}


@pytest.mark.skipif(not DATA.exists(), reason="shared/data is not there")
@pytest.mark.parametrize(("name", "told"), CORPUS.items())
def test_documents_of_others_are_read_or_refused_with_a_reason(name, told):
    data = (DATA / name).read_bytes()
    if isinstance(told, str):
        with pytest.raises(ReportError, match=told):
            read_catalogued("cyclonedx", data, image=IMAGE)
    else:
        assert read_catalogued("cyclonedx", data, image=IMAGE) == told
    with pytest.raises(ReportError, match="not Syft's own JSON"):
        read_catalogued("syft", data, image=IMAGE)
