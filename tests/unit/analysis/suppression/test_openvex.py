"""OpenVEX documents of every version, and what is wrong with some."""

import json

import pytest

from orchestrator.analysis.suppression import vex
from orchestrator.model import VexProduct, VexStatus

PACKAGE = "pkg:deb/debian/openssl@1.1.1"
IMAGE = "pkg:oci/app@sha256%3A" + "a" * 64


def statement(**fields):
    base = {"vulnerability": {"name": "CVE-2020-1"}, "products": [{"@id": PACKAGE}], "status": "fixed"}
    return {key: value for key, value in (base | fields).items() if value is not None}


def document(*statements, **fields):
    base = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex-1",
        "author": "somebody",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
    }
    return json.dumps({k: v for k, v in (base | fields).items() if v is not None} | {"statements": statements}).encode()


def read(*statements, **fields):
    found = vex.parse(document(*statements, **fields), "v.json")
    assert found.problems == found.mistakes == found.notes == []
    return found.statements


def mistakes(*statements, **fields):
    found = vex.parse(document(*statements, **fields), "v.json")
    assert found.problems == []
    assert all(mistake.file == "v.json" for mistake in found.mistakes)
    return [mistake.message for mistake in found.mistakes]


def test_a_statement():
    [found] = read(
        statement(
            vulnerability={
                "@id": "https://nvd.nist.gov/vuln/detail/CVE-2020-1",
                "name": "CVE-2020-1",
                "aliases": ["X-1"],
            },
            status="not_affected",
            justification="component_not_present",
            impact_statement="it is\nnot there",
            timestamp="2026-02-01T01:00:00.5+01:00",
        )
    )
    assert found.ids == ("CVE-2020-1", "X-1")
    assert found.status is VexStatus.NOT_AFFECTED
    assert found.products == (VexProduct(package=PACKAGE),)
    assert found.timestamp == "2026-02-01T00:00:00.500000Z"
    assert found.justification == "component_not_present"
    assert found.detail == "it is not there"
    assert found.source == "v.json (https://example.org/vex-1)"


def test_version_0_0_1_has_plain_texts():
    [found] = read(
        statement(vulnerability="CVE-2020-1", products=[IMAGE, "docker.io/x"], subcomponents=[PACKAGE]),
        **{"@context": "https://openvex.dev/ns", "version": "1"},
    )
    assert found.ids == ("CVE-2020-1",)
    assert set(found.products) == {
        VexProduct(target=IMAGE, package=PACKAGE),
        VexProduct(target="docker.io/x", package=PACKAGE),
    }


def test_a_vulnerability_by_its_address_alone():
    [found] = read(statement(vulnerability={"@id": "https://nvd.nist.gov/vuln/detail/CVE-2020-7/"}))
    assert found.ids == ("CVE-2020-7",)


@pytest.mark.parametrize(
    ("product", "meant"),
    [
        ({"@id": PACKAGE}, [VexProduct(package=PACKAGE)]),
        ({"@id": IMAGE}, [VexProduct(target=IMAGE)]),
        ({"@id": IMAGE, "subcomponents": [{"@id": PACKAGE}]}, [VexProduct(target=IMAGE, package=PACKAGE)]),
        ({"identifiers": {"purl": PACKAGE, "cpe23": "cpe:2.3:a:b"}}, [VexProduct(package=PACKAGE)]),
        (
            {"@id": "https://example.org/app", "identifiers": {"purl": IMAGE}},
            [VexProduct(target="https://example.org/app"), VexProduct(target=IMAGE)],
        ),
        ({"hashes": {"sha-256": "B" * 64}}, [VexProduct(target="sha256:" + "b" * 64)]),
        ("ghcr.io/x/y:1", [VexProduct(target="ghcr.io/x/y:1")]),
    ],
)
def test_products(product, meant):
    [found] = read(statement(products=[product]))
    assert list(found.products) == meant


def test_what_is_null_is_not_there():
    product = {"@id": PACKAGE, "identifiers": None, "hashes": None, "subcomponents": None}
    [found] = read(statement(vulnerability={"name": "CVE-2020-1", "aliases": None}, products=[product]))
    assert found.products == (VexProduct(package=PACKAGE),)


