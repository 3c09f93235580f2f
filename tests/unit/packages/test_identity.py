"""A package is the same package however a scanner spells it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.packages import identity
from orchestrator.packages.identity import canonical
from orchestrator.packages.resolve import resolve

ODD = st.text(
    st.sampled_from(list("aB1@%/:?#&=+-_.~ []|é\\2540fF")) | st.characters(exclude_categories=("Cs",)), max_size=20
)
TYPES = st.sampled_from(
    ["npm", "deb", "rpm", "maven", "golang", "pypi", "nuget", "GEM", "alpine", "generic", "go", "swift", "x-y"]
)
PURLS = (
    st.builds(
        "pkg:{}/{}@{}{}".format,
        TYPES,
        ODD,
        ODD,
        st.sampled_from(["", "?epoch=2", "?arch=x#y", "?&epoch=0", "?distro=amzn-2", "-java"]),
    )
    | ODD
)


@pytest.mark.parametrize(
    "spellings",
    [
        [
            ("pkg:npm/%40babel/core@7.0.0", "@babel/core", "7.0.0"),
            ("pkg:npm/@babel/core@7.0.0", "core", ""),
            ("pkg:npm/%2540babel/core@7.0.0", "", ""),
            ("pkg:npm/%40babel%2Fcore@7.0.0", "", ""),
            ("pkg:npm/@babel%2fcore@7.0.0", "", ""),
            ("PKG:NPM/%40babel/core@7.0.0?vcs_url=x", "", ""),
            ("pkg://npm/%40babel/core@v7.0.0#src", "", ""),
            ("pkg%3Anpm%2F%40babel%2Fcore%407.0.0", "", ""),
            ("pkg:npm/%40babel/core", "@babel/core", "7.0.0"),
            (" pkg:npm/%40Babel/Core@7.0.0 ", "", ""),
        ],
        [
            ("pkg:rpm/redhat/bind@32:9.11", "bind", "32:9.11"),
            ("pkg:rpm/redhat/bind@32%3A9.11", "bind", ""),
            ("pkg:rpm/redhat/bind@9.11?arch=x86_64&epoch=32", "bind", "9.11"),
            ("pkg:rpm/centos/bind@9.11?epoch=32&distro=centos-7", "bind", "32:9.11"),
            ("pkg:rpm/bind", "bind", "32:9.11"),
        ],
        [
            ("pkg:rpm/redhat/bash@0:4.4", "bash", "0:4.4"),
            ("pkg:rpm/redhat/bash@4.4?epoch=0", "bash", "4.4"),
            ("pkg:rpm/bash@4.4", "bash", ""),
        ],
        [
            ("pkg:deb/debian/libstdc%2B%2B6@8.3.0-6?arch=amd64", "libstdc++6", "8.3.0-6"),
            ("pkg:deb/debian/libstdc++6@8.3.0-6", "libstdc++6", "8.3.0-6"),
            ("pkg:deb/ubuntu/libstdc%252B%252B6@8.3.0-6", "", ""),
        ],
        [
            ("pkg:golang/github.com/Azure/go-autorest@v14.2.0%2Bincompatible", "github.com/Azure/go-autorest", ""),
            ("pkg:golang/github.com/azure/go-autorest@14.2.0", "", ""),
            ("pkg:golang/github.com%2Fazure%2Fgo-autorest@v14.2.0+incompatible", "", "v14.2.0+incompatible"),
        ],
        [
            ("pkg:golang/stdlib@1.22.1", "stdlib", "go1.22.1"),
            ("pkg:golang/stdlib@v1.22.1", "stdlib", "v1.22.1"),
            ("pkg:golang/std@1.22.1", "std", ""),
            ("pkg:go/stdlib", "stdlib", "1.22.1"),
        ],
        [
            ("pkg:golang/github.com/golang-jwt/jwt@v4.5.0#v4", "github.com/golang-jwt/jwt/v4", "v4.5.0"),
            ("pkg:golang/github.com/golang-jwt/jwt/v4@v4.5.0", "github.com/golang-jwt/jwt/v4", "v4.5.0"),
            ("pkg:golang/github.com/golang-jwt/jwt@4.5.0?type=module#/v4/", "", ""),
            ("pkg:golang/github.com/golang-jwt/jwt@4.5.0#./v4", "", ""),
        ],
        [
            ("pkg:golang/go.opentelemetry.io/otel@v1.2.0#exporters/otlp", "", ""),
            ("pkg:golang/go.opentelemetry.io/otel@v1.2.0#exporters%2Fotlp", "", ""),
            ("pkg:golang/go.opentelemetry.io/otel/exporters/otlp@v1.2.0", "", ""),
        ],
        [
            ("pkg:gem/nokogiri@1.16.0", "nokogiri", "1.16.0"),
            ("pkg:gem/nokogiri@1.16.0-x86_64-linux", "nokogiri", "1.16.0-x86_64-linux"),
            ("pkg:gem/nokogiri@1.16.0-arm64-darwin-22", "", ""),
            ("pkg:gem/nokogiri@1.16.0-x64-mingw-ucrt", "", ""),
            ("pkg:gem/nokogiri@1.16.0-java", "", ""),
            ("pkg:gem/nokogiri@1.16.0?platform=x86_64-linux-musl", "nokogiri", "1.16.0"),
        ],
        [
            ("pkg:deb/debian/bsdutils@1:2.38", "bsdutils", "1:2.38"),
            ("pkg:deb/debian/bsdutils@1%3A2.38?arch=amd64", "bsdutils", ""),
            ("pkg:deb/debian/bsdutils@2.38?arch=amd64&epoch=1", "bsdutils", "2.38"),
        ],
        [
            ("pkg:swift/github.com/apple/swift-nio@2.0.0", "github.com/apple/swift-nio", "2.0.0"),
            ("pkg:swift/https:/github.com/apple/swift-nio.git@2.0.0", "", ""),
        ],
        [("pkg:pypi/requests@2.0", "", ""), ("pkg:pypi/requests%5Bsocks%5D@2.0", "", "")],
        [("pkg:github/actions/checkout@v4", "", ""), ("pkg:githubactions/actions/Checkout@4", "", "")],
        [
            ("pkg:pypi/Zope.Interface@5.0", "Zope.Interface", "5.0"),
            ("pkg:pypi/zope_interface@5.0", "", ""),
            ("pkg:PyPI/zope-interface@5.0", "", ""),
        ],
        [
            ("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "log4j-core", "2.14.1"),
            ("pkg:maven/org.apache.logging.log4j%3Alog4j-core@2.14.1", "", ""),
            ("pkg:maven/org.apache.logging.log4j:log4j-core@2.14.1?type=jar", "", ""),
            ("", "org.apache.logging.log4j:log4j-core", "2.14.1"),
        ],
        [("pkg:apk/alpine/musl@1.2.4-r1", "musl", ""), ("pkg:alpine/musl@1.2.4-r1", "musl", "")],
        [("pkg:nuget/Newtonsoft.Json@13.0.1", "", ""), ("pkg:nuget/newtonsoft.json@13.0.1", "", "")],
        [("", "libc6:amd64", "2.36"), ("not a purl", "libc6", "2.36"), ("pkg:deb", "libc6", "2.36")],
    ],
    ids=lambda spellings: spellings[0][0] or spellings[0][1],
)
def test_spellings_of_one_package(spellings):
    assert len({(found.key, found.version) for found in (canonical(*each) for each in spellings)}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pkg:npm/%40babel/core@7", "pkg:npm/core@7"),
        ("pkg:npm/core@7", "pkg:pypi/core@7"),
        ("pkg:npm/core@7", "pkg:npm/core@8"),
        ("pkg:maven/a/x@1", "pkg:maven/b/x@1"),
        ("pkg:golang/a/x@1", "pkg:golang/b/x@1"),
        ("pkg:rpm/bind@1:9", "pkg:rpm/bind@2:9"),
        ("pkg:golang/go.opentelemetry.io/otel@1#sdk", "pkg:golang/go.opentelemetry.io/otel@1#trace"),
        ("pkg:golang/go.opentelemetry.io/otel@1#sdk", "pkg:golang/go.opentelemetry.io/otel@1"),
        ("pkg:golang/github.com/golang-jwt/jwt/v4@4.5.0", "pkg:golang/github.com/golang-jwt/jwt/v5@4.5.0"),
        ("pkg:gem/rails@7.0.0-java", "pkg:gem/rails@7.0.1"),
        ("pkg:gem/rails@7.0.0-beta", "pkg:gem/rails@7.0.0"),
    ],
)
def test_other_packages(one, other):
    first, second = canonical(one, "x", ""), canonical(other, "x", "")
    assert (first.key, first.version) != (second.key, second.version)


def test_what_is_kept_and_what_is_dropped():
    found = canonical("pkg:rpm/redhat/bind-libs@9.11.4?arch=x86_64&epoch=32#sub", "bind-libs", "32:9.11.4")
    assert found[:5] == ("pkg:rpm/bind-libs", "32:9.11.4", "pkg:rpm/redhat/bind-libs@32:9.11.4", "rpm", "bind-libs")


@given(PURLS, ODD, ODD)
def test_canonical_is_canonical(purl, package, version):
    once = canonical(purl, package, version)
    again = canonical(once.purl, once.label, once.version)
    assert again == once
    if once.purl:
        assert canonical(once.purl, once.label, "")[:3] == once[:3]
    assert "|" not in once.key or not once.purl


PLAIN = st.text(st.sampled_from(list("aB1.:~+-_@/ %")), min_size=1, max_size=8)


@given(st.builds("pkg:{}/{}@{}".format, TYPES, PLAIN, PLAIN) | PURLS, ODD, PLAIN | ODD)
def test_a_package_url_says_the_same_read_as_a_whole_and_apart_from_its_version(purl, package, version):
    canonical.cache_clear()
    apart = canonical(purl, package, version)
    canonical.cache_clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(identity, "_SEPARABLE", re.compile("(?!)"))
        patched.setattr(identity, "_UNESCAPED", re.compile("(?!)"))
        assert canonical(purl, package, version) == apart


def _resolved(*packages):
    packages = [canonical(*each) for each in packages]
    better = resolve(packages)
    assert better == resolve(packages[::-1])
    return [better.get(each[:2], each[:2]) for each in packages]


@pytest.mark.parametrize(
    "packages",
    [
        [("pkg:maven/org.apache/log4j-core@2.14.1", "log4j-core", ""), ("", "log4j-core", "2.14.1")],
        [("pkg:maven/org.apache/log4j-core@2.14.1", "", ""), ("pkg:maven/log4j-core/log4j-core@2.14.1", "", "")],
        [("", "org.apache:log4j-core", "2.14.1"), ("", "log4j-core", "2.14.1")],
        [("pkg:npm/%40babel/core@7.0.0", "", ""), ("", "@babel/core", "v7.0.0")],
        [("pkg:pypi/zope-interface@5.0", "", ""), ("", "Zope.Interface", "5.0")],
        [("pkg:rpm/redhat/bind@32:9.11", "", ""), ("pkg:rpm/bind@9.11", "", ""), ("", "bind", "9.11")],
        [("pkg:deb/debian/libc6@2.36", "", ""), ("", "libc6:amd64", "2.36"), ("", "libc6", "")],
        [("", "musl", "1.2"), ("", "musl", "")],
        [("pkg:golang/stdlib@1.22.1", "", ""), ("", "stdlib", "go1.22.1"), ("pkg:golang/stdlib", "", "")],
    ],
)
def test_who_says_less_means_the_same(packages):
    assert len(set(_resolved(*packages))) == 1


@pytest.mark.parametrize(
    "packages",
    [
        [("pkg:npm/redis@4.0.2", "", ""), ("pkg:pypi/redis@4.0.2", "", ""), ("", "redis", "4.0.2")],
        [("pkg:npm/redis@4.0.2", "", ""), ("pkg:npm/redis@4.0.3", "", ""), ("", "redis", "")],
        [("pkg:npm/redis@4.0.2", "", ""), ("", "redis", "4.0.3")],
        [("pkg:npm/%40a/x@1", "", ""), ("", "x", "1")],
        [("pkg:deb/debian/x@1", "", ""), ("pkg:maven/x/x@1", "", "")],
    ],
)
def test_who_could_mean_several_or_another_stays_alone(packages):
    assert len(set(_resolved(*packages))) == len(packages)


VERSIONS = {"1.8.2.1": "1.8.2.1", "1:4.5-1.1": "1:4.5-1.1", "2.1-3.1+b2": "2.1-3.1%2Bb2", "1/2 ü": "1/2%20%C3%BC"}


def test_what_is_cached_apart_from_versions_is_the_same_package_in_each_of_them() -> None:
    of = {version: canonical(f"pkg:deb/debian/libapt@{version}?arch=amd64", "libapt", version) for version in VERSIONS}
    assert {(each.key, each.label, each.names, each.distribution) for each in of.values()} == {
        ("pkg:deb/libapt", "libapt", ("libapt",), "debian")
    }
    assert [each.version for each in of.values()] == list(VERSIONS)
    assert [each.purl for each in of.values()] == [f"pkg:deb/debian/libapt@{spelt}" for spelt in VERSIONS.values()]
