"""What is suppressed, by whom, and what people learn about their rules and statements."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.suppression import Suppressor
from orchestrator.analysis.suppression.first_use import key_of
from orchestrator.model import IgnoreRule, MergedFinding, Suppression, VexProduct, VexStatement, VexStatus
from orchestrator.model.documents import spell_time

NOW = datetime(2026, 1, 10, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
REFERENCES = ("docker.io/library/app:1.2", "ghcr.io/team/app:stable@sha256:" + "b" * 64)
OWNERS = ("team-a", "team-b")
PURL = "pkg:deb/debian/openssl@1.1.1"


def finding(**fields):
    base = {
        "target": "t",
        "key": "k",
        "kind": "vulnerability",
        "id": "CVE-2020-1",
        "aliases": ("GHSA-aaaa-bbbb-cccc",),
        "package": "openssl",
        "version": "1.1.1",
        "purl": PURL,
        "locations": ("/usr/lib/a.so", "/usr/lib/b.so"),
        "found_by": ("dependency", "general"),
    }
    return MergedFinding(**(base | fields))


def rule(name="ignore.yaml:2", **fields):
    return IgnoreRule(**{"name": name, "reason": "because", "expires": "2026-06-01T00:00:00Z"} | fields)


def said(status="not_affected", **fields):
    base = {"source": "v.json", "ids": ("CVE-2020-1",), "timestamp": "2026-01-01T00:00:00Z"}
    return VexStatement(status=VexStatus(status), **(base | fields))


def suppressor(*known, first_used=None, now=NOW):
    suppression = Suppression(
        rules=tuple(each for each in known if isinstance(each, IgnoreRule)),
        statements=tuple(each for each in known if isinstance(each, VexStatement)),
    )
    return Suppressor(suppression, now=now, first_used=first_used or {})


def judge(*known, found=None, platform="linux/amd64", **options):
    made = suppressor(*known, **options)
    [result] = made.apply(REFERENCES, OWNERS, DIGEST, [found or finding()], platform=platform)
    return result


def is_suppressed(*known, **options):
    return judge(*known, **options).suppressed is not None


# --- rules


def test_a_rule_marks_and_takes_nothing_else_away():
    before = finding()
    after = judge(rule(id="CVE-2020-1", justification="component_not_present"), found=before)
    assert after.suppressed.by == "ignore.yaml:2"
    assert after.suppressed.reason == "because"
    assert after.suppressed.status == "ignored"
    assert after.suppressed.until == "2026-06-01T00:00:00Z"
    assert after.suppressed.justification == "component_not_present"
    assert after.vex == ""
    for field in MergedFinding.__struct_fields__:
        if field != "suppressed":
            assert getattr(after, field) == getattr(before, field)


@pytest.mark.parametrize(
    ("patterns", "matches"),
    [
        ({"id": "CVE-2020-1"}, True),
        ({"id": "cve-2020-1"}, True),
        ({"id": "CVE-2020-?"}, True),
        ({"id": "ghsa-aaaa-*"}, True),
        ({"id": "CVE-2020-10"}, False),
        ({"id": "CVE-2020-??"}, False),
        ({"package": "openssl"}, True),
        ({"package": "open*"}, True),
        ({"package": "OpenSSL"}, False),
        ({"package": "pkg:deb/debian/openssl"}, True),
        ({"package": "pkg:deb/debian/openssl@1.1.1"}, True),
        ({"package": "pkg:deb/*/openssl@1.1.*"}, True),
        ({"package": "pkg:deb/debian/openssl@2"}, False),
        ({"package": "pkg:rpm/*/openssl"}, False),
        ({"path": "/usr/lib/*"}, True),
        ({"path": "usr/lib/*.so"}, True),
        ({"path": "*/lib/*"}, True),
        ({"path": "/usr/lib/a.so"}, False),
        ({"path": "/opt/*"}, False),
        ({"id": "CVE-2020-1", "package": "zlib"}, False),
        ({"id": "CVE-2020-1", "path": "/opt/*"}, False),
        ({"id": "CVE-2020-1", "scan": "*e*"}, True),
        ({"id": "CVE-2020-1", "scan": "general"}, False),
        ({"id": "CVE-2020-1", "owner": "team-b"}, True),
        ({"id": "CVE-2020-1", "owner": "team-c"}, False),
        ({"id": "CVE-2020-1", "target": "app"}, True),
        ({"id": "CVE-2020-1", "target": "app:1.*"}, True),
        ({"id": "CVE-2020-1", "target": "library/app:1.2"}, True),
        ({"id": "CVE-2020-1", "target": "docker.io/library/*"}, True),
        ({"id": "CVE-2020-1", "target": "ghcr.io/team/app"}, True),
        ({"id": "CVE-2020-1", "target": "ghcr.io/team/app:stable"}, True),
        ({"id": "CVE-2020-1", "target": DIGEST}, True),
        ({"id": "CVE-2020-1", "target": "team/app"}, False),
        ({"id": "CVE-2020-1", "target": "app:2"}, False),
    ],
)
def test_what_a_rule_matches(patterns, matches):
    assert is_suppressed(rule(**patterns)) is matches


def test_repositories_match_by_their_address():
    for pattern in (
        "https://git.example/team/*",
        "https://git.example/team/shop",
        "https://git.example/team/shop#main",
    ):
        made = suppressor(rule(id="CVE-2020-1", target=pattern))
        [result] = made.apply(("https://git.example/team/shop#main",), (), "git:" + "c" * 40, [finding()])
        assert result.suppressed


def test_a_rule_on_paths_leaves_what_has_none():
    assert not is_suppressed(rule(path="/usr/*"), found=finding(locations=()))


def test_other_kinds_too():
    secret = finding(kind="secret", id="aws-key", aliases=(), package="", version="", purl="", locations=("app/x.pem",))
    assert is_suppressed(rule(id="aws-*", path="app/*"), found=secret)


def test_the_first_rule_that_holds_is_named():
    ended = rule("ignore.yaml:2", id="CVE-2020-1", expires="2026-01-10T00:00:00Z")
    first, second = rule("ignore.yaml:5", package="openssl"), rule("ignore.yaml:9", id="CVE-2020-*")
    assert judge(ended, first, second).suppressed.by == "ignore.yaml:5"


def test_an_expired_rule_says_so_loudly():
    made = suppressor(rule(id="CVE-2020-1", expires=spell_time(NOW)))
    [result, other] = made.apply(REFERENCES, OWNERS, DIGEST, [finding(), finding(id="CVE-1", aliases=())])
    assert result.suppressed is None
    assert other.suppressed is None
    [note] = made.notes()
    assert note.startswith("EXPIRED")
    assert "ignore.yaml:2" in note
    assert "1 finding " in note
    assert is_suppressed(rule(id="CVE-2020-1", expires=spell_time(NOW + timedelta(seconds=1))))


def test_an_expired_rule_that_nobody_misses_is_named_quietly():
    made = suppressor(rule(id="CVE-2019-1", expires="2026-01-01T00:00:00Z"))
    made.apply(REFERENCES, OWNERS, DIGEST, [finding()])
    [note] = made.notes()
    assert "ignore.yaml:2" in note
    assert "EXPIRED" not in note


def test_without_an_end_a_rule_ends_90_days_after_its_first_use():
    endless = rule(id="CVE-2020-1", expires="")
    assert judge(endless).suppressed.until == spell_time(NOW + timedelta(days=90))
    for days, holds in ((89, True), (90, False)):
        first_used = {key_of(endless): spell_time(NOW - timedelta(days=days))}
        assert is_suppressed(endless, first_used=first_used) is holds


def test_rules_that_end_soon_and_rules_that_match_nothing_are_named():
    made = suppressor(
        rule("ignore.yaml:1", id="CVE-2020-1", expires="2026-01-20T00:00:00Z"),
        rule("ignore.yaml:2", id="CVE-2020-2"),
        rule("ignore.yaml:3", id="CVE-2020-1", expires="2026-03-01T00:00:00Z"),
    )
    made.apply(REFERENCES, OWNERS, DIGEST, [finding()])
    soon, idle = made.notes()
    assert "ignore.yaml:1" in soon
    assert "10d" in soon
    assert "ignore.yaml:2" in idle
    assert "ignore.yaml:3" not in soon + idle


def test_notes_stay_few():
    rules = [rule(f"ignore.yaml:{number}", id=f"CVE-2020-{number}", expires=spell_time(NOW)) for number in range(500)]
    made = suppressor(*rules, *(said(source=f"{number}.json", ids=("CVE-1",)) for number in range(500)))
    made.apply(REFERENCES, OWNERS, DIGEST, [finding(id=f"CVE-2020-{number}") for number in range(250)])
    assert len(made.notes()) < 100


# --- VEX


@pytest.mark.parametrize(
    ("status", "suppresses"),
    [("not_affected", True), ("fixed", True), ("affected", False), ("under_investigation", False)],
)
def test_statuses(status, suppresses):
    result = judge(said(status, detail="so it is", justification="component_not_present"))
    assert result.vex == status
    if suppresses:
        assert result.suppressed.status == status
        assert result.suppressed.by == "v.json"
        assert result.suppressed.reason == "so it is"
        assert result.suppressed.until == ""
        assert result.suppressed.justification == "component_not_present"
    else:
        assert result.suppressed is None


@pytest.mark.parametrize(
    ("product", "matches"),
    [
        ({"target": f"pkg:oci/app@{DIGEST}"}, True),
        ({"target": f"pkg:oci/other@{DIGEST.replace(':', '%3A')}?repository_url=quay.io/x/other&arch=arm64"}, True),
        ({"target": "pkg:oci/app@sha256:" + "b" * 64}, True),
        ({"target": "pkg:oci/app@sha256:" + "c" * 64 + "?repository_url=docker.io/library/app"}, False),
        ({"target": DIGEST}, True),
        ({"target": "pkg:oci/app"}, True),
        ({"target": "pkg:oci/app?tag=stable"}, True),
        ({"target": "pkg:oci/app?tag=9"}, False),
        ({"target": "pkg:oci/app?repository_url=ghcr.io/team/app"}, True),
        ({"target": "pkg:oci/app?repository_url=https://ghcr.io/team&tag=stable"}, True),
        ({"target": "pkg:oci/app?repository_url=ghcr.io/team/app&tag=1.2"}, False),
        ({"target": "pkg:oci/app?repository_url=quay.io/team/app"}, False),
        ({"target": "pkg:oci/app?arch=amd64"}, True),
        ({"target": "pkg:oci/app?arch=x86_64"}, True),
        ({"target": "pkg:oci/app?arch=arm64"}, False),
        ({"target": "pkg:docker/app@1.2"}, True),
        ({"target": "pkg:docker/library/app"}, True),
        ({"target": "pkg:docker/team/app@stable?repository_url=ghcr.io"}, True),
        ({"target": "pkg:docker/team/app"}, False),
        ({"target": "pkg:docker/ghcr.io/team/app@stable"}, True),
        ({"target": "pkg:docker/library/app?platform=linux%2Famd64"}, True),
        ({"target": "pkg:docker/library/app?platform=linux%2Farm64"}, False),
        ({"target": "pkg:docker/library/app?platform=windows%2Famd64"}, False),
        ({"target": "app"}, True),
        ({"target": "app:1.2"}, True),
        ({"target": "App:1.2"}, True),
        ({"target": "docker.io/library/app:1.2"}, True),
        ({"target": "index.docker.io/library/app"}, True),
        ({"target": "ghcr.io/team/app@sha256:" + "b" * 64}, True),
        ({"target": "ghcr.io/team/app@sha256:" + "c" * 64}, False),
        ({"target": "app:1.3"}, False),
        ({"target": "https://example.org/app"}, False),
        ({"target": "pkg:maven/org.example/app@1"}, False),
        ({"package": PURL}, True),
        ({"package": f"{PURL}?arch=amd64&distro=debian-12"}, True),
        ({"package": f"{PURL}?arch=x86_64&epoch=0&upstream=openssl&distro=debian-11"}, True),
        ({"package": f"{PURL}?arch=arm64&distro=debian-12"}, False),
        ({"package": f"{PURL}?arch=armhf"}, False),
        ({"package": "pkg:deb/debian/openssl?arch=armhf"}, False),
        ({"package": "pkg:deb/debian/openssl?arch=amd64"}, True),
        ({"package": "pkg:deb/debian/openssl?arch=src"}, False),
        # Nobody says of which release it is, so a statement about one does not hold.
        ({"package": "pkg:deb/debian/openssl?distro=debian-12"}, False),
        ({"package": f"{PURL}#x"}, False),
        ({"package": f"{PURL}?checksum=sha1:ad9503c3e994a4f611a4892f2e67ac82df727086"}, False),
        ({"target": "app", "package": f"{PURL}?arch=armhf"}, False),
        ({"target": "pkg:oci/app?os=windows"}, False),
        ({"target": f"pkg:oci/app@{DIGEST}?os=windows"}, False),
        ({"target": "pkg:oci/app?os=linux"}, True),
        ({"target": f"pkg:oci/app@{DIGEST}#usr/bin"}, False),
        ({"package": "pkg:deb/debian/openssl"}, True),
        ({"package": "pkg:DEB/Debian/OpenSSL@1.1.1"}, True),
        ({"package": "pkg:deb/debian/openssl@0:1.1.1"}, True),
        ({"package": "pkg:deb/debian/openssl@1.1.2"}, False),
        ({"package": "pkg:deb/ubuntu/openssl@1.1.1"}, False),
        ({"package": "pkg:generic/openssl@1.1.1"}, False),
        ({"package": "openssl"}, True),
        ({"package": "openssl", "version": "1.1.1"}, True),
        ({"package": "openssl", "version": "1.1.2"}, False),
        ({"target": "app", "package": PURL}, True),
        ({"target": "app", "package": "pkg:deb/debian/zlib"}, False),
        ({"target": "other", "package": PURL}, False),
    ],
)
def test_products(product, matches):
    assert is_suppressed(said(products=(VexProduct(**product),))) is matches


@pytest.mark.parametrize(
    ("target", "matches"),
    [("dir:/home/me/app", True), ("pkg:oci/app", False), ("pkg:oci/app?tag=1", False), ("app", False)],
)
def test_a_plain_folder_is_no_image_whatever_it_is_called(target, matches):
    for folder in ("dir:/home/me/app", "dir:/home/me/app:1")[: 1 if matches else 2]:
        made = suppressor(said(products=(VexProduct(target=target),)))
        [result] = made.apply((folder,), (), "git:" + "c" * 40, [finding()])
        assert (result.suppressed is not None) is matches


@pytest.mark.parametrize(
    ("found", "package", "matches"),
    [
        ({"purl": "pkg:golang/github.com/x/y@1.2.3", "version": "1.2.3"}, "pkg:golang/github.com/X/Y@v1.2.3", True),
        ({"purl": "pkg:npm/%40babel/core@7.0.0", "version": "7.0.0"}, "pkg:npm/@babel/core@7.0.0", True),
        ({"purl": "pkg:pypi/zope-interface@5", "version": "5"}, "pkg:pypi/Zope.Interface@5", True),
        ({"purl": "pkg:rpm/redhat/bind@32:9.11", "version": "32:9.11"}, "pkg:rpm/redhat/bind@9.11?epoch=32", True),
        ({"purl": "", "package": "thing", "version": "3"}, "pkg:generic/thing@3", True),
        ({"purl": "", "package": "thing", "version": "3"}, "pkg:npm/thing@3", False),
        ({"purl": "", "package": "", "version": ""}, "pkg:npm/thing", False),
    ],
)
def test_spellings_of_packages(found, package, matches):
    statement = said(products=(VexProduct(package=package),))
    assert is_suppressed(statement, found=finding(**found)) is matches


def test_repositories_as_products():
    commit = "c" * 40
    for product, matches in [
        ("https://github.com/Team/shop", True),
        ("pkg:github/team/shop", True),
        (f"pkg:github/team/shop@{commit}", True),
        ("pkg:github/team/shop@main", True),
        ("pkg:github/team/shop@v1", False),
        (f"pkg:generic/shop@{commit}?vcs_url=git%2Bhttps://github.com/team/shop.git%40{commit}", True),
        ("pkg:gitlab/team/shop", False),
    ]:
        made = suppressor(said(products=(VexProduct(target=product),)))
        [result] = made.apply(("https://github.com/team/shop#main",), (), f"git:{commit}", [finding()])
        assert (result.suppressed is not None) is matches, product


def test_an_unknown_platform_is_any():
    statement = said(products=(VexProduct(target="pkg:oci/app?arch=arm64"),))
    assert is_suppressed(statement, platform="")
    assert not is_suppressed(statement, platform="linux/amd64")
    assert is_suppressed(statement, platform="linux/arm64/v8")


def test_by_any_alias_whatever_its_case():
    assert is_suppressed(said(ids=("x-1", "ghsa-AAAA-bbbb-cccc")))
    assert not is_suppressed(said(ids=("x-1",)))


def test_the_latest_statement_holds():
    old = said("not_affected", timestamp="2026-01-01T00:00:00.5Z", source="old")
    new = said("affected", timestamp="2026-01-01T00:00:01Z", source="new")
    untimed = said("fixed", timestamp="", source="untimed")
    assert judge(old, new, untimed).vex == "affected"
    assert judge(new, old).suppressed is None
    assert judge(old, untimed).suppressed.by == "old"


def test_a_narrower_product_is_no_stronger():
    narrow = said("affected", products=(VexProduct(target="app", package=PURL),))
    wide = said("not_affected", products=(VexProduct(target="app"),), timestamp="2026-01-02T00:00:00Z")
    assert is_suppressed(narrow, wide)


def test_contradicting_statements_suppress_nothing_and_are_reported():
    one, other = said("not_affected", source="one.json"), said("affected", source="other.json")
    made = suppressor(one, other)
    [result] = made.apply(REFERENCES, OWNERS, DIGEST, [finding()])
    assert result.suppressed is None
    assert result.vex == "affected"
    [note] = made.notes()
    assert {"one.json", "other.json", "CVE-2020-1"} <= set(note.replace(":", " ").split())
    later = said("fixed", source="last.json", timestamp="2026-01-02T00:00:00Z")
    made = suppressor(one, other, later)
    [result] = made.apply(REFERENCES, OWNERS, DIGEST, [finding()])
    assert result.suppressed.by == "last.json"
    assert made.notes() == []


def test_statements_that_agree_are_no_contradiction():
    made = suppressor(said("fixed"), said("not_affected", source="w.json"))
    [result] = made.apply(REFERENCES, OWNERS, DIGEST, [finding()])
    assert result.suppressed
    assert made.notes() == []


def test_statements_about_nothing_are_counted_by_document():
    made = suppressor(said(), said(ids=("CVE-1",)), said(ids=("CVE-2",), source="w.json"))
    made.apply(REFERENCES, OWNERS, DIGEST, [finding()])
    first, second = made.notes()
    assert "1 of 2" in first
    assert "CVE-1" in first
    assert "w.json" in second


def test_a_rule_suppresses_what_vex_calls_affected():
    result = judge(said("affected"), rule(id="CVE-2020-1"))
    assert result.suppressed.status == "ignored"
    assert result.vex == "affected"


def test_vex_is_named_before_a_rule():
    result = judge(said("fixed"), rule(id="CVE-2020-1"))
    assert result.suppressed.status == "fixed"


def test_an_expired_rule_is_not_missed_where_vex_suppresses():
    made = suppressor(said("fixed"), rule(id="CVE-2020-1", expires="2026-01-01T00:00:00Z"))
    made.apply(REFERENCES, OWNERS, DIGEST, [finding()])
    assert not any(note.startswith("EXPIRED") for note in made.notes())


def test_order_is_kept_and_nothing_is_done_without_anything_to_do():
    findings = [finding(id=f"CVE-2020-{number}", aliases=()) for number in range(9)]
    after = suppressor(rule(id="CVE-2020-[13]")).apply(REFERENCES, OWNERS, DIGEST, findings)
    assert [each.id for each in after] == [each.id for each in findings]
    assert [each.id for each in after if each.suppressed] == ["CVE-2020-1", "CVE-2020-3"]
    assert suppressor().apply(REFERENCES, OWNERS, DIGEST, findings) == findings


_IDS = st.sampled_from(["CVE-2020-1", "CVE-2020-2", "GHSA-aaaa-bbbb-cccc"])
_STATEMENTS = st.lists(
    st.builds(
        said,
        st.sampled_from(list(VexStatus)),
        source=st.sampled_from(["a", "b", "c"]),
        ids=st.tuples(_IDS),
        products=st.lists(
            st.builds(
                VexProduct,
                target=st.sampled_from(["", "app", "other", f"pkg:oci/app@{DIGEST}"]),
                package=st.sampled_from(["", PURL, "pkg:deb/debian/openssl", "pkg:deb/debian/zlib", "openssl"]),
            ),
            max_size=3,
        ).map(tuple),
        timestamp=st.sampled_from(["", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
        detail=st.sampled_from(["", "x", "y"]),
    ),
    max_size=8,
)


@given(_STATEMENTS, st.randoms(use_true_random=False))
def test_the_order_of_statements_is_no_matter(statements, shuffle: random.Random):
    findings = [finding(), finding(id="CVE-2020-2", aliases=(), package="zlib", purl="pkg:deb/debian/zlib@1")]
    shuffled = list(statements)
    shuffle.shuffle(shuffled)
    one, other = suppressor(*statements), suppressor(*shuffled)
    assert one.apply(REFERENCES, OWNERS, DIGEST, findings) == other.apply(REFERENCES, OWNERS, DIGEST, findings)
    assert len(one.notes()) == len(other.notes())


_PATTERN = st.text(st.sampled_from("ab*?[]/.-1"), max_size=6)


@given(st.lists(st.fixed_dictionaries({"id": _PATTERN, "package": _PATTERN, "path": _PATTERN}), max_size=6))
def test_the_index_finds_what_asking_every_rule_finds(patterns):
    rules = [rule(f"r:{number}", **each) for number, each in enumerate(patterns) if any(each.values())]
    findings = [
        finding(id=id_, aliases=(), package=package, purl="", locations=(path,))
        for id_ in ("a-1", "b")
        for package in ("a.b", "1")
        for path in ("a/b", "/b/1.a")
    ]
    together = suppressor(*rules).apply(REFERENCES, OWNERS, DIGEST, findings)
    for index, one in enumerate(together):
        alone = [each for each in rules if is_suppressed(each, found=findings[index])]
        assert (one.suppressed.by if one.suppressed else "") == (alone[0].name if alone else "")


@pytest.mark.parametrize("spelt", ["log4j-core", "org.apache.logging.log4j:log4j-core"])
@pytest.mark.parametrize(
    "pattern", ["log4j-core", "org.apache.logging.log4j:log4j-core", "log4j-*", "*log4j/log4j-core"]
)
def test_a_package_is_meant_by_whatever_name_a_scanner_has_for_it(spelt, pattern):
    found = finding(package=spelt, version="2.14.1", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1")
    assert is_suppressed(rule(package=pattern), found=found)
    assert is_suppressed(said(products=(VexProduct(package="log4j-core"),)), found=found)
    assert not is_suppressed(rule(package="log4j-api"), found=found)


# --- ranges of versions


@pytest.mark.parametrize(
    ("product", "matches"),
    [
        (VexProduct(package="pkg:deb/debian/openssl", range="vers:deb/<1.1.2"), True),
        (VexProduct(package="pkg:deb/debian/openssl", range="vers:deb/<1.1.1"), False),
        (VexProduct(package="pkg:deb/debian/openssl", range="vers:deb/>=1.0|<=1.1.1"), True),
        (VexProduct(package="pkg:deb/debian/openssl", range="vers:generic/>=1.0|<=1.1.1"), True),
        (VexProduct(package="pkg:deb/debian/openssl", range="vers:deb/*"), True),
        (VexProduct(package="pkg:deb/debian/zlib", range="vers:deb/*"), False),
        (VexProduct(package="openssl", range="vers:deb/<2"), True),
        (VexProduct(target="ghcr.io/other", package="pkg:deb/debian/openssl", range="vers:deb/*"), False),
        # Of a target it is the tag that is in the range, and the one under that very name.
        (VexProduct(target="app", range="vers:semver/>=1.0|<2"), True),
        (VexProduct(target="app", range="vers:semver/>=2"), False),
        (VexProduct(target="ghcr.io/team/app", range="vers:semver/>=1.0|<2"), False),
        (VexProduct(target="pkg:docker/app", range="vers:semver/>=1.0|<2"), True),
        (VexProduct(target="pkg:oci/app?arch=amd64", range="vers:semver/>=1.0|<2"), True),
        (VexProduct(target="pkg:oci/app?arch=arm64", range="vers:semver/>=1.0|<2"), False),
        # What stands in a plan of another version, and is not understood here, suppresses nothing.
        (VexProduct(package="pkg:deb/debian/openssl", range="vers:nobody/<2"), False),
    ],
)
def test_versions_in_a_range(product, matches):
    assert is_suppressed(said(products=(product,))) is matches


def test_an_official_example_of_affected_and_unaffected_ranges():
    """Affected from 1.5.0 on and before 7.0.0, and not affected else: as CycloneDX's fifth VEX use case has it."""
    known = (
        said("affected", products=(VexProduct(target="app", range="vers:semver/<7.0.0|>=1.5.0"),)),
        said("not_affected", products=(VexProduct(target="app", range="vers:semver/<1.5.0|>=7.0.0"),)),
    )
    for tag, vex in [("1.4", "not_affected"), ("1.5.0", "affected"), ("6", "affected"), ("7.0.0", "not_affected")]:
        [judged] = suppressor(*known).apply([f"docker.io/library/app:{tag}"], [], DIGEST, [finding()])
        assert judged.vex == vex


