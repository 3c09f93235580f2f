"""How far a rule or a VEX statement reaches: from a scanner's report, over the merge, to the row."""

import json
from datetime import UTC, datetime

import pytest

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.analysis.suppression import Suppressor, vex
from orchestrator.findings import cyclonedx
from orchestrator.model import Finding, IgnoreRule, Outcome, Severity, Suppression

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = frozenset({"vulnerability"})
DIGEST = "sha256:" + "a" * 64


def suppress(found, *, vex_document=None, rule="", platform="linux/amd64"):
    """Whether each row is suppressed, by package; `found` has the findings of each scan."""
    cells = [CellFindings(f"scan-{number}", Outcome.OK, KINDS, each) for number, each in enumerate(found)]
    statements = vex.parse(json.dumps(vex_document).encode(), "v").statements if vex_document else []
    rules = (IgnoreRule(name="i:1", reason="x", package=rule, expires="2026-06-01T00:00:00Z"),) if rule else ()
    made = Suppressor(Suppression(rules=rules, statements=tuple(statements)), now=NOW, first_used={})
    rows = made.apply(["docker.io/library/app:1"], [], DIGEST, merge("t", cells), platform=platform)
    return [row.suppressed is not None for row in sorted(rows, key=lambda row: row.package)]


def finding(purl, name="openssl", version="3.0", id_="CVE-2020-1"):
    return Finding(id=id_, kind="vulnerability", severity=Severity.HIGH, package=name, version=version, purl=purl)


def openvex(product, *subcomponents):
    about = {"@id": product} | ({"subcomponents": [{"@id": each} for each in subcomponents]} if subcomponents else {})
    statement = {"vulnerability": {"name": "CVE-2020-1"}, "products": [about], "status": "fixed"}
    return {"@context": "https://openvex.dev/ns/v0.2.0", "statements": [statement]}


def cdx(ref):
    said = {"id": "CVE-2020-1", "analysis": {"state": "not_affected"}, "affects": [{"ref": ref}]}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [said]}


WITH = "pkg:deb/debian/openssl@3.0?arch=amd64&distro=debian-12"
WITHOUT = "pkg:deb/debian/openssl@3.0"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("pkg:deb/debian/openssl?arch=armhf", False),
        ("pkg:deb/debian/openssl@3.0?arch=armhf", False),
        ("pkg:deb/debian/openssl?arch=amd64", True),
        ("PKG:deb/debian/openssl?arch=amd64", True),
        ("pkg:deb/debian/openssl?distro=debian-11", False),
        ("pkg:deb/debian/openssl?distro=debian-12", True),
        ("pkg:deb/debian/openssl@3.0?distro=debian-11", True),
        ("pkg:deb/debian/openssl@3.0?arch=amd64&distro=bookworm", True),
    ],
)
@pytest.mark.parametrize("found", [[[finding(WITH)]], [[finding(WITHOUT)], [finding(WITH)]]], ids=["one", "two"])
def test_qualifiers_hold_whichever_scanner_found_it(text, holds, found):
    assert suppress(found, vex_document=openvex(text)) == [holds]
    assert suppress(found, vex_document=openvex(f"pkg:oci/app@{DIGEST}", text)) == [holds]
    assert suppress(found, vex_document=cdx(text)) == [holds]
    assert suppress(found, rule=text) == [holds]


def test_one_row_for_two_architectures_is_not_suppressed_by_a_statement_about_one():
    both = [[finding(WITH), finding(WITH.replace("amd64", "armhf"))]]
    assert suppress(both, vex_document=openvex("pkg:deb/debian/openssl?arch=armhf")) == [False]
    assert suppress(both, vex_document=openvex("pkg:deb/debian/openssl")) == [True]


def test_one_row_for_two_artifacts_is_not_suppressed_by_a_statement_about_one():
    linux, plain = (finding(f"pkg:maven/g/openssl@3.0{each}") for each in ("?classifier=linux-x86_64", ""))
    for text, both, one in (
        ("pkg:maven/g/openssl?classifier=linux-x86_64", False, True),
        ("pkg:maven/g/openssl", True, True),
    ):
        assert suppress([[linux, plain]], vex_document=openvex(text)) == [both]
        assert suppress([[linux, plain]], rule=text) == [both]
        # Another scanner, which never writes classifiers, says nothing against it.
        assert suppress([[linux], [plain]], vex_document=openvex(text)) == [one]


def test_the_release_is_that_of_the_target_where_this_row_does_not_say_it():
    found = [[finding(WITHOUT), finding("pkg:deb/debian/zlib@1?distro=debian-12", "zlib", "1", "CVE-2020-2")]]
    assert suppress(found, vex_document=openvex("pkg:deb/debian/openssl?distro=debian-12")) == [True, False]
    assert suppress(found, vex_document=openvex("pkg:deb/debian/openssl?distro=debian-11")) == [False, False]


def test_a_group_and_a_name_without_a_package_url():
    """`@babel/core` is not `@angular/core`, in the VEX document, in the report, and in a rule."""

    def component(group, **fields):
        return {"type": "library", "bom-ref": group, "group": group, "name": "core", "version": "7"} | fields

    angular = component("@angular", purl="pkg:npm/%40angular/core@7")
    vulnerability = {"id": "CVE-2020-1", "affects": [{"ref": "@angular"}, {"ref": "@babel"}]}
    report = {"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [vulnerability]}
    for first in (angular, component("@angular")):
        data = json.dumps(report | {"components": [first, component("@babel")]}).encode()
        found = [list(cyclonedx.parse(data).findings)]
        document = cdx("@babel") | {"components": [component("@babel")]}
        assert suppress(found, vex_document=document) == [False, True]
        assert suppress(found, rule="@babel/core") == [False, True]


@pytest.mark.parametrize(("version", "holds"), [("v1.9.0", True), ("1.9.0", True), ("v1.9.1", False)])
def test_a_version_of_a_go_module_without_a_package_url(version, holds):
    component = {
        "type": "library",
        "bom-ref": "gin",
        "group": "github.com/gin-gonic",
        "name": "gin",
        "version": version,
    }
    found = [[finding("pkg:golang/github.com/gin-gonic/gin@v1.9.0", "github.com/gin-gonic/gin", "v1.9.0")]]
    assert suppress(found, vex_document=cdx("gin") | {"components": [component]}) == [holds]


@pytest.mark.parametrize("text", ["pkg:npm/core", "pkg:npm/%40babel/core", "pkg:generic/core", "core"])
def test_a_package_url_without_a_namespace_is_another_package(text):
    found = [[finding("pkg:npm/%40angular/core@7", "@angular/core", "7")]]
    assert suppress(found, vex_document=openvex(text)) == [False]


def test_subcomponents_that_cannot_be_matched_do_not_suppress_the_whole_image():
    assert suppress([[finding(WITH)]], vex_document=openvex(f"pkg:oci/app@{DIGEST}", "cpe:2.3:a:x:y:1")) == [False]
    assert suppress([[finding(WITH)]], vex_document=openvex(f"pkg:oci/app@{DIGEST}")) == [True]


@pytest.mark.parametrize("product", ["http://[", "git+https://[x@y", "pkg:generic/x?vcs_url=git%2Bhttps%3A%2F%2F%5B"])
def test_a_product_whose_url_cannot_be_read_is_nothing_of_ours(product):
    assert suppress([[finding(WITH)]], vex_document=openvex(product, WITHOUT)) == [False]
