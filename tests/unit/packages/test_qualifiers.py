"""Qualifiers of package URLs: what an author writes must hold, and nothing is hidden by a guess."""

import pytest

from orchestrator.packages.qualifiers import TargetSurroundings, hold, is_exact, platforms_meant, qualifiers_of

AMD64 = TargetSurroundings("linux", "amd64")
DEBIAN = TargetSurroundings("linux", "amd64", frozenset({"debian-12"}))


def holds(demanded, found="", around=AMD64, *, glob=False):
    kind = demanded.removeprefix("pkg:").partition("/")[0]
    return hold(qualifiers_of(demanded), kind, qualifiers_of(found), around, exact=is_exact(demanded), glob=glob)


@pytest.mark.parametrize(
    ("demanded", "found", "expected"),
    [
        ("pkg:deb/debian/x", "pkg:deb/debian/x?arch=amd64&distro=debian-12", True),
        ("pkg:deb/debian/x?arch=armhf", "pkg:deb/debian/x?arch=armhf", True),
        ("pkg:deb/debian/x?arch=armhf", "pkg:deb/debian/x?arch=amd64", False),
        ("pkg:deb/debian/x@1?arch=armhf", "pkg:deb/debian/x@1?arch=amd64", False),
        ("pkg:deb/debian/x?arch=all", "pkg:deb/debian/x?arch=all", True),
        ("pkg:deb/debian/x?arch=all", "pkg:deb/debian/x?arch=amd64", False),
        ("pkg:rpm/redhat/x?arch=x86_64", "pkg:rpm/redhat/x?arch=amd64", True),
        ("pkg:rpm/redhat/x?arch=noarch", "pkg:rpm/redhat/x", True),
        ("pkg:rpm/redhat/x?arch=src", "pkg:rpm/redhat/x?arch=x86_64", False),
        # Of what nobody says the architecture it is that of the image.
        ("pkg:rpm/redhat/x?arch=x86_64", "pkg:rpm/redhat/x", True),
        ("pkg:rpm/redhat/x?arch=aarch64", "pkg:rpm/redhat/x", False),
        # Releases.
        ("pkg:deb/debian/x?distro=debian-11", "pkg:deb/debian/x?distro=debian-12", False),
        ("pkg:deb/debian/x?distro=debian-12", "pkg:deb/debian/x?distro=debian-12.4", True),
        ("pkg:deb/debian/x?distro=bookworm", "pkg:deb/debian/x?distro=debian-12", True),
        ("pkg:deb/debian/x?distro=bullseye", "pkg:deb/debian/x?distro=debian-12", False),
        ("pkg:deb/ubuntu/x?distro=ubuntu-22.04", "pkg:deb/ubuntu/x?distro=jammy", True),
        ("pkg:deb/debian/x?distro=debian-12", "pkg:deb/ubuntu/x?distro=ubuntu-12", False),
        ("pkg:rpm/redhat/x?distro=rhel-9", "pkg:rpm/redhat/x?distro=redhat-9.4", True),
        ("pkg:apk/alpine/x?distro=alpine-3.18", "pkg:apk/alpine/x?distro=3.18.4", True),
        ("pkg:apk/alpine/x?distro=alpine-3.1", "pkg:apk/alpine/x?distro=3.18.4", False),
        ("pkg:deb/debian/x?distro=debian-11", "pkg:deb/debian/x", False),
        ("pkg:deb/debian/x?distro=sid", "pkg:deb/debian/x?distro=debian-12", False),
        ("pkg:deb/debian/x@1?distro=debian-11", "pkg:deb/debian/x@1?distro=debian-12", True),
        # As Trivy and Syft spell releases, and as authors do.
        ("pkg:rpm/amzn/x?distro=amzn-2", "pkg:rpm/amazon/x?distro=amazon-2+%28Karoo%29", True),
        ("pkg:rpm/amzn/x?distro=amazon-2023.3.20231218+%28Amazon+Linux%29", "pkg:rpm/amzn/x?distro=amzn-2023", True),
        ("pkg:rpm/amzn/x?distro=amzn-2023", "pkg:rpm/amazon/x?distro=amazon-2+%28Karoo%29", False),
        ("pkg:deb/ubuntu/x?distro=trusty", "pkg:deb/ubuntu/x?distro=ubuntu-14.04", True),
        ("pkg:deb/debian/x?distro=sid", "pkg:deb/debian/x?distro=debian-unstable", True),
        ("pkg:apk/wolfi/x?distro=wolfi", "pkg:apk/wolfi/x?distro=wolfi-20230201", True),
        ("pkg:deb/debian/x?distro=debian", "pkg:deb/debian/x?distro=debian-12.4", True),
        ("pkg:deb/debian/x?distro=debian-12", "pkg:deb/debian/x?distro=debian", False),
        ("pkg:deb/x?distro=debian", "pkg:deb/x?distro=ubuntu-22.04", False),
        ("pkg:deb/ubuntu/x?distro=zesty", "pkg:deb/ubuntu/x?distro=22.04", False),
        ("pkg:rpm/opensuse/x?distro=opensuse-tumbleweed", "pkg:rpm/opensuse/x?distro=opensuse-leap-15.5", False),
        ("pkg:rpm/opensuse/x?distro=opensuse", "pkg:rpm/opensuse/x?distro=opensuse.leap-15.5", True),
        # Modules of RPM: Syft's spelling, and Trivy's.
        ("pkg:rpm/redhat/x?rpmmod=nodejs:18", "pkg:rpm/redhat/x?modularitylabel=nodejs%3A18%3A809%3Aa75119d5", True),
        ("pkg:rpm/redhat/x?rpmmod=nodejs:16", "pkg:rpm/redhat/x?modularitylabel=nodejs%3A18%3A809%3Aa75119d5", False),
        ("pkg:rpm/redhat/x?modularitylabel=nodejs:18:809", "pkg:rpm/redhat/x?rpmmod=nodejs%3A18", True),
        ("pkg:rpm/redhat/x?rpmmod=nodejs:1", "pkg:rpm/redhat/x?rpmmod=nodejs%3A18", False),
        ("pkg:rpm/redhat/x?rpmmod=nodejs:18", "pkg:rpm/redhat/x", False),
        ("pkg:rpm/redhat/x@1.module+el8?rpmmod=nodejs:18", "pkg:rpm/redhat/x", True),
        # Other types.
        ("pkg:golang/x/y@v1?type=module", "pkg:golang/x/y@v1", True),
        ("pkg:golang/x/y@v1?type=package", "pkg:golang/x/y@v1", False),
        ("pkg:maven/g/a?type=jar", "pkg:maven/g/a", True),
        ("pkg:maven/g/a?type=war", "pkg:maven/g/a", False),
        ("pkg:maven/g/a@1?classifier=sources", "pkg:maven/g/a@1", False),
        ("pkg:maven/g/a?classifier=sources&type=jar", "pkg:maven/g/a?classifier=sources", True),
        ("pkg:maven/g/a?repository_url=repo.example", "pkg:maven/g/a", False),
        ("pkg:maven/g/a?repository_url=repo.example", "pkg:maven/g/a?repository_url=repo.example", True),
        ("pkg:npm/a@1?checksum=sha1:aa", "pkg:npm/a@1?checksum=sha1:bb", False),
        ("pkg:npm/a#lib", "pkg:npm/a", False),
        ("pkg:npm/a#lib", "pkg:npm/a#lib", True),
        ("pkg:golang/x/y?goos=windows", "pkg:golang/x/y", False),
        ("pkg:golang/x/y?goos=linux&goarch=amd64", "pkg:golang/x/y", True),
        ("pkg:gem/a@1?platform=java", "pkg:gem/a@1", True),
        ("pkg:gem/a@1?platform=java", "pkg:gem/a@1?platform=ruby", False),
        # What says nothing of which package it is.
        ("pkg:deb/debian/x?epoch=1&upstream=y&package-id=f00", "pkg:deb/debian/x", True),
        ("pkg:golang/x/y@1#v2", "pkg:golang/x/y@1", True),
    ],
)
def test_what_holds(demanded, found, expected):
    assert holds(demanded, found) is expected


