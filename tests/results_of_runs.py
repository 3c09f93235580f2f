"""Results of ended runs on a volume, written as the aggregate step does: ledgers by hand, and merged findings."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.model import (
    Cvss,
    Ledger,
    LedgerRow,
    MergedFinding,
    Outcome,
    Severity,
    Suppressed,
    Verdict,
    Violation,
)
from orchestrator.model.documents import encode, spell_time
from orchestrator.results.run import RunResults
from orchestrator.results.tables.writing import MergedWriter
from orchestrator.volume.layout import Volume, atomic_file, write_atomic

STARTED = datetime(2025, 3, 3, 2, tzinfo=UTC)
DEMO_SCANS = ("dependency", "general", "root-user", "secrets", "virus")

_OWNERS = ("payments", "platform", "web-shop", "data-science", "logistics", "identity", "mobile")
_NAMES = (
    "checkout",
    "ledger-api",
    "fraud-model",
    "gateway",
    "storefront",
    "search",
    "recommendations",
    "warehouse-sync",
    "label-printer",
    "login",
    "session-store",
    "push",
    "mail-relay",
    "invoice",
    "reporting",
    "feature-flags",
    "image-resizer",
    "cart",
    "pricing",
    "tracking",
)
# Ecosystem, package, installed version, the version that fixes it (empty for none), how often it is hit.
_PACKAGES = (
    ("deb", "openssl", "3.0.11-1~deb12u2", "3.0.15-1~deb12u1", 9),
    ("deb", "glibc", "2.36-9+deb12u4", "2.36-9+deb12u10", 8),
    ("deb", "curl", "7.88.1-10+deb12u5", "7.88.1-10+deb12u12", 7),
    ("deb", "perl-base", "5.36.0-7+deb12u1", "", 5),
    ("deb", "zlib1g", "1:1.2.13.dfsg-1", "", 3),
    ("deb", "libxml2", "2.9.14+dfsg-1.3~deb12u1", "2.9.14+dfsg-1.3~deb12u2", 6),
    ("maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "2.17.1", 2),
    ("maven", "org.springframework:spring-webmvc", "5.3.27", "5.3.39", 5),
    ("maven", "com.fasterxml.jackson.core:jackson-databind", "2.13.2", "2.13.4.2", 4),
    ("npm", "lodash", "4.17.20", "4.17.21", 3),
    ("npm", "axios", "0.27.2", "0.28.0", 4),
    ("npm", "semver", "7.3.7", "7.5.2", 3),
    ("pypi", "cryptography", "41.0.3", "42.0.4", 4),
    ("pypi", "jinja2", "3.1.2", "3.1.5", 3),
    ("golang", "golang.org/x/net", "v0.17.0", "v0.33.0", 5),
    ("golang", "stdlib", "1.21.3", "1.22.7", 7),
    ("apk", "busybox", "1.36.1-r4", "1.36.1-r7", 3),
)
_FLAWS = (
    "Heap overflow while parsing a crafted certificate",
    "Uncontrolled resource consumption in the HTTP/2 reader",
    "Out-of-bounds read when decompressing input",
    "Improper input validation allows request smuggling",
    "Prototype pollution in the merge function",
    "Time-of-check race in temporary files",
    "Regular expression that backtracks without bound",
    "Remote code execution by a lookup in log messages",
    "Information leak across redirects",
)
_SPREAD = (
    (Severity.CRITICAL, 4),
    (Severity.HIGH, 22),
    (Severity.MEDIUM, 40),
    (Severity.LOW, 24),
    (Severity.INFO, 7),
    (Severity.UNKNOWN, 3),
)


def make_row(target: str = "app-1", scan: str = "dependency", **changes) -> LedgerRow:
    """The record of a cell that ended ok, unless `changes` say otherwise."""
    fields = {
        "cell": f"{target}/{scan}",
        "target": target,
        "scan": scan,
        "references": (f"registry.example/team/{target}:1",),
        "outcome": Outcome.OK,
        "owners": ("team",),
        "digest": f"sha256:{target}",
        "platform": "linux/amd64",
    }
    return LedgerRow(**(fields | changes))


def make_found(number: int = 1, target: str = "app-1", **changes) -> MergedFinding:
    """A merged finding of one scan."""
    fields = {
        "target": target,
        "key": f"vulnerability CVE-2025-{number} pkg:deb/p{number}",
        "kind": "vulnerability",
        "id": f"CVE-2025-{number}",
        "severity": Severity.HIGH,
        "package": f"p{number}",
        "version": "1.0",
        "purl": f"pkg:deb/debian/p{number}@1.0",
        "ecosystem": "deb",
        "found_by": ("dependency",),
        "first_seen": "2025-02-01T00:00:00Z",
    }
    return MergedFinding(**(fields | changes))


def make_ledger(
    rows: Iterable[LedgerRow], run: str = "run-1", verdict: Verdict | None = None, when: datetime = STARTED
) -> Ledger:
    """A ledger of cells; the run ended half an hour after `when`."""
    return Ledger(
        run=run,
        created=spell_time(when),
        finished=spell_time(when + timedelta(minutes=30)),
        rows=tuple(rows),
        verdict=verdict or Verdict(),
    )


def put_results(volume: Volume, ledger: Ledger, found: Mapping[str, Sequence[MergedFinding]]) -> RunResults:
    """Write `merged.parquet`, `merged.csv` and `ledger.json` of a run.

    Args:
        volume: where.
        ledger: the run's ledger; each target has a row in it.
        found: merged findings by target id.
    """
    folder = volume.results(ledger.run)
    folder.mkdir(parents=True, exist_ok=True)
    rows = {row.target: row for row in reversed(ledger.rows)}
    with (
        atomic_file(folder / "merged.parquet") as parquet,
        atomic_file(folder / "merged.csv") as csv,
        MergedWriter(ledger.run, parquet, csv) as writer,
    ):
        for target, findings in found.items():
            writer.add(rows[target], findings)
    write_atomic(folder / "ledger.json", encode(ledger))
    return RunResults(volume, ledger.run)


def put_demo(volume: Volume, *, targets: int = 40, findings: int = 3000, runs: int = 13) -> RunResults:
    """A believable row of nightly runs that get better with time; the results of the last one.

    The same arguments give the same results, byte for byte.
    """
    results = None
    for number in range(runs):
        dice = random.Random(7)
        left = runs - 1 - number
        when = STARTED + timedelta(days=number - runs + 1)
        more = 1 + left * 0.035 + (0.12 if number % 5 == 2 else 0)
        rows = demo_rows(targets, bad=left % 3 + 2)
        found = demo_findings(rows, int(findings * more), dice)
        ledger = make_ledger(rows, f"nightly-{when:%Y%m%d}", _demo_verdict(rows, found), when)
        results = put_results(volume, ledger, found)
    assert results is not None
    return results


def demo_rows(targets: int, *, bad: int = 3) -> list[LedgerRow]:
    """Cells of this many targets with five scans each: most ok, some failed, some skipped."""
    rows = []
    for number in range(targets):
        name = _NAMES[number % len(_NAMES)] + (f"-{number // len(_NAMES)}" if number >= len(_NAMES) else "")
        owner = _OWNERS[number % len(_OWNERS)]
        fields = {
            "references": (f"registry.example/{owner}/{name}:2025.{number % 9 + 1}",),
            "owners": (owner,) if number % 11 else (),
            "digest": f"sha256:{number:064x}",
        }
        if number % 8 == 3:
            fields["references"] += (f"registry.example/{owner}/{name}:latest",)
        if number % 13 == 5:
            fields["platform"] = "linux/arm64"
        target = f"{name}-{number:05d}"
        rows += [make_row(target, scan, **(fields | _demo_end(number, scan, bad))) for scan in DEMO_SCANS]
    return rows


def _demo_end(number: int, scan: str, bad: int) -> dict:
    if scan == "virus" and number % 9 == 4:
        return {"outcome": Outcome.SKIPPED, "reason": "fresh: scanned ok by run nightly-20250301, 2 days ago"}
    if scan == "secrets" and number % 14 == 6:
        return {"outcome": Outcome.SKIPPED, "reason": "excluded by the annotation scanmatrix.dev/scans of its pods"}
    if scan == "general" and number % 19 == bad:
        return {"outcome": Outcome.FAILED, "reason": "the container was killed for its memory (limit 2Gi), 3 attempts"}
    if scan == "dependency" and number % 23 == bad * 2:
        return {"outcome": Outcome.FAILED, "reason": "the report is truncated: JSON ends within a string"}
    if scan == "dependency" and number % 10 == 0:
        return {"note": "database stale since 2025-02-27T03:00:00Z"}
    return {}


def demo_findings(rows: Sequence[LedgerRow], count: int, dice: random.Random) -> dict[str, list[MergedFinding]]:
    """About this many merged findings, spread unevenly over the rows' targets, as scans that ended ok found them."""
    cells: dict[str, list[LedgerRow]] = {}
    for row in rows:
        cells.setdefault(row.target, []).append(row)
    weights = {target: 0.15 + dice.random() ** 3 * 4 for target in cells}
    scale = count / sum(weights.values())
    found = {}
    for target, of in cells.items():
        ok = [row.scan for row in of if row.outcome is Outcome.OK]
        missing = tuple(row.scan for row in of if row.outcome is not Outcome.OK and row.scan in DEMO_SCANS[:2])
        found[target] = [
            _demo_finding(target, number, ok, missing, dice) for number in range(int(weights[target] * scale))
        ]
        if dice.random() < 0.5 and "root-user" in ok:
            found[target].append(
                MergedFinding(
                    target=target,
                    key="check root-user",
                    kind="check",
                    id="root-user",
                    severity=Severity.MEDIUM,
                    title="The image runs as root",
                    severities={"root-user": Severity.MEDIUM},
                    found_by=("root-user",),
                    first_seen="2024-11-02T02:00:00Z",
                )
            )
        if dice.random() < 0.15 and "secrets" in ok:
            path = "app/config/settings.production.yaml"
            found[target].append(
                MergedFinding(
                    target=target,
                    key=f"secret aws-access-key-id {path}",
                    kind="secret",
                    id="aws-access-key-id",
                    severity=Severity.CRITICAL,
                    title="Access key of a cloud account",
                    severities={"secrets": Severity.CRITICAL},
                    locations=(path,),
                    found_by=("secrets",),
                    first_seen="2025-02-27T02:00:00Z",
                )
            )
    return found