def test_a_version_in_the_package_url_of_an_image_is_its_tag():
    for version, matches in [("1.2", True), ("1.3", False)]:
        product = VexProduct(target=f"pkg:oci/app@{version}?repository_url=docker.io/library/app")
        assert is_suppressed(said(products=(product,))) is matches


# --- the digest of an index, which `docker pull` prints

INDEX = "sha256:" + "d" * 64


def by_index(*known, platform="linux/amd64", indexes=("sha256:" + "e" * 64, INDEX)):
    [judged] = suppressor(*known).apply(
        ["docker.io/library/app:1.2"], (), DIGEST, [finding()], platform=platform, indexes=indexes
    )
    return judged.suppressed is not None


@pytest.mark.parametrize(
    ("target", "matches"),
    [
        (f"pkg:oci/app@{INDEX}", True),
        (f"pkg:oci/app@{INDEX.replace(':', '%3A')}?repository_url=docker.io/library/app", True),
        (f"pkg:oci/app@{INDEX}?arch=amd64", True),
        (f"pkg:oci/app@{INDEX}?arch=arm64", False),
        (f"pkg:docker/app@{INDEX}", True),
        (f"docker.io/library/app@{INDEX}", True),
        (f"other/name@{INDEX}", True),
        (INDEX, True),
        (DIGEST, True),
        # What the image's own digest says of its architecture is surer than what an author writes beside it.
        (f"pkg:oci/app@{DIGEST}?arch=arm64", True),
        ("sha256:" + "f" * 64, False),
    ],
)
def test_an_image_by_the_digest_of_its_index(target, matches):
    assert by_index(said(products=(VexProduct(target=target),))) is matches
    assert by_index(said(products=(VexProduct(target=target, package=PURL),))) is matches
    assert not by_index(said(products=(VexProduct(target=target, package="pkg:deb/debian/zlib"),)))


def test_a_rule_by_the_digest_of_an_index():
    assert by_index(rule(id="CVE-2020-1", target=INDEX))
    assert not by_index(rule(id="CVE-2020-1", target=INDEX), indexes=())


@pytest.mark.parametrize(
    "written", [" cve-2020-1", "CVE-2020-1\u00a0", "ghsa-AAAA-bbbb-cccc", "\u200bcve\u20112020-[1]"]
)
def test_ids_of_rules_match_whatever_their_case_and_blanks(written):
    assert judge(rule(id=written)).suppressed is not None


@pytest.mark.parametrize("written", ["\u00a0cve-2020-1 ", "GHSA-aaaa-BBBB-cccc\t"])
def test_ids_of_statements_match_whatever_their_case_and_blanks(written):
    assert judge(said(ids=(written,))).suppressed is not None