def test_of_several_that_one_row_stands_for_each_must_be_meant():
    both = (("arch", "amd64"), ("arch", "armhf"))
    assert not hold((("arch", "armhf"),), "deb", both, AMD64, exact=True)
    spelt = (("distro", "12.4"), ("distro", "debian-12"))
    assert hold((("distro", "debian-12"),), "deb", spelt, AMD64, exact=False)


def test_a_release_that_only_other_packages_say():
    assert holds("pkg:deb/debian/x?distro=debian-12", around=DEBIAN)
    assert not holds("pkg:deb/debian/x?distro=debian-11", around=DEBIAN)


def test_an_image_of_arm_and_one_of_nobody_knows_what():
    for architecture, expected in (("arm", True), ("arm64", False), ("", False)):
        assert holds("pkg:deb/debian/x?arch=armhf", around=TargetSurroundings("linux", architecture)) is expected


def test_patterns_of_rules():
    found = "pkg:deb/debian/x?distro=debian-12&arch=amd64"
    assert holds("pkg:deb/debian/*?distro=debian-*", found, glob=True)
    assert not holds("pkg:deb/debian/*?arch=arm*", found, glob=True)
    assert not holds("pkg:deb/debian/x?distro=debian-*", found)


def test_a_wildcard_begins_no_qualifier():
    assert qualifiers_of("pkg:deb/debian/lib?ssl@1") == ()


@pytest.mark.parametrize(
    ("pattern", "platform", "meant"),
    [
        ("pkg:deb/debian/bash@5?arch=amd64&distro=debian-12", "linux/amd64", True),
        ("pkg:rpm/redhat/bash?arch=x86_64", "linux/amd64", True),
        ("pkg:rpm/redhat/bash?arch=noarch", "linux/arm64", True),
        ("pkg:deb/debian/bash?arch=arm*", "linux/arm64/v8", True),
        ("pkg:deb/debian/bash@5?arch=armhf", "linux/amd64", False),
        ("pkg:golang/stdlib?goos=windows", "linux/amd64", False),
        ("pkg:golang/stdlib?goos=windows", "", True),
    ],
)
def test_a_search_asks_for_what_the_platform_decides(pattern, platform, meant):
    assert platforms_meant(pattern)(platform) is meant


@pytest.mark.parametrize("pattern", ["", "bash", "bash?arch=armhf", "pkg:maven/a/b?classifier=sources", "pkg:npm/a?ch"])
def test_everything_else_may_be_on_any_platform(pattern):
    assert platforms_meant(pattern) is None


@pytest.mark.parametrize(("text", "exact"), [("pkg:npm/@a/b", False), ("pkg:npm/a@1", True), ("pkg:npm/a@1.*", False)])
def test_exact_versions(text, exact):
    assert is_exact(text) is exact


def test_hostile_ones_cost_nothing():
    for text in ("debian-" * 50_000, "1" * 500_000, "-" * 500_000 + "x"):
        assert not holds(f"pkg:deb/x?distro={text}", "pkg:deb/x?distro=debian-12")
