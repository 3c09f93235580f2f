"""From 1 M raw findings to what people act on, stage by stage: seconds, rows, and whether memory stays flat.

    python -m tests.benchmarks.merge [--findings 250000 500000 1000000]

300 ignore rules, 5,000 VEX statements, seven policy rules, feeds of 250,000 EPSS scores and 1,400 KEV entries; the
first run on its volume, so that every age is new, which is the slowest. Targets come one at a time, as the aggregate
step reads them: three scanners of each, who know the same packages by other spellings and the same vulnerabilities by
other ids. Packages recur from target to target. Making the findings is not counted. Each size runs in a process of its
own, so that its peak memory is its own.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator.analysis.ages import Ages
from orchestrator.analysis.feeds import read_feeds
from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.analysis.policy import Judge
from orchestrator.analysis.suppression.apply import Suppressor
from orchestrator.kit.collecting import seldom_collected
from orchestrator.model import (
    Finding,
    IgnoreRule,
    LedgerRow,
    MergedFinding,
    Outcome,
    Policy,
    PolicyRule,
    Severity,
    Suppression,
    VexProduct,
    VexStatement,
    VexStatus,
)
from orchestrator.model.documents import spell_time
from orchestrator.results.tables.writing import MergedWriter
from orchestrator.volume.layout import Volume, atomic_file, write_atomic
from tests.benchmarks.apart import apart, peak

SIZES = (250_000, 500_000, 1_000_000)
SCANS = ("dependency", "general", "osv")
KINDS = frozenset({"vulnerability"})
MOST_SECONDS, MOST_MEGABYTES = 20, 1500
_PER_TARGET = 500
_PACKAGES = 4000
_TEXTS = ("id", "title", "package", "version", "purl", "location", "fixed_version")
_SEVERITIES = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)


NOW = datetime(2026, 3, 1, tzinfo=UTC)
_RULES, _STATEMENTS, _SCORES = 300, 5000, 250_000


class Work(NamedTuple):
    """One target on its way through the stages."""

    target: LedgerRow
    cells: list[CellFindings]
    rows: list[MergedFinding]


class Stages:
    """The stages of the aggregate step, on a volume; the writer's files are whole when it ends."""

    def __init__(self, volume: Volume, stack: ExitStack) -> None:
        _write_feeds(volume)
        policy = _policy()
        suppression = _suppression()
        created = spell_time(NOW)
        self._suppressor = Suppressor(suppression, now=NOW, first_used={})
        self._ages = stack.enter_context(Ages(volume, created))
        stack.callback(self._ages.settle)
        self._judge = Judge(policy, now=NOW, feeds=read_feeds(volume, policy))
        folder = volume.results("run-1")
        parquet, csv = (stack.enter_context(atomic_file(folder / name)) for name in ("merged.parquet", "merged.csv"))
        self._writer = stack.enter_context(MergedWriter("run-1", parquet, csv))

    def merge(self, work: Work) -> Work:
        return work._replace(rows=merge(work.target.target, work.cells))

    def suppress(self, work: Work) -> Work:
        row = work.target
        return work._replace(rows=self._suppressor.apply(row.references, row.owners, row.digest, work.rows))

    def ages(self, work: Work) -> Work:
        found: dict[str, frozenset[str]] = {}
        self._ages.gather(work.rows, found)
        dates = self._ages.remember(work.target.references, "linux/amd64", found, frozenset(SCANS))
        return work._replace(rows=self._ages.dated(work.rows, dates))

    def policy(self, work: Work) -> Work:
        return work._replace(rows=self._judge.look(work.target.owners, work.rows))

    def write(self, work: Work) -> Work:
        self._writer.add(work.target, work.rows)
        return work


#: Methods of `Stages`; every one takes what the one before it gives.
NAMES = ("merge", "suppress", "ages", "policy", "write")
#: Those that the target of 20 s is about.
ASKED = ("merge", "suppress", "policy")


def _suppression() -> Suppression:
    """Rules by id, package and path, and statements about vulnerabilities of packages."""
    chance = random.Random(3)
    patterns: list[Callable[[int], dict[str, str]]] = [
        lambda number: {"id": f"CVE-20{chance.randrange(10, 26)}-{number + 1000}"},
        lambda number: {"package": f"package{number}*", "target": "registry.example/app-1*"},
        lambda number: {"path": f"/app/lib/package{number}", "owner": "team-1"},
    ]
    rules = [
        IgnoreRule(
            name=f"ignore.yaml:{number}", reason="not reachable", expires="2026-12-01T00:00:00Z", **pattern(number)
        )
        for number in range(_RULES)
        for pattern in patterns[number % 3 : number % 3 + 1]
    ]
    statements = [
        VexStatement(
            source="vendor.vex.json",
            ids=(f"CVE-20{chance.randrange(10, 26)}-{number * 7 + 1000}",),
            status=VexStatus.NOT_AFFECTED,
            products=(VexProduct(package=f"pkg:maven/org.example/package{number}"),),
            timestamp="2026-01-01T00:00:00Z",
        )
        for number in range(_STATEMENTS)
    ]
    return Suppression(rules=tuple(rules), statements=tuple(statements))


