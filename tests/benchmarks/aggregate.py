"""Aggregate 250 and 1,000 real-sized reports: seconds, against those of parsing them, and whether memory stays flat.

    python -m tests.benchmarks.aggregate [--reports 1000]

The reports are variations of a real one of Grype (327 findings, 0.8 MB), one per target. Each size runs in a process of
its own, so that its peak memory is its own. `parse` is the bare typed parse in the same process, before: each file read
and its findings made by the same parser, then dropped. What the step itself imports counts as its own time.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from orchestrator.findings import grype
from orchestrator.findings.reading import read_report
from orchestrator.model import Outcome
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import SCANS, make_plan, make_target, put_record
from tests.benchmarks.apart import apart, peak

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
REPORT = SHARED / "data" / "reports" / "grype" / "many_vulns3.json"
SIZES = (250, 1000)
LIMIT = 3.0


class Measured(NamedTuple):
    """One size: how many reports, their bytes, what it took; each in seconds of the clock and of CPU."""

    reports: int
    findings: int
    bytes: int
    seconds: float
    cpu: float
    parse: float
    parse_cpu: float
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
    plan, paths = _plan(count), list(root.glob("runs/*/*/*/report.json"))
    begin, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        grype.parse(read_report(path, plan.scans[0].report_limit))
    parse, parse_cpu = time.perf_counter() - begin, time.process_time() - cpu
    begin, cpu = time.perf_counter(), time.process_time()
    ledger = aggregate(plan, Volume(root))
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    if ledger.count(Outcome.OK) != count:
        sys.exit(f"only {ledger.count(Outcome.OK)} of {count} cells are ok: {ledger.rows[0].reason}")
    size = sum(path.stat().st_size for path in paths)
    findings = sum(row.findings or 0 for row in ledger.rows)
    return Measured(count, findings, size, seconds, cpu, parse, parse_cpu, peak())


def _print(results: list[Measured]) -> None:
    print("| reports | findings | MB | s | CPU s | parse s | parse CPU s | × parse | × its CPU | MB/s | peak MB |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for each in results:
        megabytes = each.bytes / 1e6
        print(
            f"| {each.reports:,} | {each.findings:,} | {megabytes:.0f} | {each.seconds:.1f} | {each.cpu:.1f} "
            f"| {each.parse:.1f} | {each.parse_cpu:.1f} | {each.seconds / each.parse:.1f} "
            f"| {each.cpu / each.parse_cpu:.1f} | {megabytes / each.seconds:.0f} | {each.peak / 1e6:.0f} |"
        )
    print(f"\nAt most {LIMIT} times the bare typed parse is wanted.")
    first, last = results[0], results[-1]
    if last.reports > first.reports:
        print(f"\n{last.reports / first.reports:.1f}× the reports took", end=" ")
        print(f"{last.seconds / first.seconds:.2f}× the time and {last.peak / first.peak:.2f}× the memory.")


if __name__ == "__main__":
    sys.exit(main())
