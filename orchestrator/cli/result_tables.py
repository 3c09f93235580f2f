"""How results of runs are printed: tables for people, JSON, YAML for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.cli.output import OutputFormat, names_of, print_data, say
from orchestrator.cli.tables import Fit, TableCell, TableColumn, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.model import Ledger, MergedFinding, MergedRow
    from orchestrator.notifications.interface import Delivery
    from orchestrator.queries.difference import Difference
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary

#: The first columns of every table of findings; `cells_of` has what is in them.
FINDING = (
    TableColumn("Severity", coloured=True),
    TableColumn("Id"),
    TableColumn("Package", Fit.MIDDLE),
    TableColumn("Version", Fit.MIDDLE, 1),
    TableColumn("Fixed in", Fit.MIDDLE, least=15),
    TableColumn("Target", Fit.MIDDLE),
)
_MERGED = (
    *FINDING,
    TableColumn("Owner", Fit.CUT, 3),
    TableColumn("Found by", Fit.FOLD, 4),
    TableColumn("Not by", Fit.FOLD, 5),
    TableColumn("Title", Fit.CUT, 2),
)
_DIFFERENCES = (
    TableColumn("Status", coloured=True),
    TableColumn("Severity", coloured=True),
    TableColumn("Id"),
    TableColumn("Package", Fit.MIDDLE),
    TableColumn("Version", Fit.FOLD, 1),
    TableColumn("Fixed in", Fit.MIDDLE, 2),
    TableColumn("Target", Fit.MIDDLE),
    TableColumn("Why", Fit.FOLD, 3),
)
_SHOWN_NAMES = 3
_TITLE = 60


def print_findings(rows: Sequence[MergedRow], coverage: Coverage, output: OutputFormat) -> None:
    """Findings for programs: `coverage` and `unknown`, which say what is known, and `findings`; `docs/json.md`."""
    from orchestrator.api.json_documents import findings_document

    print_data(findings_document(rows, coverage), output)


def print_compared(rows: Sequence[Difference], coverage: Coverage, output: OutputFormat) -> None:
    """Differences for programs: likewise `coverage` and `unknown`, of the newer side, and `differences`."""
    from orchestrator.api.json_documents import rows_document
    from orchestrator.queries.difference import Difference

    print_data(rows_document("differences", rows, Difference, coverage), output)


def print_runs(found: Sequence[RunSummary]) -> None:
    """The runs, one a line."""
    rows = [
        [
            one.run,
            one.finished,
            str(one.targets) if one.covered in (None, one.targets) else f"{one.covered} of {one.targets}",
            ", ".join(f"{count} {outcome}" for outcome, count in _cells(one).items() if count),
            ", ".join(f"{count} {severity}" for severity, count in one.open.items()),
            str(one.suppressed or ""),
            ("passed, no severity rule" if one.remark else "passed") if one.passed else "broken",
        ]
        for one in found
    ]
    columns = [
        TableColumn("Run"),
        TableColumn("Finished", rank=2),
        TableColumn("Targets", Fit.FOLD, 1),
        TableColumn("Cells", Fit.FOLD),
        TableColumn("Findings", Fit.FOLD),
        TableColumn("Suppressed", Fit.NUMBER, 3),
        TableColumn("Policy", Fit.FOLD, coloured=True),
    ]
    print_table("", columns, rows)


def _cells(one: RunSummary) -> dict[str, int]:
    return {outcome.value: count for outcome, count in one.cells.items()} | {"of them suspect": one.suspect}


def print_merged(found: Sequence[MergedRow], title: str, *, most: int, suppressed: bool) -> None:
    """Merged findings, one a line, and how many there are besides."""
    rows = [
        [
            *cells_of(row.finding, names_of(row.references)),
            _some(row.owners),
            ", ".join(row.finding.found_by),
            _absent(row.finding),
            _clip(f"(suspect) {row.finding.title}" if row.suspect else row.finding.title),
            *([_suppression(row.finding)] if suppressed else ()),
        ]
        for row in found[:most]
    ]
    print_table(title, [*_MERGED, *([TableColumn("Suppressed", Fit.FOLD)] if suppressed else ())], rows)
    _more(len(found), most)


def print_suspects(ledger: Ledger) -> None:
    """Which results of a run are not believed any more, a line for each scan and reason; nothing when all are."""
    counts = Counter((row.scan, row.suspect) for row in ledger.rows if row.suspect)
    for (scan, reason), count in counts.items():
        say(f"suspect: {count} result{'s' if count > 1 else ''} of {scan}: {reason}")


def cells_of(found: MergedFinding, target: TableCell) -> list[TableCell]:
    """A finding, and the target that has it, in the columns of `FINDING`."""
    return [found.severity.value, found.id, _where(found), found.version, found.fixed_version, target]


def _where(found: MergedFinding) -> str:
    """The package, or else the paths; and how many of it there are, with the first places, where these are several."""
    where = found.package or _some(found.locations)
    if found.count == 1 or found.kind == "vulnerability":
        return where
    return f"{where} (×{found.count}: {_some(found.places)})" if found.places else f"{where} (×{found.count})"


def _absent(found: MergedFinding) -> str:
    """Scans that did not find it, those that never ended marked."""
    return ", ".join([*found.not_found_by, *(f"{scan} (no result)" for scan in found.not_scanned_by)])


def _suppression(found: MergedFinding) -> str:
    why = found.suppressed
    return f"{why.status} by {why.by}: {why.reason}" if why is not None and why.status else ""


def print_differences(found: Sequence[Difference], *, every: bool, most: int) -> None:
    """What changed, one a line, and the numbers of all."""
    from orchestrator.queries.difference import STATUSES, STILL

    counts = Counter(row.status for row in found)
    wanted = found if every else [row for row in found if row.status != STILL]
    rows = [
        [
            row.status,
            row.severity.value,
            row.id,
            row.package,
            _step(row.version_before, row.version_after),
            row.fixed_version,
            names_of([row.reference]),
            row.why,
        ]
        for row in wanted[:most]
    ]
    print_table("Differences", _DIFFERENCES, rows)
    _more(len(wanted), most)
    numbers = sorted(((counts[status], status) for status in STATUSES if counts[status]), key=lambda each: -each[0])
    say(", ".join(f"{count} {status}" for count, status in numbers) or "no findings")


def _step(before: str, after: str) -> str:
    return f"{before} → {after}" if before and after and before != after else after or before


def print_exports() -> None:
    """Every export and what it does."""
    from orchestrator import exports

    columns = [TableColumn("Export"), TableColumn("What it does", Fit.FOLD)]
    print_table("", columns, [[name, exports.load(name).description] for name in exports.names()])


def print_deliveries(found: Iterable[Delivery]) -> None:
    """Every message: to whom, and whether it arrived."""
    rows = [[one.route, one.channel, one.recipient, one.state, one.reason] for one in found]
    if rows:
        columns = [
            TableColumn("Route"),
            TableColumn("By"),
            TableColumn("To", Fit.FOLD),
            TableColumn("State"),
            TableColumn("Why", Fit.FOLD),
        ]
        print_table("", columns, rows)
    else:
        say("nothing changed that anybody wants to know about")


def _some(values: Iterable[str]) -> str:
    known = [str(value) for value in values]
    more = f" (+{len(known) - _SHOWN_NAMES})" if len(known) > _SHOWN_NAMES else ""
    return ", ".join(known[:_SHOWN_NAMES]) + more


def _clip(text: str) -> str:
    return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"


def _more(count: int, most: int) -> None:
    if count > most:
        say(f"… and {count - most} more: --most {count} shows all, --output json gives them to programs")