def _policy() -> Policy:
    rules = (
        PolicyRule(name="critical", severity=Severity.CRITICAL, fixable=True),
        PolicyRule(name="java", severity=Severity.HIGH, ecosystems=("maven",)),
        PolicyRule(name="of a team", severity=Severity.MEDIUM, owners=("team-*",), older_than=30 * 86400),
        PolicyRule(name="by a scan", severity=Severity.HIGH, scans=("general",), at_most=1000),
        PolicyRule(name="likely", epss=0.5),
        PolicyRule(name="exploited", kev=True),
    )
    return Policy(severity=Severity.HIGH, rules=rules, epss_feed="epss.csv", kev_feed="kev.json")


def _write_feeds(volume: Volume) -> None:
    chance = random.Random(4)
    lines = [f"CVE-20{10 + number % 16}-{number + 1000},{chance.random():.5f},0.5" for number in range(_SCORES)]
    head = "#model_version:v2025.03.14,score_date:2026-03-01T00:00:00+0000\ncve,epss,percentile\n"
    write_atomic(volume.feed("epss.csv"), (head + "\n".join(lines) + "\n").encode())
    listed = [{"cveID": f"CVE-20{10 + number % 16}-{number * 90 + 1000}"} for number in range(1400)]
    write_atomic(volume.feed("kev.json"), json.dumps({"count": len(listed), "vulnerabilities": listed}).encode())


class Measured(NamedTuple):
    """One size."""

    findings: int
    rows: int
    seconds: dict[str, float]
    peak: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--findings", type=int, nargs="+", default=list(SIZES))
    results = [apart(_measure, count) for count in parser.parse_args().findings]
    _print(results)
    return 0


def _measure(count: int) -> Measured:
    seconds = dict.fromkeys(NAMES, 0.0)
    findings = rows = 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stages = Stages(Volume(Path(folder)), stack)
        stack.enter_context(seldom_collected())
        for raw in _targets(count):
            work = raw
            findings += sum(len(cell.findings) for cell in raw.cells)
            for name in NAMES:
                begin = time.perf_counter()
                work = getattr(stages, name)(work)
                seconds[name] += time.perf_counter() - begin
            rows += len(work.rows)
    return Measured(findings, rows, seconds, peak() / 1e6)


def _targets(count: int) -> Iterator[Work]:
    """Targets until this many findings are reached."""
    chance = random.Random(6)
    packages = [_package(number, chance) for number in range(_PACKAGES)]
    made = number = 0
    while made < count:
        number += 1
        found: list[list[Finding]] = [[], [], []]
        while sum(map(len, found)) < _PER_TARGET:
            for vulnerability in chance.choice(packages):
                for scan, finding in zip(found, vulnerability, strict=True):
                    if chance.random() < 0.8:
                        scan.append(_copy(finding))
        made += sum(map(len, found))
        cells = [CellFindings(scan, Outcome.OK, KINDS, each) for scan, each in zip(SCANS, found, strict=True)]
        yield Work(_row(number), cells, [])


def _row(number: int) -> LedgerRow:
    return LedgerRow(
        cell=f"app-{number}/general",
        target=f"app-{number}",
        scan="general",
        references=(f"registry.example/app-{number}:1",),
        owners=(f"team-{number % 20}",),
        digest=f"sha256:{number:064x}",
        platform="linux/amd64",
        outcome=Outcome.OK,
    )


def _copy(finding: Finding) -> Finding:
    """The same with texts of its own, as a decoder makes them: no hash or identity is shared between reports."""
    texts = {name: _own(getattr(finding, name)) for name in _TEXTS}
    return Finding(kind=finding.kind, severity=finding.severity, aliases=tuple(map(_own, finding.aliases)), **texts)


def _own(text: str) -> str:
    return (text + " ")[:-1]


