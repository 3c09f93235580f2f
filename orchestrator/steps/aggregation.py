"""One pass over the cells of a plan, target by target: what they found goes into the run's tables and its BOM."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.analysis.merge import CellFindings
from orchestrator.analysis.parts import PART
from orchestrator.errors import ScanmatrixError
from orchestrator.findings import kinds_of
from orchestrator.kit.guarding import guarded
from orchestrator.model import Outcome
from orchestrator.results.bom.target import TargetBom
from orchestrator.results.cells import examine, failed
from orchestrator.results.costs import TargetCost
from orchestrator.results.reports import standing
from orchestrator.upkeep.room import FULL
from orchestrator.volume.layout import VolumeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.analysis.pipeline import Pipeline
    from orchestrator.findings.interface import Report
    from orchestrator.model import Cell, LedgerRow, MergedFinding, Plan, Scan, Severity, Target
    from orchestrator.results.bom.whole import BomWriter
    from orchestrator.results.tables.writing import FindingsWriter, MergedWriter
    from orchestrator.steps.account import NotOnVolume
    from orchestrator.volume.layout import Volume

_PLACES_SHOWN = 5


class OutputFiles(NamedTuple):
    """What is written while the cells are gone through.

    Attributes:
        bom: None where none is to be written.
    """

    findings: FindingsWriter
    merged: MergedWriter
    bom: BomWriter | None


class Aggregation:
    """One pass over the cells of a plan, target by target.

    Attributes:
        severities: merged findings by severity for each target that has any; those that are suppressed under None.
        notes: what was left out of the BOM, and which earlier results are gone.
        merged: the merged findings, where they are to be kept and few enough for that; None where they are not.
    """

    def __init__(
        self,
        plan: Plan,
        volume: Volume,
        files: OutputFiles,
        pipeline: Pipeline,
        told: NotOnVolume,
        *,
        keep: bool,
    ) -> None:
        self._plan = plan
        self._volume = volume
        self._scans = {scan.name: scan for scan in plan.scans}
        self._kinds = {scan.name: _kinds(scan) for scan in plan.scans}
        self._files = files
        self._pipeline = pipeline
        self._told = told
        self.severities: dict[str, dict[Severity | None, int]] = {}
        self.notes: list[str] = []
        self.merged: list[MergedFinding] | None = [] if keep else None

    def examine_all(self) -> tuple[LedgerRow, ...]:
        """A row for every cell, in the plan's order, whichever order they were examined in."""
        cells: dict[str, list[tuple[int, Cell]]] = {target.id: [] for target in self._plan.targets}
        for index, cell in enumerate(self._plan.cells):
            cells[cell.target].append((index, cell))
        rows: dict[int, LedgerRow] = {}
        for target in self._plan.targets:
            rows |= self._examine_target(target, cells[target.id])
        self._settle()
        return tuple(rows[index] for index in range(len(self._plan.cells)))

    def _examine_target(self, target: Target, cells: list[tuple[int, Cell]]) -> dict[int, LedgerRow]:
        self._pipeline.packages.forget()
        bom, cost = TargetBom(target, self._pipeline.packages), TargetCost()
        rows: dict[int, LedgerRow] = {}
        found: list[CellFindings] = []
        for index, cell in cells:
            rows[index], of_cell = self._examine_cell(cell, target, bom, cost)
            found.append(of_cell)
        try:
            with guarded(f"putting together what was found in {target.reference}"):
                if self._files.bom is not None:
                    self._note(target, "all scans", self._files.bom.add(bom, rows.values()))
                del bom  # before the memory is needed for the merged findings
                if rows:
                    self._merge(list(rows.values()), found)
        except ScanmatrixError as error:
            return {index: failed(row, str(error)) if row.outcome is Outcome.OK else row for index, row in rows.items()}
        return rows

    def _examine_cell(
        self, cell: Cell, target: Target, bom: TargetBom, cost: TargetCost
    ) -> tuple[LedgerRow, CellFindings]:
        scan = self._scans[cell.scan]
        own = cell.target, cell.scan
        unrecorded, known = self._told.unrecorded.get(own, ""), self._told.reports.get(own)
        row, report, size = examine(self._plan, cell, target, scan, self._volume, unrecorded=unrecorded, known=known)
        try:
            with guarded(f"writing down what {scan.name} found in {target.reference}"):
                if report is not None and (excess := cost.excess(report)):
                    row, report = failed(row, excess), None
                if report is not None:
                    self._files.findings.add(row, report.findings, size)
                if self._files.bom is not None:
                    self._note(target, scan.name, bom.add(row, report))
        except ScanmatrixError as error:
            row, report = failed(row, str(error)), None
        if cell.standing:
            report = self._standing(cell, target, scan, cost)
        # An earlier result that still stands is as good as one of this run.
        outcome = Outcome.OK if report is not None else row.outcome
        findings = report.findings if report is not None else ()
        return row, CellFindings(scan.name, outcome, self._kinds[scan.name], findings)

    def _standing(self, cell: Cell, target: Target, scan: Scan, cost: TargetCost) -> Report | None:
        """What an earlier run found in a cell, where that still stands and is there."""
        report = standing(cell, scan, self._volume)
        why = "its report is not on the volume any more" if report is None else cost.excess(report)
        if why:
            self.notes.append(
                f"{target.reference} × {scan.name}: its result of run {cell.standing} is still fresh, but {why},"
                " so what it found is not among the merged findings"
            )
        return None if why else report

    def _merge(self, rows: Sequence[LedgerRow], cells: Sequence[CellFindings]) -> None:
        """What all scans of a target found, together."""
        counts: Counter[Severity | None] = Counter()
        try:
            with self._pipeline.add(rows, cells) as parts:
                for part in parts:
                    self._files.merged.add(rows[0], part)
                    if self.merged is not None:
                        self.merged = [*self.merged, *part] if len(self.merged) + len(part) <= PART else None
                    counts.update([None if finding.suppressed else finding.severity for finding in part])
        except OSError as error:  # since when its findings are known, in files of its own
            if error.errno in FULL:
                raise
            raise VolumeError(f"what is remembered of it on the volume cannot be read or written: {error}") from error
        if counts:
            self.severities[rows[0].target] = dict(counts)

    def _settle(self) -> None:
        """Make durable since when findings are known; where that fails the results are what they are."""
        try:
            self._pipeline.settle()
        except OSError as error:
            if error.errno in FULL:
                raise
            self.notes.append(f"since when findings are known was not remembered of some targets: {error}")

    def _note(self, target: Target, scan: str, places: Sequence[str]) -> None:
        """Say what of a report is not in the merged BOM, because CycloneDX 1.6 does not allow it."""
        if places:
            shown = ", ".join(places[:_PLACES_SHOWN]) + (", …" if len(places) > _PLACES_SHOWN else "")
            self.notes.append(
                f"{target.reference} × {scan}: {len(places)} pieces of its BOM are not valid CycloneDX 1.6, "
                f"so they are not in the merged one: {shown}"
            )


def _kinds(scan: Scan) -> frozenset[str]:
    """What a scan looks for; nothing is known of one whose format is unknown, and its cells fail for that."""
    return kinds_of(scan) or frozenset()