def _demo_finding(
    target: str, number: int, ok: Sequence[str], missing: tuple[str, ...], dice: random.Random
) -> MergedFinding:
    ecosystem, package, version, fixed, _ = dice.choices(_PACKAGES, [each[4] for each in _PACKAGES])[0]
    severity = dice.choices([each for each, _ in _SPREAD], [weight for _, weight in _SPREAD])[0]
    able = [scan for scan in ok if scan in DEMO_SCANS[:2]] or list(ok[:1])
    found_by = tuple(able if dice.random() < 0.7 else able[:1])
    # Of the same few thousand ids in every target, so that packages and ids repeat as they do in a real fleet.
    name = f"CVE-{dice.choice((2021, 2022, 2023, 2024))}-{10_000 + dice.randrange(4000) + number % 7 * 5000}"
    other = dice.random()
    ignored = dice.random() < 0.06
    score = {"critical": 9.8, "high": 8.1, "medium": 5.9, "low": 3.3}.get(severity, 0.0)
    return MergedFinding(
        target=target,
        key=f"vulnerability {name} pkg:{ecosystem}/{package} {number}",
        kind="vulnerability",
        id=name,
        aliases=(f"GHSA-{number:04x}-jfh8-c2jp",) if other < 0.3 else (),
        severity=severity,
        severities={scan: severity if scan != "general" or other < 0.8 else Severity.MEDIUM for scan in found_by},
        title=f"{package.rpartition(':')[2]}: {dice.choice(_FLAWS)}",
        package=package,
        version=version,
        purl=f"pkg:{ecosystem}/{package.replace(':', '/')}@{version}",
        ecosystem=ecosystem,
        locations=("var/lib/dpkg/status",) if ecosystem == "deb" else (f"app/lib/{package.rpartition(':')[2]}",),
        fixed_version=fixed if dice.random() < 0.85 else "",
        cvss=Cvss(score=score, version="3.1", vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H") if score else None,
        found_by=found_by,
        not_found_by=tuple(scan for scan in able if scan not in found_by),
        not_scanned_by=missing,
        first_seen=spell_time(STARTED - timedelta(days=int(dice.random() ** 2 * 200))),
        epss=round(dice.random() ** 6, 4),
        kev=severity is Severity.CRITICAL and dice.random() < 0.12,
        suppressed=_demo_suppressed(dice) if ignored else None,
        rules=("no-old-criticals",) if severity is Severity.CRITICAL and fixed and not ignored else (),
    )


def _demo_suppressed(dice: random.Random) -> Suppressed:
    return dice.choice(
        (
            Suppressed(
                by="ignore.yaml:12",
                reason="The parser is not reachable from outside; replaced in Q2",
                status="ignored",
                until="2025-04-30T00:00:00Z",
            ),
            Suppressed(
                by="vex/openssl.json",
                reason="Our build has the feature switched off",
                status="not_affected",
                justification="vulnerable_code_not_present",
            ),
        )
    )


def _demo_verdict(rows: Sequence[LedgerRow], found: Mapping[str, Sequence[MergedFinding]]) -> Verdict:
    failed = [row.cell for row in rows if row.outcome is Outcome.FAILED]
    counted = [(each.target, each.key) for of in found.values() for each in of if each.rules]
    broken = []
    if failed:
        reached = 100 * (len(rows) - len(failed)) / len(rows)
        message = f"{reached:.1f} % of the cells ended ok or skipped, 100 % are asked for; {len(failed)} failed"
        broken.append(Violation(rule="coverage", message=message, count=len(failed), rows=tuple(failed[:5])))
    if counted:
        message = (
            f"{len(counted)} critical findings have a fix and were first seen more than 14 days ago, 0 are allowed"
        )
        shown = tuple(f"{target} {key}" for target, key in counted[:5])
        broken.append(Violation(rule="no-old-criticals", message=message, count=len(counted), rows=shown))
    return Verdict(
        passed=not broken, broken=tuple(f"{each.rule}: {each.message}" for each in broken), rules=tuple(broken)
    )
