"""Runs as exports find them: ledger, plan and merged findings on a volume, without anything having run."""

from pathlib import Path

from orchestrator.model import Cell, Ledger, LedgerRow, MergedFinding, Plan, Severity, Suppressed
from orchestrator.model.documents import encode
from orchestrator.results.coverage import coverage_in
from orchestrator.results.provisional import LEDGER
from orchestrator.results.run import RunResults
from orchestrator.results.tables.writing import MergedWriter
from orchestrator.volume.layout import Volume
from tests import results_of_runs

RUN = "run-1"
STARTED, FINISHED = "2025-03-01T10:00:00Z", "2025-03-01T10:05:00Z"


def make_row(target: str = "app-1", scan: str = "general", **changes) -> LedgerRow:
    fields = {
        "references": (f"registry.example/team/{target}:1.0",),
        "digest": "sha256:" + "1" * 64,
        "owners": ("team@example.com",),
        "started": STARTED,
        "finished": FINISHED,
        "scanner": "trivy" if scan == "general" else "grype",
        "scanner_version": "1.2.3",
    }
    return results_of_runs.make_row(target, scan, **(fields | changes))


def make_finding(target: str = "app-1", number: int = 1, **changes) -> MergedFinding:
    fields = {
        "target": target,
        "key": f"vulnerability CVE-2024-{number:04} pkg:deb/debian/openssl",
        "kind": "vulnerability",
        "id": f"CVE-2024-{number:04}",
        "severity": Severity.HIGH,
        "severities": {"general": Severity.HIGH, "dependency": Severity.MEDIUM},
        "title": "A flaw in openssl",
        "package": "openssl",
        "version": "3.0.1",
        "purl": "pkg:deb/debian/openssl@3.0.1",
        "ecosystem": "deb",
        "locations": ("/usr/lib/libssl.so.3",),
        "fixed_version": "3.0.2",
        "found_by": ("general", "dependency"),
        "first_seen": "2025-02-01T00:00:00Z",
    }
    return MergedFinding(**(fields | changes))


def suppressed(**changes) -> Suppressed:
    fields = {
        "by": "ignore.yaml:12",
        "reason": "not reachable",
        "status": "ignored",
        "until": "2025-06-01T00:00:00Z",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    return Suppressed(**(fields | changes))


def put_run(root: Path, rows=None, findings=None, *, standing=()) -> RunResults:
    """A run on a volume below `root`; `standing` are cells that were skipped because of an earlier result."""
    volume = Volume(root)
    rows = (make_row(),) if rows is None else tuple(rows)
    findings = (make_finding(),) if findings is None else tuple(findings)
    folder = volume.results(RUN)
    folder.mkdir(parents=True)
    first = {row.target: row for row in reversed(rows)}
    with (
        (folder / "merged.parquet").open("wb") as parquet,
        (folder / "merged.csv").open("wb") as csv,
        MergedWriter(RUN, parquet, csv) as writer,
    ):
        for target, row in first.items():
            writer.add(row, [finding for finding in findings if finding.target == target])
        writer.rest_on(coverage_in(rows))
    cells = [Cell(target=row.target, scan=row.scan, standing="run-0" if row.cell in standing else "") for row in rows]
    plan = Plan(run=RUN, created=STARTED, version="0.1.0", scans=(), targets=(), cells=tuple(cells))
    volume.plan(RUN).parent.mkdir()
    volume.plan(RUN).write_bytes(encode(plan))
    ledger = Ledger(run=RUN, created=STARTED, finished=FINISHED, rows=rows)
    (folder / LEDGER).write_bytes(encode(ledger))
    return RunResults(volume, RUN)
