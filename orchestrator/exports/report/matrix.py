"""The heat map: targets by scans, the worst targets first, with what was found and how each cell ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.exports.report.severities import NOTHING, WORST_FIRST, Counts, total
from orchestrator.model import Outcome
from orchestrator.model.image import unusual
from orchestrator.results.naming import first as some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.exports.report.counting import ReportNumbers
    from orchestrator.model import Ledger, LedgerRow

# Findings of the worst severity from which a cell's colour is stronger, and stronger still.
_SOME, _MANY = 5, 20
# Workloads that are named of one target.
_WORKLOADS = 10


class CellView(NamedTuple):
    """One cell of the heat map.

    Attributes:
        state: a severity (the worst found), `clean`, `failed`, `skipped`, or `absent` where the plan has no such cell.
        text: what stands in it.
        detail: a second, smaller line; may be empty.
        tip: everything about it in words.
        scan: its scan.
        level: ` few`, ` some` or ` many` of the worst severity, with a blank for a list of classes; else empty.
    """

    state: str
    text: str
    detail: str
    tip: str
    scan: str
    level: str = ""


class HeatMapLine(NamedTuple):
    """One line of the heat map; `counts` is of the whole target, a finding of two scans counted once."""

    target: str
    label: str
    owners: str
    workloads: tuple[str, ...]
    counts: Counts
    cells: tuple[CellView, ...]


class ScanView(NamedTuple):
    """The sums of one scan over every target of the run."""

    scan: str
    ok: int
    failed: int
    skipped: int
    counts: Counts


class Matrix(NamedTuple):
    """The heat map.

    Attributes:
        targets: those shown, the worst first.
        left_out: number of targets not shown.
        left_counts: their findings.
        left_failed: their failed cells.
        scans: sums of every scan over all targets, the ones not shown too.
    """

    targets: tuple[HeatMapLine, ...]
    left_out: int
    left_counts: Counts
    left_failed: int
    scans: tuple[ScanView, ...]


def label(row: LedgerRow) -> str:
    """A target for people: its first name, how many others it has, and its platform where that is not the usual one."""
    first, *others = row.references or (row.target,)
    also = f" (+{len(others)})" if others else ""
    platform = f" {shown}" if (shown := unusual(row.platform)) else ""
    return f"{first}{also}{platform}"


def words(counts: Counts) -> str:
    """Counts in words, the worst first: `2 critical, 1 low`."""
    named = zip(counts, WORST_FIRST, strict=True)
    return ", ".join(f"{count:,} {severity}" for count, severity in named if count) or "no findings"


def lay_out(ledger: Ledger, numbers: ReportNumbers, most: int = 100) -> Matrix:
    """The heat map of at most this many of the worst targets."""
    scans = tuple(dict.fromkeys(row.scan for row in ledger.rows))
    lines: dict[str, dict[str, LedgerRow]] = {}
    columns: dict[str, list[LedgerRow]] = {scan: [] for scan in scans}
    for row in ledger.rows:
        lines.setdefault(row.target, {})[row.scan] = row
        columns[row.scan].append(row)
    order = sorted(lines, key=lambda target: _badness(target, lines[target], numbers))
    shown, hidden = order[:most], order[most:]
    return Matrix(
        targets=tuple(_line(target, lines[target], scans, numbers) for target in shown),
        left_out=len(hidden),
        left_counts=total(numbers.targets.get(target, NOTHING) for target in hidden),
        left_failed=sum(_failed(lines[target]) for target in hidden),
        scans=tuple(_sums(scan, rows, numbers) for scan, rows in columns.items()),
    )


def _badness(target: str, line: Mapping[str, LedgerRow], numbers: ReportNumbers) -> tuple[Sequence[int], int, str]:
    counts = numbers.targets.get(target, NOTHING)
    return [-count for count in counts], -_failed(line), label(next(iter(line.values())))


def _failed(line: Mapping[str, LedgerRow]) -> int:
    return sum(row.fails for row in line.values())


def _line(target: str, line: Mapping[str, LedgerRow], scans: Sequence[str], numbers: ReportNumbers) -> HeatMapLine:
    first = next(iter(line.values()))
    return HeatMapLine(
        target=target,
        label=label(first),
        owners=", ".join(first.owners),
        workloads=tuple(some(first.workloads, _WORKLOADS)),
        counts=numbers.targets.get(target, NOTHING),
        cells=tuple(_cell(line.get(scan), scan, numbers.cells.get((target, scan), NOTHING)) for scan in scans),
    )


def _cell(row: LedgerRow | None, scan: str, counts: Counts) -> CellView:
    if row is None:
        return CellView("absent", "-", "", "not in the plan", scan)
    if row.suspect:
        return CellView("failed", "suspect", "", f"suspect: {row.suspect}; it found: {words(counts)}", scan)
    if row.outcome is not Outcome.OK:
        return CellView(row.outcome.value, row.outcome.value, "", f"{row.outcome}: {row.reason}", scan)
    note = (f"; from {row.source}" if row.source else "") + (f"; {row.note}" if row.note else "")
    if not any(counts):
        hidden = f"; {row.findings:,} in its report, all suppressed or merged away" if row.findings else ""
        return CellView("clean", "0", "", f"ok: no findings{hidden}{note}", scan)
    count, severity = next(pair for pair in zip(counts, WORST_FIRST, strict=True) if pair[0])
    others = sum(counts) - count
    return CellView(
        state=severity.value,
        text=f"{count:,} {severity}",
        detail=f"+ {others:,} more" if others else "",
        tip=f"ok: {words(counts)}{note}",
        scan=scan,
        level=" few" if count < _SOME else " some" if count < _MANY else " many",
    )


def _sums(scan: str, rows: Sequence[LedgerRow], numbers: ReportNumbers) -> ScanView:
    ended = {outcome: sum(row.outcome is outcome for row in rows) for outcome in Outcome}
    counts = total(numbers.cells.get((row.target, scan), NOTHING) for row in rows)
    return ScanView(scan, ended[Outcome.OK], ended[Outcome.FAILED], ended[Outcome.SKIPPED], counts)
