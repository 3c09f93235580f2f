"""The judge: which findings each rule counts, which rules are broken, and by which rows."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.feeds import Feeds
from orchestrator.analysis.policy import Judge, verdict_lines
from orchestrator.analysis.policy.words import name_target, named
from orchestrator.kit.text import visible_message
from orchestrator.model import (
    KINDS,
    LedgerRow,
    MergedFinding,
    Outcome,
    Policy,
    PolicyRule,
    Severity,
    Suppressed,
    Verdict,
)
from orchestrator.model.documents import spell_time

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
DAY = 86400


def finding(number=1, **changes):
    fields = {
        "target": "app-1",
        "key": f"vulnerability|CVE-2021-{number:04}|deb/zlib",
        "kind": "vulnerability",
        "id": f"CVE-2021-{number:04}",
        "severity": Severity.HIGH,
        "ecosystem": "deb",
        "fixed_version": "1.2.12",
        "found_by": ("dependency", "general"),
        "first_seen": "2025-02-01T12:00:00Z",
    }
    return MergedFinding(**(fields | changes))


def cell(target="app-1", scan="general", **changes):
    fields = {"cell": f"{target}/{scan}", "target": target, "scan": scan, "references": (f"registry.example/{target}",)}
    return LedgerRow(**(fields | {"outcome": Outcome.OK} | changes))


def counted(rule, found, *, owners=("team",), feeds=None):
    """Whether the one rule counts the finding."""
    judge = Judge(Policy(rules=(rule,)), now=NOW, feeds=feeds)
    (looked,) = judge.look(owners, [found])
    verdict = judge.verdict([cell()])
    assert bool(looked.rules) is bool(verdict.broken)
    return looked.rules == (rule.name,)


FEEDS = Feeds({"CVE-2021-0001": 0.4, "CVE-2021-0002": 0.9}, frozenset({"CVE-2021-0002"}), {})

COUNTED = [
    ({}, {}),
    ({"severity": Severity.HIGH}, {"severity": Severity.CRITICAL}),
    ({"severity": Severity.UNKNOWN}, {"severity": Severity.UNKNOWN}),
    ({"kinds": ("secret", "malware")}, {"kind": "malware"}),
    ({"scans": ("dep*",)}, {}),
    ({"owners": ("t?am",)}, {}),
    ({"ecosystems": ("npm", "deb")}, {}),
    ({"fixable": True}, {}),
    ({"older_than": 28 * DAY - 1}, {}),
    ({"older_than": 10**16}, {"first_seen": ""}),
    ({"epss": 0.4}, {}),
    ({"epss": 0.9}, {"aliases": ("CVE-2021-0002", "GHSA-x")}),
    ({"epss": 0.4}, {"id": "GHSA-x", "aliases": ("CVE-2021-0001",)}),
    ({"kev": True}, {"id": "CVE-2021-0002"}),
    ({"kev": True}, {"aliases": ("CVE-2021-0002",)}),
    ({"severity": Severity.LOW, "fixable": True, "epss": 0.1, "older_than": DAY, "scans": ("general",)}, {}),
]
NOT_COUNTED = [
    ({"severity": Severity.CRITICAL}, {}),
    ({"kinds": ("secret",)}, {}),
    ({"scans": ("virus", "gen")}, {}),
    ({"owners": ("teams",)}, {}),
    ({"ecosystems": ("npm",)}, {}),
    ({"ecosystems": ("npm",)}, {"ecosystem": ""}),
    ({"fixable": True}, {"fixed_version": ""}),
    ({"older_than": 28 * DAY}, {}),
    ({"older_than": 10**16}, {}),
    ({"epss": 0.41}, {}),
    ({"epss": 0.1}, {"id": "CVE-2021-0003"}),
    ({"kev": True}, {}),
    ({"severity": Severity.LOW, "fixable": True, "epss": 0.1, "older_than": DAY, "scans": ("virus",)}, {}),
    ({}, {"suppressed": Suppressed(by="ignore.yaml:1", reason="no", status="ignored")}),
]


@pytest.mark.parametrize(("rule", "changes"), COUNTED)
def test_what_a_rule_counts(rule, changes):
    assert counted(PolicyRule(name="x", **rule), finding(**changes), feeds=FEEDS)


@pytest.mark.parametrize(("rule", "changes"), NOT_COUNTED)
def test_what_a_rule_does_not_count(rule, changes):
    assert not counted(PolicyRule(name="x", **rule), finding(**changes), feeds=FEEDS)


def test_what_the_feeds_say_is_written_into_the_finding_suppressed_or_not():
    ignored = Suppressed(by="ignore.yaml:1", reason="no", status="ignored")
    found = [finding(1), finding(2), finding(3), finding(2, suppressed=ignored)]
    looked = Judge(Policy(), now=NOW, feeds=FEEDS).look((), found)
    assert [(one.epss, one.kev) for one in looked] == [(0.4, False), (0.9, True), (None, False), (0.9, True)]
    assert [one.key for one in looked] == [one.key for one in found]


def test_the_built_in_severity_counts_every_kind_and_names_itself():
    judge = Judge(Policy(severity=Severity.HIGH), now=NOW)
    looked = judge.look((), [finding(kind=kind) for kind in KINDS] + [finding(severity=Severity.MEDIUM)])
    assert [one.rules for one in looked] == [("severity",)] * len(KINDS) + [()]
    (broken,) = judge.verdict([cell()]).rules
    assert (broken.rule, broken.count) == ("severity", len(KINDS))


def test_one_finding_can_break_several_rules_told_in_the_policys_order():
    rules = (PolicyRule(name="b"), PolicyRule(name="a", fixable=True))
    judge = Judge(Policy(severity=Severity.LOW, rules=rules, database_age=DAY), now=NOW)
    (looked,) = judge.look((), [finding()])
    assert looked.rules == ("severity", "b", "a")
    rows = [cell(database_age=2 * DAY, database_version="1"), cell(scan="virus", outcome=Outcome.FAILED, reason="x")]
    verdict = judge.verdict(rows)
    assert [rule.rule for rule in verdict.rules] == ["coverage", "severity", "database-age", "b", "a"]
    assert verdict.broken == tuple(rule.message for rule in verdict.rules)
    assert not verdict.passed


@pytest.mark.parametrize(("at_most", "passed"), [(2, False), (3, True)])
def test_this_many_are_allowed_of_all_targets_together(at_most, passed):
    judge = Judge(Policy(rules=(PolicyRule(name="x", at_most=at_most),)), now=NOW)
    judge.look((), [finding(1), finding(2)])
    judge.look((), [finding(1, target="app-2")])
    assert judge.verdict([]).passed is passed


def test_a_broken_rule_names_figures_the_worst_targets_first_and_the_first_rows():
    judge = Judge(Policy(rules=(PolicyRule(name="old-ones", severity=Severity.HIGH, at_most=1),)), now=NOW)
    for target in range(20):
        judge.look((), [finding(number, target=f"app-{target}") for number in range(target + 1)])
    verdict = judge.verdict([cell(f"app-{number}") for number in range(20)])
    (rule,) = verdict.rules
    assert rule.count == 210
    assert len(rule.rows) == 100
    assert rule.rows[:2] == ("app-0 vulnerability|CVE-2021-0000|deb/zlib", "app-1 vulnerability|CVE-2021-0000|deb/zlib")
    for words in ("old-ones: 210 findings", "high or worse", "1 allowed", "20 targets", "and 15 more"):
        assert words in rule.message
    assert rule.message.index("registry.example/app-19: 20") < rule.message.index("registry.example/app-18: 19")
    assert "app-3:" not in rule.message


def test_each_place_of_a_secret_counts_and_copies_of_a_vulnerable_package_do_not():
    judge = Judge(Policy(rules=(PolicyRule(name="x", at_most=2),)), now=NOW)
    key = {"kind": "secret", "key": "secret|key|a.py"}
    judge.look((), [finding(1, count=2, **key), finding(2, count=5)])
    (rule,) = judge.verdict([cell()]).rules
    assert (rule.count, rule.total, len(rule.rows)) == (3, 2, 2)
    judge = Judge(Policy(rules=(PolicyRule(name="x", at_most=2),)), now=NOW)
    judge.look((), [finding(1, count=1, **key), finding(2, count=5)])
    assert judge.verdict([cell()]).passed


def test_targets_are_named_in_what_people_read():
    id_ = "sha256-" + "0" * 32
    rows = [cell(id_, database_age=9 * DAY, database_version="v", references=("registry.example/app:1",))]
    judge = Judge(Policy(severity=Severity.LOW, database_age=DAY), now=NOW)
    judge.look((), [finding(number, target=rows[0].target) for number in range(7)])
    judge.look((), [finding(1, target=rows[0].target, kind="secret", key="secret|key|a.py", count=3)])
    verdict = judge.verdict(rows)
    lines = verdict_lines(verdict, 8, cells=rows)
    assert sum(rows[0].references[0] in line for line in lines) == len(lines)
    assert not any(line.lstrip().startswith("sha256-") for line in lines)
    assert "(3 of it)" in lines[8]
    assert "more" in verdict_lines(verdict, 7, cells=rows)[8]
    assert any("× general" in line for line in lines)


def test_every_name_of_a_target_is_reported():
    assert name_target(cell(references=("a:1", "b:1"))) == "a:1, b:1"
    assert name_target(cell(references=tuple("abcde"), platform="linux/arm64")) == "a, b, c (+2) (linux/arm64)"
    assert name_target(cell("unresolved-0", references=())) == "unresolved-0"
    assert named(("gone vulnerability|x|y", "gone/general"), []) == ["gone vulnerability|x|y", "gone/general"]


def test_every_condition_is_reported():
    rule = PolicyRule(
        name="all",
        severity=Severity.LOW,
        kinds=("vulnerability",),
        scans=("general",),
        owners=("team",),
        ecosystems=("deb",),
        fixable=True,
        older_than=DAY,
        epss=0.01,
        kev=True,
    )
    judge = Judge(Policy(rules=(rule,)), now=NOW, feeds=FEEDS)
    judge.look(("team",), [finding(2)])
    (told_so,) = judge.verdict([]).broken
    for words in ("low", "vulnerability", "general", "team", "deb", "fixable", "1d", "0.01", "exploited"):
        assert words in told_so


@pytest.mark.parametrize("rule", [PolicyRule(name="x", epss=0.1), PolicyRule(name="x", kev=True)])
def test_a_rule_without_its_feed_is_broken_not_passed_and_others_continue(rule):
    judge = Judge(Policy(rules=(rule, PolicyRule(name="y", at_most=5))), now=NOW)
    (looked,) = judge.look((), [finding()])
    assert looked.rules == ("y",)
    verdict = judge.verdict([cell()])
    (broken,) = verdict.rules
    assert (broken.rule, broken.count, broken.rows) == ("x", 0, ())
    assert "cannot be judged" in broken.message
    assert not verdict.passed


def test_a_feed_that_no_rule_asks_for_breaks_nothing():
    judge = Judge(Policy(rules=(PolicyRule(name="y", at_most=5),)), now=NOW, feeds=Feeds(missing={"epss": "damaged"}))
    judge.look((), [finding()])
    assert judge.verdict([cell()]).passed


def test_warn_only_passes_and_still_names_the_rules():
    judge = Judge(Policy(severity=Severity.LOW, warn_only=True), now=NOW)
    judge.look((), [finding()])
    verdict = judge.verdict([cell(outcome=Outcome.FAILED)])
    assert verdict.passed
    assert [rule.rule for rule in verdict.rules] == ["coverage", "severity"]


AGES = [
    (cell(database_version="v", database_age=DAY), False),
    (cell(database_version="v", database_age=DAY + 1), True),
    (cell(database_version="v"), True),
    (cell(scan="dependency"), True),
    (cell(scan="root-user"), False),
    (cell(scan="dependency", outcome=Outcome.SKIPPED, reason="fresh"), False),
    (cell(scan="dependency", outcome=Outcome.FAILED, reason="x", database_age=9 * DAY), False),
]


@pytest.mark.parametrize(("row", "broken"), AGES)
def test_databases(row, broken):
    policy = Policy(coverage=0, database_age=DAY)
    verdict = Judge(policy, now=NOW, databases=["dependency"]).verdict([row])
    assert [rule.rule for rule in verdict.rules] == ["database-age"] * broken
    assert all(rule.rows == (row.cell,) for rule in verdict.rules)
    assert Judge(Policy(coverage=0), now=NOW, databases=["dependency"]).verdict([row]).passed


def test_old_databases_are_reported_the_unknown_and_the_oldest_first():
    rows = [cell("a", database_age=3 * DAY), cell("b", database_age=9 * DAY), cell("c"), cell("d", database_age=60)]
    (rule,) = Judge(Policy(database_age=DAY), now=NOW, databases=["general"]).verdict(rows).rules
    assert rule.rows == ("c/general", "b/general", "a/general")
    assert rule.count == 3
    assert "3 cells of 4" in rule.message


def test_a_verdict_for_a_terminal_shows_a_few_rows_in_lines_of_bounded_length():
    judge = Judge(Policy(severity=Severity.LOW), now=NOW)
    judge.look((), [finding(number, key="k\n\x1b[31m" + "x" * 10_000) for number in range(7)])
    lines = verdict_lines(judge.verdict([cell()]))
    assert len(lines) == 1 + 5 + 1
    assert "2 more" in lines[-1]
    assert all(len(line) < 250 for line in lines)
    assert all(visible_message(line).isprintable() for line in lines)  # as it is written
    assert verdict_lines(Verdict(passed=False, broken=("coverage: …",))) == ["coverage: …"]  # of an older ledger


WORDS = st.sampled_from(["", "a", "b", "ab"])
SOME = st.lists(WORDS.filter(bool), max_size=2, unique=True).map(tuple)
RULES = st.builds(
    PolicyRule,
    name=st.just(""),
    at_most=st.integers(0, 3),
    severity=st.none() | st.sampled_from(Severity),
    kinds=st.lists(st.sampled_from(KINDS), max_size=2).map(tuple),
    scans=SOME,
    owners=SOME,
    ecosystems=SOME,
    fixable=st.booleans(),
    older_than=st.integers(0, 4),
    epss=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    kev=st.booleans(),
)
FINDINGS = st.builds(
    MergedFinding,
    target=st.just("t"),
    key=WORDS,
    kind=st.sampled_from(KINDS),
    id=st.sampled_from(["CVE-2021-0001", "CVE-2021-0002", "x"]),
    severity=st.sampled_from(Severity),
    ecosystem=WORDS,
    fixed_version=WORDS,
    found_by=SOME,
    first_seen=st.integers(0, 4).map(lambda age: spell_time(NOW - timedelta(seconds=age))),
    suppressed=st.none() | st.just(Suppressed(by="", reason="", status="ignored")),
)


def _plainly(rule, owners, one):
    """A rule in the plainest words, without globs."""
    epss, kev = FEEDS.epss.get(one.id, 0.0), one.id in FEEDS.kev
    return (
        one.suppressed is None
        and (rule.severity is None or one.severity.rank >= rule.severity.rank)
        and (not rule.kinds or one.kind in rule.kinds)
        and (not rule.scans or bool(set(rule.scans) & set(one.found_by)))
        and (not rule.owners or bool(set(rule.owners) & set(owners)))
        and (not rule.ecosystems or one.ecosystem in rule.ecosystems)
        and (not rule.fixable or one.fixed_version != "")
        and (not rule.older_than or NOW - datetime.fromisoformat(one.first_seen) > timedelta(seconds=rule.older_than))
        and epss >= rule.epss
        and (not rule.kev or kev)
    )


@given(st.lists(RULES, max_size=5), st.lists(st.tuples(SOME, st.lists(FINDINGS, max_size=6)), max_size=4))
def test_it_counts_as_the_plain_reading_of_its_rules_does(rules, targets):
    rules = tuple(msgspec.structs.replace(rule, name=f"r{at}") for at, rule in enumerate(rules))
    judge = Judge(Policy(rules=rules), now=NOW, feeds=FEEDS)
    counts = dict.fromkeys((rule.name for rule in rules), 0)
    for owners, findings in targets:
        for one in judge.look(owners, findings):
            wanted = [rule.name for rule in rules if _plainly(rule, owners, one)]
            assert list(one.rules) == wanted
            for name in wanted:
                counts[name] += 1
    verdict = judge.verdict([])
    assert {rule.rule: rule.count for rule in verdict.rules} == {
        rule.name: counts[rule.name] for rule in rules if counts[rule.name] > rule.at_most
    }


@pytest.mark.parametrize(
    "policy",
    [Policy(severity=Severity.HIGH), Policy(rules=(PolicyRule(name="some", severity=Severity.LOW, at_most=9),))],
)
def test_a_policy_that_looks_at_severities_has_no_remark(policy):
    judge = Judge(policy, now=NOW)
    judge.look((), [finding(severity=Severity.LOW)])
    assert judge.verdict([cell()]).remark == ""


@pytest.mark.parametrize("rules", [(), (PolicyRule(name="leaked", kinds=("secret",)),)])
def test_that_no_severity_rule_is_set_is_said_with_what_is_there(rules):
    judge = Judge(Policy(rules=rules), now=NOW)
    found = [finding(number, severity=Severity.CRITICAL) for number in range(5)]
    hidden = finding(9, severity=Severity.CRITICAL, suppressed=Suppressed(status="ignored", by="x", reason="y"))
    judge.look((), [*found, finding(7, severity=Severity.LOW), hidden])
    verdict = judge.verdict([cell()])
    assert verdict.passed
    assert verdict.remark.startswith("no severity rule is set, although there are findings: 5 critical, 1 low;")
    assert Judge(Policy(rules=rules), now=NOW).verdict([cell()]).remark.startswith("no severity rule is set; ")


def test_what_broke_a_rule_is_named_by_image_package_and_fix():
    judge = Judge(Policy(severity=Severity.HIGH), now=NOW)
    fixed = finding(1, package="zlib", version="1.2.11", severity=Severity.CRITICAL)
    judge.look((), [fixed, finding(2, package="glibc", version="2.36", fixed_version="")])
    leaked = {"kind": "secret", "id": "aws-key", "package": "", "fixed_version": "", "locations": ("/root/.aws",)}
    judge.look((), [finding(3, target="app-2", count=2, **leaked)])
    verdict = judge.verdict([cell(), cell("app-2")])
    (rule,) = verdict.rules
    assert len(rule.rows) == len(rule.findings) == 3
    assert rule.message == f"severity: {rule.sentence}"
    assert verdict_lines(verdict, cells=[cell(), cell("app-2")])[1:] == [
        "  registry.example/app-1: critical CVE-2021-0001 in zlib 1.2.11, fixed in 1.2.12",
        "  registry.example/app-1: high CVE-2021-0002 in glibc 2.36, no fix known",
        "  registry.example/app-2: high aws-key in /root/.aws (2 of it)",
    ]


def test_a_cell_that_failed_is_named_once():
    rows = [cell(f"app-{number}", outcome=Outcome.FAILED, references=(f"r.example/{number}",)) for number in range(7)]
    lines = verdict_lines(Judge(Policy(), now=NOW).verdict(rows), cells=rows)
    assert len(lines) == 1
    assert "7 of 7 failed: r.example/0 × general; " in lines[0]
    assert lines[0].endswith("; and 2 more")
    whole = verdict_lines(Judge(Policy(), now=NOW).verdict(rows), 7, cells=rows)
    assert whole[-1] == "  r.example/6 × general"
