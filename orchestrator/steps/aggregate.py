"""The end of a run: every cell of the plan accounted for, and all results written.

The ledger is built from the plan, not from what happens to lie on the volume or from what an engine believes: a cell
that nobody ran is in it as failed. Reports are read one at a time, so memory grows with the largest report and target,
not with the run. The same plan and the same files give the same results, byte for byte; every file appears whole or not
at all, the ledger last. What nobody foresaw fails the cell or the target it happens to; where it happens to the whole
run, there is a ledger all the same.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.analysis.summary import summarise
from orchestrator.errors import ScanmatrixError, VolumeFullError
from orchestrator.findings import formats
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.kit.removal import remove_quietly
from orchestrator.kit.text import markdown
from orchestrator.model import Ledger, LedgerRow, Outcome, Severity, Verdict
from orchestrator.model.documents import encode, spell_time
from orchestrator.results.cells import examine, failed
from orchestrator.results.ledger import LEDGER, moment
from orchestrator.results.naming import remarks
from orchestrator.results.reports import standing
from orchestrator.results.run import RunResults
from orchestrator.upkeep.room import FULL, clear, spend
from orchestrator.volume.layout import VolumeError, atomic_file, write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from orchestrator.analysis.merge import CellFindings
    from orchestrator.analysis.pipeline import Pipeline
    from orchestrator.analysis.summary import Severities
    from orchestrator.model import Cell, Plan, Scan, Target
    from orchestrator.results.bom.target import TargetBom
    from orchestrator.results.bom.whole import BomWriter
    from orchestrator.results.tables.writing import FindingsWriter, MergedWriter
    from orchestrator.volume.layout import Volume

_PLACES_SHOWN = 5
_TABLES = ("findings.parquet", "findings.csv", "merged.parquet", "merged.csv", "bom.cdx.json")
_FILES = (*_TABLES, "report.html")


def aggregate(
    plan: Plan, volume: Volume, *, notes: Sequence[str] = (), unrecorded: Mapping[tuple[str, str], str] | None = None
) -> Ledger:
    """Read what the cells of a run left on the volume, and write the run's results beside it.

    Writes `findings.*` (as the scanners reported them), `merged.*` (what all of them found, together, suppressed and
    judged), `bom.cdx.json`, `report.html`, `summary.md` and, last, `ledger.json` into the run's results folder; what an
    earlier call wrote there is replaced. Trouble with a cell is that cell's outcome.

    Args:
        plan: the plan of the whole run.
        volume: where the run lies.
        notes: what else a reader of the summary should know, a sentence each.
        unrecorded: why cells failed whose records could not be written, by target id and scan.

    Returns:
        The ledger, with the verdict of the plan's policy.

    Raises:
        VolumeFullError: the volume is full, even without the run's tarballs and all that is only a cache.
        OSError: the volume cannot be written.
    """
    spend(plan.run, volume)
    told = _Told(notes, unrecorded or {})
    try:
        with guarded(f"aggregating run {plan.run}"):
            return _with_room(plan, volume, told)
    except VolumeFullError:
        raise
    except ScanmatrixError as error:
        return _account(plan, volume, str(error), told)


class _Told(NamedTuple):
    """What is not on the volume; see `aggregate`."""

    notes: Sequence[str]
    unrecorded: Mapping[tuple[str, str], str]


def _with_room(plan: Plan, volume: Volume, told: _Told) -> Ledger:
    """Aggregate, and once more without what can be spared when the volume is full."""
    try:
        return _aggregate(plan, volume, told)
    except OSError as error:
        if error.errno not in FULL:
            raise
    clear(plan, volume)
    try:
        return _aggregate(plan, volume, told)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise VolumeFullError(
            f"{volume.results(plan.run)}: no space left for the results, even without the run's tarballs; "
            "make room on the volume, then aggregate the run again"
        ) from error


def _aggregate(plan: Plan, volume: Volume, told: _Told) -> Ledger:
    """One try, from the plan to the ledger."""
    # Here, because they take half a second to import, which those that only name this function need not wait for.
    from orchestrator.analysis.pipeline import Pipeline, seldom_collected  # noqa: PLC0415
    from orchestrator.results.bom.whole import BomWriter  # noqa: PLC0415
    from orchestrator.results.tables.writing import FindingsWriter, MergedWriter  # noqa: PLC0415

    folder = volume.results(plan.run)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(seldom_collected())
        parquet, csv, merged_parquet, merged_csv, bom = (
            stack.enter_context(atomic_file(folder / name)) for name in _TABLES
        )
        table = stack.enter_context(FindingsWriter(plan.run, parquet, csv))
        merged = stack.enter_context(MergedWriter(plan.run, merged_parquet, merged_csv))
        writer = stack.enter_context(BomWriter(plan.run, plan.version, bom, folder))
        pipeline = Pipeline(plan, volume)
        aggregation = _Aggregation(plan, volume, _Files(table, merged, writer), pipeline, told.unrecorded)
        rows = aggregation.examine_all()
        ended = _latest(rows) or plan.created
        writer.finish(ended)
    ledger = Ledger(
        run=plan.run,
        created=plan.created,
        finished=ended,
        rows=rows,
        verdict=pipeline.verdict(rows),
        partial=plan.partial,
        names={target.id: target.names for target in plan.targets},
    )
    notes = [*told.notes, *remarks(ledger.names), *pipeline.notes(), *_stale_databases(rows), *aggregation.notes]
    notes += _write_report(RunResults(volume, plan.run, ledger), folder / "report.html")
    write_atomic(folder / "summary.md", _summary(ledger, aggregation.severities, notes).encode())
    write_atomic(folder / LEDGER, encode(ledger))
    return ledger


def _account(plan: Plan, volume: Volume, reason: str, told: _Told) -> Ledger:
    """The ledger of a run whose results could not be put together: no cell of it counts as ok.

    Files that an earlier call wrote would be about something else, so they go.
    """
    folder = volume.results(plan.run)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    scans, targets = {scan.name: scan for scan in plan.scans}, plan.targets_by_id
    examined = (
        examine(
            plan,
            cell,
            targets[cell.target],
            scans[cell.scan],
            volume,
            unrecorded=told.unrecorded.get((cell.target, cell.scan), ""),
        )
        for cell in plan.cells
    )
    rows = tuple(each.row for each in examined)
    rows = tuple(failed(row, reason) if row.outcome is Outcome.OK else row for row in rows)
    ledger = Ledger(
        run=plan.run,
        created=plan.created,
        finished=_latest(rows) or plan.created,
        rows=rows,
        verdict=Verdict(passed=False, broken=(reason,)),
        partial=plan.partial,
        names={target.id: target.names for target in plan.targets},
    )
    write_atomic(folder / "summary.md", _summary(ledger, {}, [reason, *told.notes]).encode())
    write_atomic(folder / LEDGER, encode(ledger))
    return ledger


def _summary(ledger: Ledger, severities: Severities, notes: Sequence[str]) -> str:
    try:
        with guarded(f"writing the summary of run {ledger.run}"):
            return summarise(ledger, severities, notes)
    except InternalError as error:
        return f"# Run {ledger.run}\n\n{markdown(str(error))}\n"


def _write_report(results: RunResults, path: Path) -> list[str]:
    """Write the HTML report; one that cannot be made does not cost the ledger, but a full volume is said to be that."""
    from orchestrator.exports.html import write_report  # noqa: PLC0415 - as above

    try:
        with guarded(f"making the HTML report of run {results.run}"), atomic_file(path) as file:
            write_report(results, file)
    except (ScanmatrixError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        remove_quietly(path)  # one of an earlier call would be about other results
        return [f"the HTML report could not be made: {error}"]
    return []


class _Files(NamedTuple):
    """What is written while the cells are gone through."""

    findings: FindingsWriter
    merged: MergedWriter
    bom: BomWriter


class _Aggregation:
    """One pass over the cells of a plan, target by target.

    Attributes:
        severities: merged findings by severity for each target that has any; those that are suppressed under None.
        notes: what was left out of the BOM, and which earlier results are gone.
    """

    def __init__(
        self,
        plan: Plan,
        volume: Volume,
        files: _Files,
        pipeline: Pipeline,
        unrecorded: Mapping[tuple[str, str], str],
    ) -> None:
        self._plan = plan
        self._volume = volume
        self._scans = {scan.name: scan for scan in plan.scans}
        self._kinds = {scan.name: _kinds(scan) for scan in plan.scans}
        self._files = files
        self._pipeline = pipeline
        self._unrecorded = unrecorded
        self.severities: dict[str, dict[Severity | None, int]] = {}
        self.notes: list[str] = []

    def examine_all(self) -> tuple[LedgerRow, ...]:
        """A row for every cell, in the plan's order, whichever order they were examined in."""
        cells: dict[str, list[tuple[int, Cell]]] = {target.id: [] for target in self._plan.targets}
        for index, cell in enumerate(self._plan.cells):
            cells[cell.target].append((index, cell))
        rows: dict[int, LedgerRow] = {}
        for target in self._plan.targets:
            rows |= self._examine_target(target, cells[target.id])
        return tuple(rows[index] for index in range(len(self._plan.cells)))

    def _examine_target(self, target: Target, cells: list[tuple[int, Cell]]) -> dict[int, LedgerRow]:
        from orchestrator.results.bom.target import TargetBom  # noqa: PLC0415 - as above

        bom = TargetBom(target)
        rows: dict[int, LedgerRow] = {}
        found: list[CellFindings] = []
        for index, cell in cells:
            rows[index], of_cell = self._examine_cell(cell, target, self._scans[cell.scan], bom)
            found.append(of_cell)
        try:
            with guarded(f"putting together what was found in {target.reference}"):
                self._note(target, "all scans", self._files.bom.add(bom, rows.values()))
                if rows:
                    self._merge(list(rows.values()), found)
        except ScanmatrixError as error:
            return {index: failed(row, str(error)) if row.outcome is Outcome.OK else row for index, row in rows.items()}
        return rows

    def _examine_cell(self, cell: Cell, target: Target, scan: Scan, bom: TargetBom) -> tuple[LedgerRow, CellFindings]:
        from orchestrator.analysis.merge import CellFindings  # noqa: PLC0415 - as above

        unrecorded = self._unrecorded.get((cell.target, cell.scan), "")
        row, report, size = examine(self._plan, cell, target, scan, self._volume, unrecorded=unrecorded)
        try:
            with guarded(f"writing down what {scan.name} found in {target.reference}"):
                if report is not None:
                    self._files.findings.add(row, report.findings, size)
                self._note(target, scan.name, bom.add(row, report))
        except ScanmatrixError as error:
            row, report = failed(row, str(error)), None
        if cell.standing:
            report = standing(cell, scan, self._volume)
            if report is None:
                self.notes.append(
                    f"{target.reference} × {scan.name}: its result of run {cell.standing} is still fresh, but its"
                    " report is not on the volume any more, so what it found is not among the merged findings"
                )
        # An earlier result that still stands is as good as one of this run.
        outcome = Outcome.OK if report is not None else row.outcome
        findings = report.findings if report is not None else ()
        return row, CellFindings(scan.name, outcome, self._kinds[scan.name], findings)

    def _merge(self, rows: Sequence[LedgerRow], cells: Sequence[CellFindings]) -> None:
        """What all scans of a target found, together."""
        try:
            merged = self._pipeline.add(rows, cells)
        except OSError as error:  # since when its findings are known, in files of its own
            if error.errno in FULL:
                raise
            raise VolumeError(f"what is remembered of it on the volume cannot be read or written: {error}") from error
        self._files.merged.add(rows[0], merged)
        if merged:
            counts = Counter([None if finding.suppressed else finding.severity for finding in merged])
            self.severities[rows[0].target] = dict(counts)

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
    known = formats().get(scan.format)
    return frozenset(scan.kinds if scan.kinds is not None else known.kinds if known else ())


def _stale_databases(rows: Sequence[LedgerRow]) -> list[str]:
    """What the rows note, once for each scan."""
    noted = Counter((row.scan, row.note) for row in rows if row.note)
    return [f"{scan}: {note} ({count} cell{'s' if count > 1 else ''})" for (scan, note), count in noted.items()]


def _latest(rows: Sequence[LedgerRow]) -> str:
    """The latest moment in the ledger's rows, RFC 3339 in UTC; empty when nothing ran."""
    moments = [moment(text) for row in rows for text in (row.started, row.finished)]
    latest = max((each for each in moments if each), default=None)
    return spell_time(latest) if latest else ""
