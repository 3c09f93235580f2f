"""One thing is one row, whichever scanner found it and whatever they call it."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.merge import CellFindings, canonical, merge
from orchestrator.analysis.merge.names import cves_of, spell
from orchestrator.findings import formats
from orchestrator.model import KINDS, Cvss, Finding, Outcome, Severity
from tests.examples import examples

REPORTS = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "reports"
EVERY = frozenset(KINDS)
LOG4J = "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"


def vulnerability(name, package="x", version="1", **fields):
    fields.setdefault("purl", f"pkg:npm/{package}@{version}" if package else "")
    return Finding(id=name, kind="vulnerability", package=package, version=version, **fields)


def cell(scan, *findings, kinds=EVERY, outcome=Outcome.OK):
    return CellFindings(scan, outcome, frozenset(kinds), findings)


def rows(*lists, **fields):
    """The rows of scans `a`, `b`, … with these findings."""
    return merge("t", [cell(chr(ord("a") + number), *findings) for number, findings in enumerate(lists)])


def by_id(found):
    assert len({row.id for row in found}) == len(found)
    return {row.id: row for row in found}


# --- the same vulnerability, as scanners really write it ------------------------------------------------------------


def test_log4j_of_four_scanners_is_one_row():
    grype = vulnerability(
        "GHSA-jfh8-c2jp-5v3q",
        "log4j-core",
        "2.14.1",
        purl=LOG4J,
        aliases=("CVE-2021-44228",),
        severity=Severity.CRITICAL,
        title="Remote code injection in Log4j",
        location="/app/lib/log4j-core-2.14.1.jar",
        fixed_version="2.15.0",
        cvss=Cvss(score=10.0, version="3.1", vector="CVSS:3.1/AV:N"),
    )
    trivy = vulnerability(
        "CVE-2021-44228",
        "org.apache.logging.log4j:log4j-core",
        "2.14.1",
        purl="",
        severity=Severity.CRITICAL,
        location="app/lib/log4j-core-2.14.1.jar",
        fixed_version="2.15.0, 2.3.1, 2.12.2",
        cvss=Cvss(score=9.3, version="2.0"),
    )
    osv = vulnerability(
        "GHSA-jfh8-c2jp-5v3q",
        "org.apache.logging.log4j:log4j-core",
        "2.14.1",
        purl="pkg:maven/org.apache.logging.log4j%3Alog4j-core@2.14.1",
        severity=Severity.HIGH,
        fixed_version="2.16.0",
        location="/app/pom.xml",
    )
    sarif = vulnerability("CVE-2021-44228", "log4j-core", "2.14.1", purl="", severity=Severity.UNKNOWN)
    (row,) = merge(
        "t",
        [
            cell("dependency", grype),
            cell("general", trivy),
            cell("virus", kinds={"malware"}),
            cell("osv", osv),
            cell("sarif", sarif),
            cell("sbom", kinds={"vulnerability"}),
            cell("late", kinds={"vulnerability"}, outcome=Outcome.FAILED),
            cell("never", kinds={"vulnerability"}, outcome=Outcome.SKIPPED),
        ],
    )
    assert (row.id, row.aliases) == ("CVE-2021-44228", ("GHSA-jfh8-c2jp-5v3q",))
    assert row.key == "vulnerability|CVE-2021-44228|pkg:maven/org.apache.logging.log4j/log4j-core"
    assert (row.package, row.version, row.purl, row.ecosystem) == ("log4j-core", "2.14.1", LOG4J, "maven")
    assert row.severity is Severity.CRITICAL
    assert row.severities == {
        "dependency": Severity.CRITICAL,
        "general": Severity.CRITICAL,
        "osv": Severity.HIGH,
        "sarif": Severity.UNKNOWN,
    }
    assert row.found_by == ("dependency", "general", "osv", "sarif")
    assert (row.not_found_by, row.not_scanned_by) == (("sbom",), ("late", "never"))
    assert row.fixed_version == "2.16.0"
    assert row.locations == ("/app/lib/log4j-core-2.14.1.jar", "/app/pom.xml")
    assert row.cvss == grype.cvss
    assert row.title == grype.title


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("pkg:rpm/centos/bind-libs@9.11.4?arch=x86_64&epoch=32", "pkg:rpm/redhat/bind-libs@32:9.11.4"),
        ("pkg:deb/debian/libssl1.1@1.1.1d-0", "pkg:deb/ubuntu/libssl1.1@1.1.1d-0?distro=x"),
        ("pkg:alpine/musl@1.2", "pkg:apk/alpine/musl@1.2?arch=x"),
    ],
)
def test_distributions(first, second):
    (row,) = rows(
        [vulnerability("CVE-2021-1", "p", "", purl=first)], [vulnerability("CVE-2021-1", "p", purl=second, version="")]
    )
    assert row.purl == canonical(first, "p", "").purl


def test_a_name_alone_with_and_without_an_epoch():
    """Trivy before 0.45 writes no package URLs, but epochs."""
    spellings = [("pkg:rpm/redhat/bind@9.11?epoch=32", "32:9.11"), ("", "32:9.11"), ("", "9.11")]
    found = [[vulnerability("CVE-2021-1", "bind", version, purl=purl)] for purl, version in spellings]
    for several in (found, found[::-1], found[:2], found[1:], found[::2]):
        (row,) = rows(*several)
        assert row.version == "32:9.11"


# --- names ------------------------------------------------------------------------------------------------------------


def test_an_advisory_of_several_cves_contributes_to_each_and_merges_none():
    advisory = vulnerability("ELSA-2021-1", aliases=("CVE-2021-1", "CVE-2021-2"), severity=Severity.HIGH)
    found = by_id(rows([advisory], [vulnerability("CVE-2021-1"), vulnerability("CVE-2021-3")]))
    assert {name: row.found_by for name, row in found.items()} == {
        "CVE-2021-1": ("a", "b"),
        "CVE-2021-2": ("a",),
        "CVE-2021-3": ("b",),
    }
    assert found["CVE-2021-1"].aliases == found["CVE-2021-2"].aliases == ("ELSA-2021-1",)


@pytest.mark.parametrize("name", ["UBUNTU-CVE-2021-1", "DEBIAN-CVE-2021-1", "ALPINE-CVE-2021-1", "cve-2021-1"])
def test_an_id_with_a_cve_in_it_is_that_cve(name):
    (row,) = rows([vulnerability(name)], [vulnerability("CVE-2021-1")])
    assert row.id == "CVE-2021-1"
    assert row.aliases == (() if name == "cve-2021-1" else (name,))


def test_ids_without_a_cve_are_linked_by_others_of_the_package():
    known = vulnerability("CVE-2021-1", aliases=("GHSA-aaaa-bbbb-cccc",))
    chain = [vulnerability("GO-2021-9", aliases=("SNYK-1",)), vulnerability("SNYK-1", aliases=("ghsa-AAAA-bbbb-cccc",))]
    (row,) = rows([known], chain)
    assert (row.id, row.found_by) == ("CVE-2021-1", ("a", "b"))
    assert row.aliases == ("GHSA-aaaa-bbbb-cccc", "GO-2021-9", "SNYK-1")
    elsewhere = [vulnerability("SNYK-1", package="y")]
    assert {(row.id, row.package) for row in rows([known], elsewhere)} == {("CVE-2021-1", "x"), ("SNYK-1", "y")}


def test_what_has_no_cve_at_all_is_named_by_its_ghsa_else_by_the_first_scan():
    (row,) = rows([vulnerability("GO-2021-9")], [vulnerability("GHSA-aaaa-bbbb-cccc", aliases=("GO-2021-9",))])
    assert (row.id, row.aliases) == ("GHSA-aaaa-bbbb-cccc", ("GO-2021-9",))
    (row,) = rows([vulnerability("GO-2021-9")], [vulnerability("A-1", aliases=("GO-2021-9",))])
    assert (row.id, row.aliases) == ("GO-2021-9", ("A-1",))


def test_two_versions_of_a_package_are_two_rows_with_the_same_key():
    first, second = rows([vulnerability("CVE-2021-1", version="1"), vulnerability("CVE-2021-1", version="2")])
    assert first.key == second.key
    assert (first.version, second.version) == ("1", "2")


def test_keys_are_readable_and_their_parts_cannot_be_mixed_up():
    found = rows(
        [Finding(id="a|b%", kind="secret", location="/x|y\n"), Finding(id="a", kind="secret", location="b%|/x|y")]
    )
    assert {row.key for row in found} == {"secret|a%7Cb%25|x%7Cy%0A", "secret|a|b%25%7C/x%7Cy"}


# --- other kinds ------------------------------------------------------------------------------------------------------


def test_other_kinds_are_merged_by_id_or_alias_package_and_location():
    one = [
        Finding(id="AVD-DS-0002", kind="misconfiguration", aliases=("DS002",), location="Dockerfile"),
        Finding(id="aws-key", kind="secret", location="/app/.env"),
        Finding(id="GPL-3.0", kind="license", package="x", version="1", purl="pkg:npm/x@1"),
    ]
    two = [
        Finding(id="DS002", kind="misconfiguration", location="./Dockerfile"),
        Finding(id="aws-key", kind="secret", location="app/.env"),
        Finding(id="aws-key", kind="secret", location="app/other"),
        Finding(id="GPL-3.0", kind="license", package="x", version="1"),
    ]
    found = rows(one, two)
    assert [(row.kind, row.id, row.locations, row.found_by) for row in found] == [
        ("secret", "aws-key", ("/app/.env",), ("a", "b")),
        ("secret", "aws-key", ("app/other",), ("b",)),
        ("misconfiguration", "AVD-DS-0002", ("./Dockerfile",), ("a", "b")),
        ("license", "GPL-3.0", (), ("a", "b")),
    ]


def test_vulnerabilities_without_a_package_are_distinguished_by_location():
    found = rows([vulnerability("CVE-2021-1", "", location="/a"), vulnerability("CVE-2021-1", "", location="/b")])
    assert [row.key for row in found] == ["vulnerability|CVE-2021-1|a", "vulnerability|CVE-2021-1|b"]


def test_a_scan_that_did_not_end_well_found_nothing():
    assert merge("t", [cell("a", vulnerability("CVE-2021-1"), outcome=Outcome.FAILED)]) == []


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_scanner_that_repeats_itself_is_one_row():
    again = [vulnerability("CVE-2021-1", fixed_version=str(n % 7 + 2), title=f"t{n % 3}") for n in range(10_000)]
    unnamed = [vulnerability("ELSA-1", aliases=(f"X-{n}",)) for n in range(10_000)]
    named = [vulnerability(f"CVE-2021-{n}", aliases=("ELSA-1",)) for n in range(2, 5)]
    found = rows(again, unnamed, named)
    assert [row.id for row in found] == ["CVE-2021-1", "CVE-2021-2", "CVE-2021-3", "CVE-2021-4"]
    assert (found[0].fixed_version, found[0].title) == ("8", "t0")


@pytest.mark.parametrize("ids", [("GHSA-aaaa-bbbb-cccc", "GHSA-dddd-eeee-ffff"), ("CVE-2021-1", "CVE-2021-1")])
def test_two_advisories_of_one_vulnerability_must_both_be_fixed(ids):
    purl = "pkg:npm/a@1.0.0"
    one, other = (
        vulnerability(each, aliases=("CVE-2021-1",), package="a", purl=purl, version="1.0.0", fixed_version=fix)
        for each, fix in zip(ids, ("1.2.0, 2.0.0", "1.5.0"), strict=True)
    )
    for scans in ([[one, other]], [[other, one]], [[one], [other]], [[other], [one]]):
        [row] = rows(*scans)
        assert row.fixed_version == "1.5.0"


def test_advisories_without_end_make_no_rows_without_end():
    cves = tuple(f"CVE-2021-{n}" for n in range(1, 3000))
    others = tuple(f"X-{n}" for n in range(3000))
    everything = vulnerability("ELSA-1", aliases=(*cves, *others))
    shared = [vulnerability(name, aliases=("ELSA-2",)) for name in cves]
    linked = [vulnerability("ELSA-2", location=f"/{n}") for n in range(3000)]
    found = rows([everything], shared, linked)
    assert {row.id for row in found} >= set(cves)
    assert sum(len(row.aliases) + len(row.locations) for row in found) < 100_000
    assert all(any(name in (row.id, *row.aliases) for row in found) for name in ("ELSA-1", "ELSA-2"))


# --- whatever they find -----------------------------------------------------------------------------------------------

IDS = st.sampled_from(
    [
        "CVE-2021-1",
        "CVE-2021-2",
        "cve-2021-2",
        "UBUNTU-CVE-2021-1",
        "GHSA-aaaa-bbbb-cccc",
        "ghsa-aaaa-bbbb-cccc",
        "ELSA-1",
        "X-1",
        "",
    ]
)
PACKAGES = st.sampled_from(
    [
        ("", "", ""),
        ("", "x", "1"),
        ("", "x", "1:1"),
        ("", "x", ""),
        ("", "g:x", "1"),
        ("pkg:npm/x@1", "x", "1"),
        ("pkg:npm/x", "X", "v1"),
        ("pkg:npm/x@2", "", ""),
        ("pkg:maven/g/x@1", "x", "1"),
        ("pkg:maven/x/x@1", "x", "1"),
        ("pkg:deb/debian/x@1:1", "x", "1:1"),
        ("pkg:deb/ubuntu/x@1", "x", "1"),
        ("pkg:rpm/amazon/x@1?epoch=2", "x", "1"),
        ("pkg:rpm/x@1?distro=amzn-2", "x", ""),
        ("pkg:golang/a.b/x@v1#v2", "a.b/x/v2", "v1"),
        ("pkg:golang/a.b/x/v2@1", "", ""),
        ("pkg:gem/x@1-java", "x", "1-java"),
        ("pkg:gem/x@1", "x", "1"),
        ("broken", "", "1"),
    ]
)
RATINGS = st.none() | st.builds(
    Cvss, score=st.sampled_from([1.0, 9.8]), version=st.sampled_from(["", "2.0", "3.1", "x"])
)


@st.composite
def findings(draw):
    purl, package, version = draw(PACKAGES)
    own = draw(IDS)
    return Finding(
        id=own,
        kind=draw(st.sampled_from(["vulnerability", "vulnerability", "secret", "license"])),
        severity=draw(st.sampled_from(Severity)),
        aliases=tuple(sorted(draw(st.sets(IDS, max_size=3)) - {own})),
        title=draw(st.sampled_from(["", "one", "two"])),
        package=package,
        version=version,
        purl=purl,
        location=draw(st.sampled_from(["", "/a", "a", "./a", "b"])),
        fixed_version=draw(st.sampled_from(["", "1", "2, 3", ">= 4", "3", "(won't fix)", "soon"])),
        cvss=draw(RATINGS),
    )


CELLS = st.lists(
    st.builds(
        CellFindings,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.FAILED, Outcome.SKIPPED]),
        st.sampled_from([EVERY, frozenset({"vulnerability"}), frozenset()]),
        st.lists(findings(), max_size=8),
    ),
    max_size=3,
    unique_by=lambda each: each.scan,
)


@settings(max_examples=examples(40), deadline=None)
@given(CELLS, st.randoms(use_true_random=False))
def test_the_order_of_findings_and_repetition_change_nothing(cells, chance):
    expected = merge("t", cells)
    shuffled = [each._replace(findings=chance.sample(each.findings, len(each.findings))) for each in cells]
    assert merge("t", shuffled) == expected
    doubled = [each._replace(findings=[*each.findings, *each.findings]) for each in cells]
    assert merge("t", doubled) == expected


def _covers(row, scan, finding):
    ids = {row.id, *row.aliases}
    return (
        row.kind == finding.kind
        and scan in row.found_by
        and (
            ids & set(cves_of(finding.id)) or {finding.id, finding.id.upper(), finding.id.replace("ghsa", "GHSA")} & ids
        )
        and bool(row.package) == bool(finding.package or finding.purl)
    )


@settings(max_examples=examples(40), deadline=None)
@given(CELLS)
def test_every_finding_is_in_a_row_and_every_row_is_of_findings(cells):
    merged = merge("t", cells)
    reported = [(each.scan, finding) for each in cells if each.outcome is Outcome.OK for finding in each.findings]
    assert [pair for pair in reported if not any(_covers(row, *pair) for row in merged)] == []
    places = [(row.kind, row.id, row.purl.partition("@")[0], row.package, row.version, row.locations) for row in merged]
    assert len(set(places)) == len(places)
    names = {name for _, finding in reported for name in (finding.id, *finding.aliases)}
    known = {spell(name) for name in names} | {cve for name in names for cve in cves_of(name)}
    ran = {each.scan: each for each in cells}
    for row in merged:
        assert {row.id, *row.aliases} <= known
        assert row.found_by
        assert all(
            any(_covers(row, scan, finding) for name, finding in reported if name == scan) for scan in row.found_by
        ) or cves_of(row.id)
        assert set(row.severities) == set(row.found_by)
        assert row.severity == max(row.severities.values(), key=lambda severity: severity.rank)
        looking = {scan for scan, each in ran.items() if row.kind in each.kinds} | set(row.found_by)
        told = [*row.found_by, *row.not_found_by, *row.not_scanned_by]
        assert sorted(told) == sorted(looking)
        assert all(ran[scan].outcome is Outcome.OK for scan in (*row.found_by, *row.not_found_by))
        assert row.id not in row.aliases


@pytest.mark.skipif(not REPORTS.exists(), reason="shared/data/reports is not there")
@pytest.mark.parametrize(
    "report",
    ["grype/many_vulns3.json", "grype/check_all_fields.json", "trivy/scheme_2_many_vulns.json", "cyclonedx/log4j.json"],
)
def test_real_reports_merged_with_themselves_under_other_names(report):
    scanner = report.partition("/")[0]
    raw = formats()[scanner].parse((REPORTS / report).read_bytes()).findings
    mixed = random.Random(1).sample(raw, len(raw))
    merged = merge("t", [cell("a", *raw), cell("b", *mixed)])
    assert all(row.found_by == ("a", "b") for row in merged)
    alone = merge("t", [cell("a", *raw)])
    assert [(row.key, row.version) for row in alone] == [(row.key, row.version) for row in merged]
    ids = {name for row in merged for name in (row.id, *row.aliases)}
    assert {finding.id for finding in raw} <= ids


@pytest.mark.parametrize("written", [" DSA-5000-1", "DSA\u20115000-1\u00a0"])
def test_an_id_is_one_whatever_blanks_are_around_it(written):
    (row,) = rows([vulnerability("DSA-5000-1")], [vulnerability(written)])
    assert (row.id, row.aliases, row.found_by) == ("DSA-5000-1", (), ("a", "b"))
