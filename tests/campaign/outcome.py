"""What two runs of the same plan have in common, however often each was interrupted: everything but times."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyarrow import parquet

from orchestrator.model import Outcome
from orchestrator.results.ledger import read_ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.volume.layout import Volume

#: Columns that say when, how often, or by which name something was done.
_OTHERWISE = {"run", "first_seen"}


@dataclass(frozen=True)
class Outcomes:
    """Results of a run.

    Attributes:
        reports: of each cell that ended ok: digest of its report, its findings, its components.
        findings: rows of `findings.parquet`, by cell.
        merged: rows of `merged.parquet`, by target.
        components: of the merged BOM, by target.
    """

    reports: Mapping[str, tuple[str, int | None, int | None]]
    findings: Mapping[str, list[Any]]
    merged: Mapping[str, list[Any]]
    components: Mapping[str, Any]


def outcomes_of(volume: Volume, run: str) -> Outcomes:
    """The results of a run on a volume."""
    folder = volume.results(run)
    ledger = read_ledger(volume, run)
    bom = json.loads((folder / "bom.cdx.json").read_bytes())
    return Outcomes(
        reports={
            row.cell: (row.report_digest, row.findings, row.components)
            for row in ledger.rows
            if row.outcome is Outcome.OK
        },
        findings=_rows(folder / "findings.parquet", "cell"),
        merged=_rows(folder / "merged.parquet", "target"),
        components={each["bom-ref"]: each for each in bom.get("components", ())},
    )


def differences(found: Outcomes, undisturbed: Outcomes) -> list[str]:
    """Where the cells that ended ok differ from the undisturbed run, and targets of which all cells did."""
    said = []
    for cell in undisturbed.reports:
        if cell in found.reports:
            said += _compare(f"{cell}: report", found.reports[cell], undisturbed.reports[cell])
            said += _compare(f"{cell}: findings", found.findings.get(cell), undisturbed.findings.get(cell))
        elif cell in found.findings:
            said.append(f"{cell}: has findings, although it is not ok")
    targets = {cell.partition("/")[0] for cell in undisturbed.reports}
    failed = {cell.partition("/")[0] for cell in undisturbed.reports.keys() - found.reports.keys()}
    for target in sorted(targets - failed):
        said += _compare(f"{target}: merged", found.merged.get(target), undisturbed.merged.get(target))
        said += _compare(f"{target}: BOM", found.components.get(target), undisturbed.components.get(target))
    return said


def _rows(path: Path, by: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in parquet.read_table(path).to_pylist():
        found[row[by]].append({key: value for key, value in row.items() if key not in _OTHERWISE})
    return {key: sorted(rows, key=str) for key, rows in found.items()}


def _compare(what: str, found: object, wanted: object) -> list[str]:
    return [] if found == wanted else [f"{what} differ from the undisturbed run's: {found} instead of {wanted}"[:600]]
