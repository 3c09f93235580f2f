"""What people write to mean a package, held against packages."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.packages.distributions import distribution, of_release, spellings
from orchestrator.packages.ecosystems import grouped
from orchestrator.packages.identity import canonical
from orchestrator.packages.spellings import (
    key_meant,
    keys_in,
    names_in,
    names_meant,
    purls_in,
    purls_meant,
    versions_of,
)

ODD = st.text(
    st.sampled_from(list("aB1@%/:?#&=+-_.~ []|é\\2540fF")) | st.characters(exclude_categories=("Cs",)), max_size=20
)
TYPES = st.sampled_from(["npm", "deb", "rpm", "maven", "golang", "pypi", "nuget", "GEM", "alpine", "generic", "swift"])


def means(pattern, purl, name="x", version=""):
    return any(fnmatchcase(text, each) for each in purls_meant(pattern) for text in purls_in(purl, name, version))


@pytest.mark.parametrize(
    ("pattern", "purl"),
    [
        ("pkg:rpm/amzn/openssl-libs", "pkg:rpm/amazon/openssl-libs@1.0.2k"),
        ("pkg:rpm/amazon/openssl-libs", "pkg:rpm/amzn/openssl-libs@1.0.2k"),
        ("pkg:rpm/amzn/openssl*", "pkg:rpm/amazon/openssl-libs@1.0.2k"),
        ("pkg:rpm/amaz*/openssl-libs", "pkg:rpm/amzn/openssl-libs@1.0.2k"),
        ("pkg:rpm/openssl-libs", "pkg:rpm/amzn/openssl-libs@1.0.2k"),
        ("pkg:rpm/amzn/openssl-libs@1.0.2k?distro=amzn-2&epoch=1", "pkg:rpm/amazon/openssl-libs@1:1.0.2k"),
        ("pkg:rpm/amzn/openssl-libs@1%3A1.0.2k", "pkg:rpm/amazon/openssl-libs@1.0.2k?epoch=1"),
        ("pkg:rpm/amzn/openssl-libs@1.0.2k", "pkg:rpm/amazon/openssl-libs@1:1.0.2k"),
        ("pkg:rpm/amzn/openssl-libs@1:1.0.2k", "pkg:rpm/amazon/openssl-libs@1.0.2k"),
        ("pkg:rpm/amzn/openssl-libs@1:1.*", "pkg:rpm/amazon/openssl-libs@1:1.0.2k"),
        ("pkg:rpm/amzn/openssl-libs@1:1.*", "pkg:rpm/amazon/openssl-libs@1.0.2k"),
        ("pkg:rpm/amzn/openssl-libs", "pkg:rpm/openssl-libs@1.0.2k?distro=amzn-2"),
        ("pkg:maven/a/b?type=jar&classifier=x", "pkg:maven/a/b@1"),
        ("pkg:golang/github.com/golang-jwt/jwt/v4", "pkg:golang/github.com/golang-jwt/jwt@v4.5.0#v4"),
        ("pkg:golang/github.com/golang-jwt/jwt@v4.5.0#v4", "pkg:golang/github.com/golang-jwt/jwt/v4@4.5.0"),
        ("pkg:golang/github.com/golang-jwt/*#v4", "pkg:golang/github.com/golang-jwt/jwt/v4@4.5.0"),
        ("pkg:golang/std@1.22.1", "pkg:golang/stdlib@go1.22.1"),
        ("pkg:go/stdlib@v1.22.*", "pkg:golang/std@1.22.1"),
        ("pkg:pypi/Zope.Interface", "pkg:pypi/zope_interface@5"),
        ("pkg:pypi/Zope.Inter*", "pkg:pypi/zope_interface@5"),
        ("pkg:gem/nokogiri@1.16.0", "pkg:gem/nokogiri@1.16.0-x86_64-linux"),
        ("pkg:gem/nokogiri@1.16.0-java", "pkg:gem/nokogiri@1.16.0?platform=x86_64-linux"),
        ("pkg:maven/org.apache:log4j-*@2.*", "pkg:maven/org.apache/log4j-core@2.14.1"),
        ("pkg:npm/@babel/*", "pkg:npm/%40babel/core@7"),
        ("pkg:npm/%40babel/core@v7.*", "pkg:npm/%40babel/core@7.1"),
        ("pkg:nuget/newtonsoft.json", "pkg:nuget/Newtonsoft.Json@13"),
        ("PKG:deb/Debian/bash", "pkg:deb/debian/bash@5"),
        ("pkg:npm/foo?bar", "pkg:npm/foo-bar@1"),
        ("pkg:deb/debian/bash@5?arch=amd64&distro=debian-12", "pkg:deb/debian/bash@5"),
        ("pkg:generic/X", ""),
        ("pkg:generic/*", ""),
    ],
)
def test_a_pattern_means_the_package_however_it_is_spelt(pattern, purl):
    assert means(pattern, purl)


@pytest.mark.parametrize(
    ("pattern", "purl"),
    [
        ("pkg:rpm/amzn/openssl-libs", "pkg:rpm/redhat/openssl-libs@1"),
        ("pkg:rpm/centos/bind", "pkg:rpm/redhat/bind@1"),
        ("pkg:deb/debian/openssl", "pkg:deb/ubuntu/openssl@1"),
        ("pkg:deb/debian/openssl", "pkg:deb/openssl@1"),
        ("pkg:rpm/amzn/openssl-libs@2:1.0.2k", "pkg:rpm/amazon/openssl-libs@1:1.0.2k"),
        ("pkg:golang/github.com/golang-jwt/jwt", "pkg:golang/github.com/golang-jwt/jwt@v4.5.0#v4"),
        ("pkg:golang/go.opentelemetry.io/otel@1#sdk", "pkg:golang/go.opentelemetry.io/otel@1#trace"),
        ("pkg:gem/nokogiri@1.16.0", "pkg:gem/nokogiri@1.16.1-x86_64-linux"),
        ("pkg:npm/core", "pkg:npm/%40babel/core@7"),
        ("pkg:deb/debian/bash@n*", "pkg:deb/debian/bash@5"),
    ],
)
def test_a_pattern_means_no_other_package(pattern, purl):
    assert not means(pattern, purl)


@pytest.mark.parametrize(
    ("pattern", "purl", "name", "meant"),
    [
        ("std", "pkg:golang/stdlib@1.22.1", "stdlib", True),
        ("stdlib", "pkg:golang/std@1.22.1", "std", True),
        ("Zope.Interface", "pkg:pypi/zope-interface@5", "zope-interface", True),
        ("zope_*", "pkg:pypi/zope-interface@5", "zope-interface", True),
        ("zope.interface", "pkg:npm/zope-interface@5", "zope-interface", False),
        ("Newtonsoft.json", "pkg:nuget/Newtonsoft.Json@13", "Newtonsoft.Json", True),
        ("OpenSSL", "pkg:deb/debian/openssl@1", "openssl", False),
        ("github.com/golang-jwt/jwt/v4", "pkg:golang/github.com/golang-jwt/jwt@v4.5.0#v4", "jwt", True),
        ("core", "pkg:npm/%40babel/core@7", "@babel/core", False),
        ("@babel/core", "pkg:npm/%40babel/core@7", "core", True),
        ("log4j-core", "pkg:maven/org.apache/log4j-core@2", "org.apache:log4j-core", True),
        ("org.apache:log4j-core", "pkg:maven/org.apache/log4j-core@2", "log4j-core", True),
        ("amazon/openssl", "pkg:rpm/amzn/openssl@2", "openssl", True),
    ],
)
def test_names(pattern, purl, name, meant):
    found = any(fnmatchcase(text, each) for each in names_meant(pattern) for text in names_in(purl, name))
    assert found is meant


PURLS = st.builds(
    "pkg:{}/{}@{}{}".format, TYPES, ODD, ODD, st.sampled_from(["", "?epoch=2", "?arch=x#y", "?distro=amzn-2"])
)


@given(PURLS | ODD, ODD, ODD)
def test_a_package_is_meant_by_itself(purl, name, version):
    package = canonical(purl, name, version)
    if package.purl:
        again = canonical(package.purl, "", "")
        assert key_meant(again) in keys_in(package)
        own, other = (versions_of(each.ecosystem, each.version) for each in (package, again))
        assert not package.version or not own.answers.isdisjoint(other.texts)
        assert set(purls_meant(package.purl)) & set(purls_in(package.purl, name, version)) or set("*?[") & set(purl)


@pytest.mark.parametrize(
    "families",
    [
        ("amzn", "amazon", "Amazon Linux"),
        ("ol", "oracle", "oraclelinux"),
        ("alma", "almalinux"),
        ("rhel", "redhat", "Red Hat"),
        ("sles", "suse", "sle-micro"),
        ("opensuse", "opensuse.leap", "opensuse-tumbleweed"),
        ("rocky", "rocky-linux"),
        ("photon", "vmware"),
    ],
)
def test_families_of_distributions(families):
    assert len({distribution(each) for each in families}) == 1
    assert spellings(families[0]) == spellings(families[1])


@pytest.mark.parametrize(("one", "other"), [("centos", "redhat"), ("debian", "ubuntu"), ("suse", "opensuse")])
def test_other_distributions(one, other):
    assert distribution(one) != distribution(other)


@pytest.mark.parametrize(
    ("text", "name"), [("amzn-2", "amzn"), ("opensuse-leap-15.5", "opensuse-leap"), ("bookworm", ""), ("rhel", "rhel")]
)
def test_the_distribution_of_a_release(text, name):
    assert of_release(text) == name


@pytest.mark.parametrize(
    ("group", "name", "whole"),
    [
        ("@babel", "core", "@babel/core"),
        ("org.apache.logging.log4j", "log4j-core", "org.apache.logging.log4j:log4j-core"),
        ("github.com/gin-gonic", "gin", "github.com/gin-gonic/gin"),
        ("gopkg.in", "yaml.v2", "gopkg.in/yaml.v2"),
        ("go.uber.org", "zap", "go.uber.org/zap"),
        ("symfony", "http-kernel", "symfony/http-kernel"),
        ("", "bash", "bash"),
        ("@babel", "@babel/core", "@babel/core"),
    ],
)
def test_a_name_in_two_parts(group, name, whole):
    assert grouped(group, name) == whole
