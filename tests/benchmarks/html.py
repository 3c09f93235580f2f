"""The HTML report of 5,000 and 50,000 findings: how long it takes to write, and until its table is drawn in Chromium.

    python -m tests.benchmarks.html [--findings 5000 50000] [--total 1000000]

Each report is written in a process of its own, so that its peak memory is its own; the last one is of a run of a
million merged findings, of which the report has the 50,000 worst. Each is opened five times, in fresh contexts of one
Chromium: the time is from the start of the navigation to the first drawing of the table's rows; medians are shown.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from orchestrator.exports.html import FILE, ROWS, export
from orchestrator.results.run import RunResults
from orchestrator.volume.layout import Volume
from tests.benchmarks.apart import apart, peak
from tests.results_of_runs import demo_findings, demo_rows, make_ledger, put_results
from tests.tools import find

SIZES = (5_000, 50_000)
TOTAL = 1_000_000
_PER_TARGET = 100
_OPENED = 5
_FILTER = """() => {
  const begin = performance.now();
  document.getElementById("text").value = "openssl critical";
  document.getElementById("filter").dispatchEvent(new Event("input"));
  return performance.now() - begin;
}"""


class Measured(NamedTuple):
    """One size: findings of the run, rows of its report, its bytes, and what writing and opening it took."""

    findings: int
    rows: int
    bytes: int
    seconds: float
    peak: int
    loaded: float
    drawn: float
    filtered: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--findings", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--total", type=int, default=TOTAL, help="findings of the largest run; 0 for none")
    options = parser.parse_args()
    results = []
    for count in [*options.findings, *([options.total] if options.total else [])]:
        with tempfile.TemporaryDirectory(prefix="html-") as folder:
            run = _prepare(Path(folder), count)
            written = apart(_write, Path(folder), run)
            path = Volume(Path(folder)).results(run) / FILE
            results.append(Measured(count, min(count, ROWS), path.stat().st_size, *written, *_open(path)))
    _print(results)
    return 0


def _prepare(root: Path, count: int) -> str:
    """A run with this many merged findings, a hundred for each target, made in parts."""
    rows = demo_rows(max(1, count // _PER_TARGET))
    ledger = make_ledger(rows, "run-1")
    found = demo_findings(rows[:500], min(count, _PER_TARGET * 100), random.Random(7))
    pool = [finding for of in found.values() for finding in of]
    targets = list(dict.fromkeys(row.target for row in rows))
    per_target = count // len(targets)
    put_results(
        Volume(root),
        ledger,
        _Lazy(
            targets,
            lambda target, number: [
                _other(pool[(number * per_target + each) % len(pool)], target, number) for each in range(per_target)
            ],
        ),
    )
    return ledger.run


class _Lazy(dict):
    """Findings by target, made when they are asked for."""

    def __init__(self, targets, make) -> None:
        super().__init__()
        self._targets = targets
        self._make = make

    def items(self):
        return ((target, self._make(target, number)) for number, target in enumerate(self._targets))


def _other(finding, target: str, number: int):
    """The same finding in another target; ids and versions differ, so that not all texts are the same."""
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__}
    name = f"{finding.id}{number % 10}"
    fields |= {"target": target, "version": f"{finding.version}.{number % 50}", "id": name}
    fields |= {"key": f"{name} {finding.package}", "title": f"{finding.title} ({name})"}
    return type(finding)(**fields)


def _write(root: Path, run: str) -> tuple[float, int]:
    begin = time.perf_counter()
    export(RunResults(Volume(root), run), None)
    return time.perf_counter() - begin, peak()


def _open(path: Path) -> tuple[float, float, float]:
    """Seconds until the document is loaded, until its table is drawn, and of a search in it."""
    if find("chromium") is None:
        return (float("nan"),) * 3
    from tests.tools.browser import start_chromium  # noqa: PLC0415 - without a browser the rest is measured

    times = []
    with start_chromium() as browser:
        for _ in range(_OPENED):
            context = browser.new_context()
            page = context.new_page()
            page.goto(path.as_uri())
            page.wait_for_function("performance.getEntriesByName('table-drawn').length")
            loaded = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
            drawn = page.evaluate("performance.getEntriesByName('table-drawn')[0].startTime")
            times.append((loaded / 1000, drawn / 1000, page.evaluate(_FILTER) / 1000))
            context.close()
    return tuple(map(statistics.median, zip(*times, strict=True)))


def _print(results: list[Measured]) -> None:
    print("| findings | rows | MB | written s | peak MB | loaded s | table drawn s | search s |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for each in results:
        print(
            f"| {each.findings:,} | {each.rows:,} | {each.bytes / 1e6:.1f} | {each.seconds:.1f} "
            f"| {each.peak / 1e6:.0f} | {each.loaded:.2f} | {each.drawn:.2f} | {each.filtered:.3f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