def _package(number: int, chance: random.Random) -> list[tuple[Finding, ...]]:
    """The vulnerabilities of a package, each as the three scanners report it."""
    ecosystem = ("deb", "maven", "npm", "pypi", "golang", "rpm")[number % 6]
    version = f"{chance.randrange(9)}.{chance.randrange(30)}.{chance.randrange(30)}"
    spellings = _SPELLINGS[ecosystem](f"package{number}", version)
    vulnerabilities = []
    for each in range(chance.choice((1, 1, 2, 3, 8))):
        cve = f"CVE-20{chance.randrange(10, 26)}-{number * 10 + each + 1000}"
        advisory = _advisory(ecosystem, number * 10 + each)
        fixed = f"{version[:-1]}{chance.randrange(30, 60)}"
        severity = chance.choice(_SEVERITIES)
        names = ((advisory, (cve,)), (cve, ()), (advisory, (cve, f"{ecosystem.upper()}-{cve}")))
        if ecosystem in {"deb", "rpm"}:
            names = ((cve, ()), (cve, (advisory,)), (f"UBUNTU-{cve}", (cve,)))
        vulnerabilities.append(
            tuple(
                Finding(
                    id=own,
                    kind="vulnerability",
                    severity=severity if chance.random() < 0.8 else chance.choice(_SEVERITIES),
                    aliases=aliases,
                    title=f"{advisory}: something is wrong with package{number} number {each}",
                    package=package,
                    version=installed,
                    purl=purl,
                    location="" if ecosystem in {"deb", "rpm"} else f"/app/lib/package{number}",
                    fixed_version=fixed if chance.random() < 0.9 else f"{fixed}, 9.{chance.randrange(9)}.0",
                )
                for (own, aliases), (package, installed, purl) in zip(names, spellings, strict=True)
            )
        )
    return vulnerabilities


def _advisory(ecosystem: str, number: int) -> str:
    text = f"{number:012x}"
    return f"DSA-{number}-1" if ecosystem in {"deb", "rpm"} else f"GHSA-{text[:4]}-{text[4:8]}-{text[8:]}"


def _distribution(kind: str, names: tuple[str, str, str]) -> Callable[[str, str], list[tuple[str, str, str]]]:
    def spell(name: str, version: str) -> list[tuple[str, str, str]]:
        return [
            (name, f"1:{version}-1", f"pkg:{kind}/{names[0]}/{name}@1:{version}-1?arch=amd64"),
            (name, f"1:{version}-1", f"pkg:{kind}/{names[1]}/{name}@{version}-1?arch=amd64&epoch=1"),
            (name, f"1:{version}-1", f"pkg:{kind}/{names[2]}/{name}@1%3A{version}-1"),
        ]

    return spell


_SPELLINGS: dict[str, Callable[[str, str], list[tuple[str, str, str]]]] = {
    "deb": _distribution("deb", ("debian", "debian", "ubuntu")),
    "rpm": _distribution("rpm", ("centos", "redhat", "redhat")),
    "maven": lambda name, version: [
        (name, version, f"pkg:maven/org.example/{name}@{version}"),
        (f"org.example:{name}", version, ""),
        (f"org.example:{name}", version, f"pkg:maven/org.example%3A{name}@{version}"),
    ],
    "npm": lambda name, version: [
        (f"@scope/{name}", version, f"pkg:npm/%40scope/{name}@{version}"),
        (f"@scope/{name}", version, f"pkg:npm/@scope/{name}@{version}"),
        (f"@scope/{name}", version, f"pkg:npm/%2540scope/{name}@{version}"),
    ],
    "pypi": lambda name, version: [
        (f"My_{name}", version, f"pkg:pypi/My_{name}@{version}"),
        (f"my-{name}", version, f"pkg:pypi/my-{name}@{version}"),
        (f"my-{name}", version, ""),
    ],
    "golang": lambda name, version: [
        (f"github.com/Team/{name}", f"v{version}", f"pkg:golang/github.com/Team/{name}@v{version}"),
        (f"github.com/Team/{name}", version, f"pkg:golang/github.com/team/{name}@{version}"),
        (f"github.com/team/{name}", version, f"pkg:golang/github.com%2Fteam%2F{name}@{version}"),
    ],
}


def _print(results: list[Measured]) -> None:
    names = list(NAMES)
    print(f"| findings | rows | {' | '.join(f'{name} s' for name in names)} | {' + '.join(ASKED)} s | peak MB |")
    print("|" + "---:|" * (4 + len(names)))
    for each in results:
        stages = " | ".join(f"{each.seconds[name]:.1f}" for name in names)
        print(f"| {each.findings:,} | {each.rows:,} | {stages} | {_asked(each):.1f} | {each.peak:.0f} |")
    first, last = results[0], results[-1]
    if last.findings > first.findings:
        growth = sum(last.seconds.values()) / sum(first.seconds.values())
        print(f"\n{last.findings / first.findings:.1f}× the findings took", end=" ")
        print(f"{growth:.2f}× the time and {last.peak / first.peak:.2f}× the memory.")
    met = _asked(last) < MOST_SECONDS and last.peak < MOST_MEGABYTES
    print(f"Under {MOST_SECONDS} s and {MOST_MEGABYTES} MB: {'yes' if met else 'no'}.")


def _asked(measured: Measured) -> float:
    return sum(measured.seconds[name] for name in ASKED)


if __name__ == "__main__":
    sys.exit(main())
