"""What is written down of a report that is stored as an SBOM."""

import json

import pytest

from orchestrator.findings.interface import ReportError
from orchestrator.findings.stored import read_catalogued
from tests.tools.layers import sha256

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
