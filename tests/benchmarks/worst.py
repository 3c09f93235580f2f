"""Aggregate the costliest reports of one target that are accepted: peak memory beside the pod's limit, CPU seconds.

    python -m tests.benchmarks.worst [--part 1.0]

As many reports as fit the budget of a target, and one that does not: of findings that are all of packages of their own,
that are all of one package, and of BOMs. Each kind runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from orchestrator.kit.quantities import parse_size
from orchestrator.model import Outcome, Plan, Scan
from orchestrator.results.costs import POD_MEMORY
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan, put_record, put_report
from tests.benchmarks.apart import apart, peak

_HEAD = '"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"tools":[{"name":"syft"}]}'


class Kind(NamedTuple):
    """Reports of one kind.

    Attributes:
        format: of all of them.
        make: a report of this many items, by its number.
        items: in each report.
        reports: how many of them, the last of which does not fit.
    """

    format: str
    make: Callable[[int, int], str]
    items: int
    reports: int


class Measured(NamedTuple):
    """One kind: cells that ended ok and that were refused, findings and bytes that were accepted, what it took."""

    ok: int
    refused: int
    findings: int
    bytes: int
    seconds: float
    peak: int


def _match(package: str, number: int, report: int) -> str:
    return (
        f'{{"vulnerability":{{"id":"CVE-{2020 + report}-{number:07}","severity":"High","description":"{"x" * 60}",'
        f'"fix":{{"versions":["1.2.4"]}}}},"artifact":{{"name":"{package}","version":"1.2.3","purl":"pkg:npm/{package}@1.2.3",'
        f'"locations":[{{"path":"/usr/lib/node_modules/{package}/package.json"}}]}}}}'
    )


def _of_all(report: int, items: int) -> str:
    matches = ",".join(_match(f"package-{report}-{number}", number, report) for number in range(items))
    return f'{{"descriptor":{{"name":"grype"}},"matches":[{matches}]}}'


def _of_one(report: int, items: int) -> str:
    matches = ",".join(_match("package", number, report) for number in range(items))
    return f'{{"descriptor":{{"name":"grype"}},"matches":[{matches}]}}'


def _bom(report: int, items: int) -> str:
    components = ",".join(
        f'{{"type":"library","bom-ref":"{number}","name":"p{report}-{number}","version":"1.2.3",'
        f'"purl":"pkg:npm/p{report}-{number}@1.2.3","properties":[{{"name":"a","value":"b"}}],'
        f'"licenses":[{{"license":{{"id":"MIT"}}}}]}}'
        for number in range(items)
    )
    return f'{{{_HEAD},"components":[{components}]}}'


KINDS = {
    "findings of as many packages": Kind("grype", _of_all, 190_000, 5),
    "findings of one package": Kind("grype", _of_one, 190_000, 5),
    "BOMs": Kind("cyclonedx", _bom, 175_000, 3),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", type=float, default=1.0, help="of the worst, for a quick look")
    part = parser.parse_args().part
    limit = parse_size(POD_MEMORY)
    print(f"| reports | ok | refused | findings | MB accepted | CPU s | peak MB | of the pod's {limit / 1e6:.0f} MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    met = True
    for name in KINDS:
        each = measure(name, part)
        met = met and each.peak < limit
        print(
            f"| {name} | {each.ok} | {each.refused} | {each.findings:,} | {each.bytes / 1e6:.0f} | {each.seconds:.1f} "
            f"| {each.peak / 1e6:.0f} | {each.peak / limit:.0%} |",
            flush=True,
        )
    print(f"\nWithin the pod's memory: {'yes' if met else 'no'}.")
    return 0


def measure(name: str, part: float) -> Measured:
    """Aggregate the reports of a kind, or this part of each, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="worst-") as folder:
        apart(_prepare, Path(folder), name, part)  # so that making them leaves nothing in the memory that is measured
        return apart(_measure, Path(folder), name)


def _plan(kind: Kind) -> Plan:
    scans = [
        Scan(name=f"scan-{number}", image="r/x:1", command=("scan",), format=kind.format, report="report.json")
        for number in range(kind.reports)
    ]
    return make_plan(scans=scans)


def _prepare(root: Path, name: str, part: float) -> None:
    kind = KINDS[name]
    plan, volume = _plan(kind), Volume(root)
    for number, scan in enumerate(plan.scans):
        report = kind.make(number, int(kind.items * part))
        put_report(volume, plan, plan.targets[0].id, scan.name, report.encode())
        put_record(volume, plan, plan.targets[0].id, scan.name)


def _measure(root: Path, name: str) -> Measured:
    plan = _plan(KINDS[name])
    begin = time.process_time()
    ledger = aggregate(plan, Volume(root))
    seconds = time.process_time() - begin
    accepted = {row.scan for row in ledger.rows if row.outcome is Outcome.OK}
    size = sum(path.stat().st_size for path in root.glob("runs/*/*/*/report.json") if path.parent.name in accepted)
    findings = sum(row.findings or 0 for row in ledger.rows)
    return Measured(len(accepted), len(ledger.rows) - len(accepted), findings, size, seconds, peak())


if __name__ == "__main__":
    sys.exit(main())