def test_times_come_down_from_the_document():
    own, updated, inherited = read(
        statement(timestamp="2026-02-01T00:00:00Z"),
        statement(timestamp="2026-02-01T00:00:00Z", last_updated="2026-03-01T00:00:00Z"),
        statement(),
    )
    assert [each.timestamp[:7] for each in (own, updated, inherited)] == ["2026-02", "2026-03", "2026-01"]
    [found] = read(statement(), timestamp=None)
    assert found.timestamp == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "not_affected"},
        {"status": "not_affected", "impact_statement": " "},
        {"status": "not_afected"},
        {"products": None},
        {"products": []},
        {"products": [{}]},
        {"vulnerability": {}},
        {"vulnerability": {"@id": "https://example.org/"}},
        {"products": ["pkg:npm"]},
        {"products": "pkg:npm/x"},
        {"products": [IMAGE], "subcomponents": ["pkg:npm"]},
        {"vulnerability": None},
        {"status": None},
        {"status": 1},
    ],
)
def test_what_a_statement_must_say(fields):
    """The others of the document hold, and the run starts."""
    found = vex.parse(document(statement(), statement(**fields), statement()), "v.json")
    assert found.problems == []
    assert len(found.statements) == 2
    [mistake] = found.mistakes
    assert mistake.message.startswith("statement 2")


def test_a_time_that_is_none_is_that_of_the_document():
    found = vex.parse(document(statement(timestamp="yesterday")), "v.json")
    assert len(found.mistakes) == 1
    assert [each.timestamp for each in found.statements] == ["2026-01-01T00:00:00Z"]


def test_a_justification_in_other_words_is_why():
    found = vex.parse(document(statement(status="not_affected", justification="code_not_present")), "v.json")
    [said] = found.statements
    assert (said.status, said.justification, said.detail) == (VexStatus.NOT_AFFECTED, "", "code_not_present")
    assert len(found.mistakes) == 1


def test_words_in_other_letters():
    [found] = read(statement(status="Not Affected", justification="Component_Not_Present"))
    assert (found.status, found.justification) == (VexStatus.NOT_AFFECTED, "component_not_present")


@pytest.mark.parametrize(
    "products",
    [
        ["cpe:2.3:a:openssl:openssl:1.1.1:*:*:*:*:*:*:*"],
        [{"@id": "cpe:/a:openssl:openssl:1.1.1"}],
        [{"identifiers": {"cpe23": "cpe:2.3:a:openssl:openssl:1.1.1:*:*:*:*:*:*:*"}}],
        [{"@id": IMAGE, "subcomponents": [{"identifiers": {"cpe23": "cpe:2.3:a:openssl:openssl:1.1.1"}}]}],
    ],
)
@pytest.mark.parametrize("status", ["fixed", "affected"])
def test_a_product_by_cpe_alone_is_a_note(products, status):
    found = vex.parse(document(statement(status=status, products=products)), "v.json")
    assert found.statements == found.problems == found.mistakes == []
    assert len(found.notes) == 1
    both = vex.parse(document(statement(status=status, products=[*products, PACKAGE])), "v.json")
    assert [each.products for each in both.statements] == [(VexProduct(package=PACKAGE),)]
    assert len(both.notes) == 1


def test_a_document_without_statements_stops_nothing():
    found = vex.parse(document(), "v.json")
    assert found.problems == found.statements == []
    assert len(found.mistakes) == 1


def test_every_mistake_at_once():
    assert len(mistakes(statement(status="nope"), statement(products=[]), statement(timestamp="x"))) == 3
    [message] = mistakes(statement(status="not_afected"))
    assert "'not_affected'" in message


def test_statements_that_suppress_nothing_may_leave_much_out():
    found = read(statement(status="affected", products=None), author=None, version=None, **{"@id": None})
    assert found[0].products == ()
    assert found[0].source == "v.json"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"{",
        b"\xff",
        b"<bom/>",
        b"[" * 100_000,
        json.dumps({"@context": "https://openvex.dev/ns"}).encode(),
        json.dumps({"@context": "https://openvex.dev/ns", "statements": {}}).encode(),
        json.dumps({"document": {"category": "csaf_vex", "csaf_version": "2.0"}}).encode(),
        json.dumps({"payloadType": "application/vnd.in-toto+json"}).encode(),
    ],
)
def test_what_is_no_vex_document(data):
    found = vex.parse(data, "v.json")
    assert len(found.problems) == 1
    assert found.statements == []
