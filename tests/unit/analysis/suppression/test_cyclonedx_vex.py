"""CycloneDX VEX: states, justifications, and what a reference leads to."""

import json

import msgspec
import pytest

from orchestrator.analysis.suppression import vex
from orchestrator.analysis.suppression.cyclonedx_vex import JUSTIFICATIONS as WORDS
from orchestrator.findings.cyclonedx_analysis import STATES
from orchestrator.model import JUSTIFICATIONS, VexProduct, VexStatus

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
    assert found.problems == found.mistakes == []
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


def test_versions_are_pinned_and_ranges_kept():
    affects = [
        {"ref": "lib", "versions": [{"version": "1.1"}, {"range": "vers:maven/<0.9|>=1.2"}]},
        {"ref": "product", "versions": [{"version": "5"}, {"range": "vers:semver/>=6|<7"}]},
    ]
    [found] = read(vulnerability(affects=affects), components=[LIBRARY])
    assert found.products == (
        VexProduct(target="ABC:4.2", package="pkg:maven/org.example/lib@1.1"),
        VexProduct(target="ABC:4.2", package="pkg:maven/org.example/lib", range="vers:maven/<0.9|>=1.2"),
        VexProduct(target="ABC:5"),
        VexProduct(target="ABC", range="vers:semver/>=6|<7"),
    )


def test_the_version_star_is_every_version():
    [found] = read(vulnerability(affects=[{"ref": "lib", "versions": [{"version": "*"}]}]), components=[LIBRARY])
    assert found.products == (VexProduct(target="ABC:4.2", package="pkg:maven/org.example/lib"),)


@pytest.mark.parametrize(
    ("state", "statuses", "said"),
    [
        # Both are in official examples.
        ("not_affected", ["affected"], {"affected": "not_affected"}),
        ("not_affected", ["unaffected"], {"unaffected": "not_affected"}),
        ("false_positive", ["unaffected"], {"unaffected": "not_affected"}),
        ("resolved", ["affected"], {"affected": "fixed"}),
        ("resolved", ["unaffected"], {"unaffected": "fixed"}),
        ("exploitable", ["affected", "unaffected"], {"affected": "affected", "unaffected": "not_affected"}),
        ("in_triage", ["affected", "unaffected"], {"affected": "under_investigation", "unaffected": "not_affected"}),
        ("not_affected", ["affected", "unaffected"], {"affected": "affected", "unaffected": "not_affected"}),
        ("resolved", ["affected", "unaffected"], {"affected": "affected", "unaffected": "fixed"}),
        ("not_affected", ["unknown"], {"unknown": "under_investigation"}),
        ("exploitable", ["Unaffected"], {"Unaffected": "not_affected"}),
    ],
)
def test_states_and_versions(state, statuses, said):
    affects = [{"ref": PACKAGE, "versions": [{"version": each, "status": each} for each in statuses]}]
    found = read(vulnerability(state, affects=affects), subject=None)
    assert {product.package.rpartition("@")[2]: each.status for each in found for product in each.products} == said
    for each in found:
        assert (each.justification, each.detail.startswith("listed as")) == ("", each.status != STATES[state])


def left_out(*vulnerabilities, **fields):
    found = vex.parse(document(*vulnerabilities, **fields), "v.json")
    assert found.problems == []
    return found.statements, [each.message for each in found.mistakes], found.notes


@pytest.mark.parametrize(
    "versions",
    [
        [{"range": "vers:nobody/<2"}],
        [{"range": "[1.0,2.0)"}],
        [{"status": "unaffected"}],
        [{"range": "vers:npm/>1|>2", "status": "unaffected"}],
    ],
)
def test_versions_that_cannot_be_read_do_not_widen_a_statement(versions):
    affects = [{"ref": "lib", "versions": versions}]
    statements, mistakes, _ = left_out(vulnerability(affects=affects), components=[LIBRARY])
    assert (statements, len(mistakes)) == ([], 1)
    affects[0]["versions"] = [{"version": "1.1"}, *versions]
    statements, mistakes, _ = left_out(vulnerability("exploitable", affects=affects), components=[LIBRARY])
    assert [each.products for each in statements] == [(VexProduct(target="ABC:4.2", package=f"{PACKAGE[:-1]}1"),)]
    assert len(mistakes) == 1


def test_an_unknown_status_of_a_version_is_named():
    affects = [{"ref": PACKAGE, "versions": [{"version": "1", "status": "fixed"}]}]
    statements, mistakes, _ = left_out(vulnerability(affects=affects), subject=None)
    assert [each.status for each in statements] == [VexStatus.UNDER_INVESTIGATION]
    assert len(mistakes) == 1


