"""A rule or a VEX statement holds for a row whichever scanner found it."""

from datetime import UTC, datetime
from itertools import product

import pytest

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.analysis.suppression import Suppressor
from orchestrator.analysis.suppression.packages import generic_purl
from orchestrator.model import Finding, IgnoreRule, Outcome, Severity, Suppression, VexProduct, VexStatement, VexStatus
from orchestrator.packages.spellings import means

_KINDS = frozenset({"vulnerability"})
_SPELLINGS = {
    "amazon": [("pkg:rpm/amzn/openssl-libs@1%3A1.0?upstream=openssl", "openssl-libs", "1:1.0"),
               ("pkg:rpm/amazon/openssl-libs@1.0?epoch=1", "openssl-libs", "1:1.0")],
    "oracle": [("pkg:rpm/ol/bash@4", "bash", "4"), ("pkg:rpm/oracle/bash@4", "bash", "4")],
    "alma": [("pkg:rpm/almalinux/bash@4", "bash", "4"), ("pkg:rpm/alma/bash@4", "bash", "4")],
    "redhat": [("pkg:rpm/rhel/bash@4", "bash", "4"), ("pkg:rpm/redhat/bash@4", "bash", "4")],
    "suse": [("pkg:rpm/sles/bash@4", "bash", "4"), ("pkg:rpm/suse/bash@4", "bash", "4")],
    "distro": [("pkg:rpm/bash@4?distro=rocky-9", "bash", "4"), ("pkg:rpm/rocky-linux/bash@4", "bash", "4")],
    "go": [("pkg:golang/github.com/golang-jwt/jwt@v4.5.0#v4", "github.com/golang-jwt/jwt/v4", "v4.5.0"),
           ("pkg:golang/github.com/golang-jwt/jwt/v4@4.5.0", "github.com/golang-jwt/jwt/v4", "4.5.0")],
    "stdlib": [("pkg:golang/stdlib@1.22.1", "stdlib", "go1.22.1"), ("pkg:golang/std@1.22.1", "std", "1.22.1")],
    "gem": [("pkg:gem/nokogiri@1.16.0?platform=java", "nokogiri", "1.16.0"),
            ("pkg:gem/nokogiri@1.16.0-java", "nokogiri", "1.16.0-java")],
    "pypi": [("pkg:pypi/zope.event@5", "zope.event", "5"), ("pkg:pypi/Zope_Event@5", "Zope_Event", "5")],
    "npm": [("pkg:npm/%40babel/core@7", "@babel/core", "7"), ("pkg:npm/@babel/core@7", "@babel/core", "7")],
    "maven": [("pkg:maven/org.x/y@1", "y", "1"), ("pkg:maven/org.x/y@1", "org.x:y", "1"), ("", "org.x:y", "1")],
    "deb": [("pkg:deb/debian/bash@5?arch=amd64&distro=debian-12", "bash", "5"),
            ("PKG:DEB/Debian/Bash@5?distro=debian-12&arch=amd64", "bash", "5"), ("pkg:deb/debian/bash@5", "bash", "")],
    "apk": [("pkg:apk/alpine/musl@1.2-r4?arch=x86_64&distro=alpine-3.19", "musl", "1.2-r4"),
            ("pkg:alpine/alpine/musl@1.2-r4", "musl", "1.2-r4")],
    "incompatible": [("pkg:golang/github.com/Azure/x@v1.2.0+incompatible", "github.com/Azure/x", "v1.2.0+incompatible"),
                     ("pkg:golang/github.com%2Fazure%2Fx@1.2.0", "github.com/azure/x", "1.2.0")],
    "generic": [("", "OpenSSL", "1.1")],
    "nuget": [("pkg:nuget/Json.Net@1", "Json.Net", "1"), ("pkg:nuget/json.net@1", "json.net", "1")],
}  # fmt: skip
_PAIRS = [(name, one, other) for name, each in _SPELLINGS.items() for one, other in product(each, each)]


def _suppressed(purl, name, version, *known):
    finding = Finding(
        id="CVE-2020-1", kind="vulnerability", severity=Severity.HIGH, package=name, version=version, purl=purl
    )
    rows = merge("t", [CellFindings("scan", Outcome.OK, _KINDS, [finding])])
    suppression = Suppression(
        rules=tuple(each for each in known if isinstance(each, IgnoreRule)),
        statements=tuple(each for each in known if isinstance(each, VexStatement)),
    )
    made = Suppressor(suppression, now=datetime(2026, 1, 1, tzinfo=UTC), first_used={})
    [row] = made.apply(["docker.io/library/app:1"], [], "", rows, platform="linux/amd64")
    return row.suppressed is not None


def _rule(package):
    return IgnoreRule(name="i:1", reason="because", package=package, expires="2026-06-01T00:00:00Z")


def _said(package):
    products = (VexProduct(package=package),)
    return VexStatement(source="v", ids=("CVE-2020-1",), status=VexStatus.NOT_AFFECTED, products=products)


@pytest.mark.parametrize(("name", "found", "written"), _PAIRS)
def test_what_is_written_as_one_scanner_spells_it_holds_for_all(name, found, written):
    purl, package, _ = written
    for text in filter(None, (purl, package)):
        assert _suppressed(*found, _rule(text)), f"rule {text}"
        assert _suppressed(*found, _said(text)), f"statement {text}"
        assert means(text)(*found), f"search for {text}"


def test_what_has_no_package_url_is_meant_by_the_one_that_exports_write():
    found = ("", "a tool", "1.0")
    text = generic_purl(*found[1:])
    assert _suppressed(*found, _rule(text))
    assert _suppressed(*found, _said(text))
    assert means(text)(*found)


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (("pkg:rpm/amzn/bash@4", "bash", "4"), "pkg:rpm/redhat/bash"),
        (("pkg:deb/ubuntu/bash@4", "bash", "4"), "pkg:deb/debian/bash@4"),
        (("pkg:golang/go.opentelemetry.io/otel@1#sdk", "go.opentelemetry.io/otel/sdk", "1"),
         "pkg:golang/go.opentelemetry.io/otel@1#trace"),
        (("pkg:golang/go.opentelemetry.io/otel@1#sdk", "go.opentelemetry.io/otel/sdk", "1"),
         "pkg:golang/go.opentelemetry.io/otel@1"),
        (("pkg:npm/%40babel/core@7", "@babel/core", "7"), "core"),
        (("pkg:gem/nokogiri@1.16.0-java", "nokogiri", "1.16.0-java"), "pkg:gem/nokogiri@1.16.1"),
    ],
)  # fmt: skip
def test_another_package_is_not_meant(found, written):
    assert not _suppressed(*found, _rule(written))
    assert not _suppressed(*found, _said(written))
