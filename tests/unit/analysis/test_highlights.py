"""The findings of a run in short: the worst are the same in whatever order the rows come."""

import random

import msgspec
import pytest

from orchestrator.analysis.highlights import highlights_of
from orchestrator.model import Cvss, MergedFinding, MergedRow, Severity, Suppressed


def row(target: str, number: int, severity: Severity = Severity.HIGH, **fields) -> MergedRow:
    found = MergedFinding(
        target=target, key=f"k{number}", kind="vulnerability", id=f"CVE-{number}", severity=severity,
        **{"package": f"p{number}", "version": "1"} | fields,
    )  # fmt: skip
    return MergedRow(
        run="r", target=target, references=(target,), owners=(), digest="", indexes=(), platform="", finding=found
    )


ROWS = [
    *(row(target, number) for target in "abc" for number in range(20)),
    row("a", 100, Severity.CRITICAL), row("b", 100, Severity.CRITICAL),
    row("c", 101, kev=True), row("c", 102, epss=0.9), row("c", 103, cvss=Cvss(9.9)), row("b", 104, fixed_version="2"),
    row("c", 105, Severity.CRITICAL, suppressed=Suppressed(by="ignore", status="ignored", reason="x")),
    row("a", 106, Severity.LOW),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_come_first_each_thing_once_with_the_number_of_its_targets(seed):
    rows = random.Random(seed).sample(ROWS, len(ROWS))
    found = highlights_of(rows, 5)
    assert [(each.row.finding.id, each.targets) for each in found.worst] == [
        ("CVE-100", 2), ("CVE-101", 1), ("CVE-102", 1), ("CVE-103", 1), ("CVE-104", 1),
    ]  # fmt: skip
    assert found.open == {Severity.CRITICAL: 2, Severity.HIGH: 64, Severity.LOW: 1}
    assert list(found.open) == [Severity.CRITICAL, Severity.HIGH, Severity.LOW]
    assert (found.fixable, found.suppressed, found.more) == (1, 1, 61)


def test_of_equally_bad_findings_the_first_stay():
    rows = [row("a", number) for number in range(20)]
    assert [each.row.finding.id for each in highlights_of(rows, 3).worst] == ["CVE-0", "CVE-1", "CVE-2"]
    worse = [*rows, row("a", 30, Severity.CRITICAL)]
    assert [each.row.finding.id for each in highlights_of(worse, 3).worst] == ["CVE-30", "CVE-0", "CVE-1"]


def test_secrets_of_one_rule_are_different_things():
    rule = {"kind": "secret", "id": "AWS", "package": "", "version": ""}
    secrets = [
        msgspec.structs.replace(one, finding=msgspec.structs.replace(one.finding, **rule))
        for one in (row("a", 1), row("a", 2))
    ]
    assert len(highlights_of(secrets, 5).worst) == 2


def test_a_clean_run_has_none():
    assert highlights_of([], 10).worst == ()