@pytest.mark.parametrize("state", ["not_affected", "exploitable"])
def test_a_product_by_cpe_alone_is_a_note(state):
    affects = [{"ref": "cpe:2.3:a:openssl:openssl:1.1.1:*:*:*:*:*:*:*"}]
    assert left_out(vulnerability(state, affects=affects))[0] == []
    statements, mistakes, notes = left_out(vulnerability(state, affects=[*affects, {"ref": PACKAGE}]), subject=None)
    assert [each.products for each in statements] == [(VexProduct(package=PACKAGE),)]
    assert (mistakes, len(notes)) == ([], 1)


def test_a_reference_to_another_document_is_noted():
    _, mistakes, notes = left_out(vulnerability(ref="urn:cdx:11111111-395b-41f5-a30f-a58921a69b79/1#product-ABC"))
    assert (mistakes, len(notes)) == ([], 1)


def test_a_group_is_part_of_the_name():
    babel = {"type": "library", "bom-ref": "b", "group": "@babel", "name": "core", "version": "7"}
    assert products("b", components=[babel], subject=None) == [VexProduct(package="@babel/core", version="7")]


def test_xml_says_the_same():
    data = f"""<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.5" serialNumber="urn:uuid:{SERIAL}">
      <metadata><timestamp>2026-01-01T00:00:00Z</timestamp></metadata>
      <vulnerabilities><vulnerability><id>CVE-2020-1</id>
        <analysis><state>not_affected</state><justification>code_not_present</justification>
          <responses><response>will_not_fix</response></responses><detail>so it is</detail></analysis>
        <affects><target><ref>{PACKAGE}</ref><versions>
          <version><range>vers:maven/&gt;=1</range><status>unaffected</status></version></versions></target></affects>
      </vulnerability></vulnerabilities></bom>"""
    found = vex.parse(data.encode(), "v.xml")
    assert found.problems == found.mistakes == found.notes == []
    affects = [{"ref": PACKAGE, "versions": [{"range": "vers:maven/>=1", "status": "unaffected"}]}]
    analysis = {"justification": "code_not_present", "detail": "so it is"}
    [expected] = read(vulnerability(affects=affects, analysis=analysis), subject=None)
    assert found.statements == [msgspec.structs.replace(expected, source=f"v.xml (urn:uuid:{SERIAL})")]


def test_without_affects_it_is_about_the_subject():
    [found] = read(vulnerability(affects=[]))
    assert found.products == (VexProduct(target="ABC:4.2"),)


def test_findings_without_analysis_are_passed_over():
    assert len(read({"id": "CVE-2020-2", "affects": [{"ref": "product"}]}, vulnerability())) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        vulnerability("not_afected"),
        vulnerability(id=""),
        vulnerability(affects=[{}]),
        vulnerability(affects="product"),
        {"id": 1, "analysis": {"state": "resolved"}},
        "CVE-2020-1",
    ],
)
def test_what_is_wrong_with_a_vulnerability_stops_no_other(wrong):
    statements, mistakes, _ = left_out(wrong, vulnerability(id="CVE-2020-2"))
    assert [each.ids for each in statements] == [("CVE-2020-2",)]
    [message] = mistakes
    assert message.startswith("vulnerability 1")


@pytest.mark.parametrize("analysis", [{"justification": "component_not_present"}, {"lastUpdated": "now"}])
def test_a_statement_that_holds_with_less_than_it_says(analysis):
    statements, mistakes, _ = left_out(vulnerability(analysis=analysis))
    assert [(each.justification, each.timestamp) for each in statements] == [("", "2026-01-01T00:00:00Z")]
    assert len(mistakes) == 1


@pytest.mark.parametrize(
    "said",
    [
        document(vulnerability(affects=[]), subject=None),
        document({"id": "CVE-2020-1"}),
        document(),
        document(vulnerability(), metadata={"timestamp": 7}),
        document(vulnerability(), metadata={"timestamp": "now"}),
        document(vulnerability(), components=["none"]),
    ],
)
def test_a_document_that_says_little_stops_nothing(said):
    found = vex.parse(said, "v.json")
    assert found.problems == []
    assert len(found.mistakes) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        document(vulnerability(), version="1.3"),
        document(vulnerabilities=None),
        document(vulnerabilities={}),
        b'<bom xmlns="http://cyclonedx.org/schema/bom/1.3"><components/></bom>',
        b"<html/>",
    ],
)
def test_what_is_no_vex_document_at_all(wrong):
    found = vex.parse(wrong, "v.json")
    assert len(found.problems) == 1
    assert found.statements == []


def test_one_component_that_is_wrong_takes_no_other_with_it():
    statements, mistakes, _ = left_out(vulnerability(ref="lib"), components=[{"name": 5}, LIBRARY], subject=None)
    assert [each.products for each in statements] == [(VexProduct(package=PACKAGE),)]
    assert len(mistakes) == 1


def test_what_is_null_is_not_there():
    assert read(
        vulnerability(analysis={"justification": None, "response": None}, references=None), components=[LIBRARY]
    )
    assert products("lib", components=[LIBRARY | {"version": None, "name": None}], subject=None)
