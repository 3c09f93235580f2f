"""Runs as the aggregate step finds them: a plan, and cells that hold what a test puts there."""

import json
from pathlib import Path

from orchestrator.model import Cell, CellRecord, Name, Plan, Policy, Scan, Target
from orchestrator.model.documents import encode
from orchestrator.volume.layout import Volume

STARTED, FINISHED = "2025-03-01T10:00:00Z", "2025-03-01T10:00:05Z"
ENDED = CellRecord(attempts=1, started=STARTED, finished=FINISHED, exit_code=0)

SCANS = tuple(
    Scan(name=name, image=f"registry.example/{name}:1", command=("scan",), format=format_, report=report, kinds=kinds)
    for name, format_, report, kinds in (
        ("dependency", "grype", "report.json", None),
        ("general", "trivy", "report.json", None),
        ("root-user", "scanmatrix", "report.json", ("check",)),
        ("sbom", "cyclonedx", "report.json", None),
        ("virus", "clamav", "report.txt", None),
    )
)
CLEAN = {
    "dependency": b'{"matches": [], "descriptor": {"name": "grype", "version": "0.110.0"}}',
    "general": b'{"SchemaVersion": 2, "ArtifactName": "image.tar"}',
    "root-user": b'{"format": "scanmatrix/1", "scanner": {"name": "root-user"}, "findings": []}',
    "sbom": b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"tools": [{"name": "syft"}]}}',
    "virus": b"----------- SCAN SUMMARY -----------\nKnown viruses: 9\nScanned files: 1\nInfected files: 0\n",
}


def make_target(number: int = 1, **changes) -> Target:
    fields = {
        "id": f"app-{number}",
        "names": (Name(reference=f"registry.example/team/app:{number}", owner="team"),),
        "digest": f"sha256:{number:064x}",
        "pull": "http://cache.example:5000/team/app",
    }
    return Target(**(fields | changes))


def make_plan(targets=None, scans=SCANS, cells=None, run="run-1", policy=None) -> Plan:
    targets = (make_target(),) if targets is None else tuple(targets)
    if cells is None:
        cells = [Cell(target=target.id, scan=scan.name) for target in targets for scan in scans]
    return Plan(
        run=run,
        created="2025-03-01T09:00:00Z",
        version="0.1.0",
        scans=tuple(scans),
        targets=targets,
        cells=tuple(cells),
        policy=policy or Policy(),
    )


def put_report(volume: Volume, plan: Plan, target: str, scan: str, data: bytes | dict | list | None) -> Path:
    """The cell's folder, with this report in it unless it is None."""
    folder = volume.cell(plan.run, target, scan)
    folder.mkdir(parents=True, exist_ok=True)
    name = next(each.report for each in plan.scans if each.name == scan)
    if data is not None:
        (folder / name).write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return folder


def put_record(volume: Volume, plan: Plan, target: str, scan: str, record: CellRecord = ENDED) -> None:
    path = volume.record(plan.run, target, scan)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(record))


def put_clean_run(volume: Volume, plan: Plan) -> None:
    """Every cell ended well and found nothing."""
    for cell in plan.cells:
        put_report(volume, plan, cell.target, cell.scan, CLEAN[cell.scan])
        put_record(volume, plan, cell.target, cell.scan)
