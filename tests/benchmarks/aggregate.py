"""Aggregate 250 and 1,000 real-sized reports: seconds, MB/s, and whether memory stays flat.

    python -m tests.benchmarks.aggregate [--reports 1000]

The reports are variations of a real one of Grype (327 findings, 0.8 MB), one per target. Each size runs in a process of
its own, so that its peak memory is its own.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from orchestrator.model import Outcome
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import SCANS, make_plan, make_target, put_record
from tests.benchmarks.apart import apart, peak

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
REPORT = SHARED / "data" / "reports" / "grype" / "many_vulns3.json"
SIZES = (250, 1000)


class Measured(NamedTuple):
    """One size: how many reports, their bytes, what it took."""

    reports: int
    findings: int
    bytes: int
    seconds: float
    peak: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    if not REPORT.exists():
        print(f"skipped: {REPORT} is not there")
        return 0
    results = []
    for count in options.reports:
        with tempfile.TemporaryDirectory(prefix="aggregate-") as folder:
            _prepare(Path(folder), count)
            results.append(apart(_measure, Path(folder), count))
    _print(results)
    return 0


def _prepare(root: Path, count: int) -> None:
    """A volume with this many ended cells; every report differs in its packages' versions and in its matches' order."""
    volume, plan = Volume(root), _plan(count)
    text = REPORT.read_text()
    document = json.loads(text)
    matches = [json.dumps(match) for match in document.pop("matches")]
    rest = json.dumps(document)[1:]
    for number, target in enumerate(plan.targets):
        turned = matches[number % len(matches) :] + matches[: number % len(matches)]
        folder = volume.cell(plan.run, target.id, "dependency")
        folder.mkdir(parents=True)
        body = ", ".join(turned).replace('"version": "', f'"version": "{number}.')
        (folder / "report.json").write_text(f'{{"matches": [{body}], {rest}')
        put_record(volume, plan, target.id, "dependency")


def _plan(count: int):
    return make_plan([make_target(number) for number in range(1, count + 1)], scans=SCANS[:1])


def _measure(root: Path, count: int) -> Measured:
    plan = _plan(count)
    begin = time.perf_counter()
    ledger = aggregate(plan, Volume(root))
    seconds = time.perf_counter() - begin
    if ledger.count(Outcome.OK) != count:
        sys.exit(f"only {ledger.count(Outcome.OK)} of {count} cells are ok: {ledger.rows[0].reason}")
    size = sum(path.stat().st_size for path in root.glob("runs/*/*/*/report.json"))
    return Measured(count, sum(row.findings or 0 for row in ledger.rows), size, seconds, peak())


def _print(results: list[Measured]) -> None:
    print("| reports | findings | MB | seconds | MB/s | peak MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    for each in results:
        megabytes = each.bytes / 1e6
        print(
            f"| {each.reports:,} | {each.findings:,} | {megabytes:.0f} | {each.seconds:.1f} "
            f"| {megabytes / each.seconds:.0f} | {each.peak / 1e6:.0f} |"
        )
    first, last = results[0], results[-1]
    if last.reports > first.reports:
        print(f"\n{last.reports / first.reports:.1f}× the reports took", end=" ")
        print(f"{last.seconds / first.seconds:.2f}× the time and {last.peak / first.peak:.2f}× the memory.")


if __name__ == "__main__":
    sys.exit(main())
