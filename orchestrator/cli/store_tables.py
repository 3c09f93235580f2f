"""How answers of the store are printed: tables for people, JSON and YAML for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.output import OutputFormat, names_of, print_data
from orchestrator.cli.tables import Fit, TableCell, TableColumn, print_table, print_text
from orchestrator.model.documents import spell_time
from orchestrator.results.naming import first

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.queries.due import DueScan
    from orchestrator.queries.finding_history import FindingSpan
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.overview import StoreOverview
    from orchestrator.results.coverage import Coverage
    from orchestrator.store.documents import ScanState

# Marks a target that no name means any more.
_EARLIER = "(earlier)"
# Workloads that are printed of one target.
_WORKLOADS = 3
_DUE = (
    TableColumn("Target", Fit.MIDDLE),
    TableColumn("Scan"),
    TableColumn("Owner", Fit.CUT, 2),
    TableColumn("Why"),
    TableColumn("Due since", rank=1),
    TableColumn("Scanned", rank=3),
    TableColumn("Last", rank=4, coloured=True),
    TableColumn("Reason", Fit.FOLD, 5),
)
_TARGETS = (
    TableColumn("Target", Fit.MIDDLE),
    TableColumn("Owner", Fit.CUT, 1),
    TableColumn("Scanned by"),
    TableColumn("Last scanned"),
    TableColumn("Scanner", Fit.CUT, 3),
    TableColumn("Runs in", Fit.FOLD, 2),
    TableColumn("Digest", Fit.MIDDLE, 4),
)
_SCANS = (
    TableColumn("Scan"),
    TableColumn("Targets", Fit.NUMBER),
    TableColumn("Fresh", Fit.NUMBER),
    TableColumn("Due", Fit.FOLD),
    TableColumn("Failing", Fit.NUMBER, 1),
    TableColumn("Oldest result", rank=2),
)


_HISTORY = (
    TableColumn("Target", Fit.MIDDLE),
    TableColumn("Id", rank=4),
    TableColumn("Package", Fit.MIDDLE),
    TableColumn("Version", Fit.MIDDLE, 3),
    TableColumn("State", coloured=True),
    TableColumn("Since"),
    TableColumn("Found in", Fit.MIDDLE, 2),
    TableColumn("Until"),
    TableColumn("By", Fit.MIDDLE, 1),
)


def print_due(found: Sequence[DueScan], coverage: Coverage, most: int, output: OutputFormat) -> None:
    """What is due, one a line, and of how many targets."""
    if output is not OutputFormat.TABLE:
        from orchestrator.api.answers import StaleAnswer, rests_on

        print_data(StaleAnswer(*rests_on(coverage), tuple(found)), output)
        return
    rows = [
        [
            names_of(each.references),
            each.scan,
            ", ".join(each.owners),
            each.why,
            _time(each.due),
            _time(each.scanned),
            each.outcome.value if each.outcome else "",
            each.reason,
        ]
        for each in found[:most]
    ]
    print_table("", _DUE, rows)
    _print_more(len(found), most)
    targets = len({each.target for each in found})
    what = f"{_count(len(found), 'scan')} of {_count(targets, 'target')} due" if found else "nothing is due"
    print_text(f"{what}; the answer {coverage}")


def print_known(found: Sequence[KnownTarget], coverage: Coverage, most: int, output: OutputFormat) -> None:
    """Which targets are known, with a line for each scan."""
    if output is not OutputFormat.TABLE:
        from orchestrator.api.answers import TargetsAnswer, rests_on

        print_data(TargetsAnswer(*rests_on(coverage), tuple(found)), output)
        return
    rows = [
        [
            [*names_of(each.references), *([] if each.current else [_EARLIER])],
            ", ".join(each.owners),
            [state.scan for state in each.states],
            [_result(state) for state in each.states],
            [" ".join(filter(None, (state.scanner, state.version.scanner))) or "-" for state in each.states],
            first(each.workloads, _WORKLOADS),
            each.digest,
        ]
        for each in found[:most]
    ]
    print_table("", _TARGETS, rows)
    _print_more(len(found), most)
    earlier = sum(not each.current for each in found)
    remark = f", of which no name means {earlier} any more {_EARLIER}" if earlier else ""
    print_text(f"{_count(len(found), 'target')}{remark}; the answer {coverage}")


def print_overview(found: StoreOverview, coverage: Coverage, output: OutputFormat) -> None:
    """How each scan stands, then the findings in numbers."""
    if output is not OutputFormat.TABLE:
        from orchestrator.api.answers import OverviewAnswer, rests_on

        print_data(OverviewAnswer(*rests_on(coverage), found), output)
        return
    rows = [
        [
            each.scan,
            str(each.targets),
            str(each.fresh),
            ", ".join(f"{count} {why}" for why, count in sorted(each.due.items())),
            str(each.failing),
            _time(each.oldest),
        ]
        for each in found.scans
    ]
    print_table("", _SCANS, rows)
    counts = ", ".join(f"{count} {severity}" for severity, count in found.open.items()) or "none"
    print_text(f"findings: {counts}" + (f"; {found.suppressed} suppressed" if found.suppressed else ""))
    print_text(f"{_count(found.runs, 'run')}, the latest {found.latest}; the answer {coverage}")


def print_history(found: Sequence[FindingSpan], coverage: Coverage, most: int, output: OutputFormat) -> None:
    """When findings came and went, one name and thing a line."""
    if output is not OutputFormat.TABLE:
        from orchestrator.api.answers import HistoryAnswer, rests_on

        print_data(HistoryAnswer(*rests_on(coverage), tuple(found)), output)
        return
    rows: list[list[TableCell]] = [
        [
            names_of([each.reference]),
            each.id,
            each.package,
            each.version,
            each.state.value,
            _time(each.first),
            each.first_run,
            _time(each.until),
            each.until_run,
        ]
        for each in found[:most]
    ]
    print_table("", _HISTORY, rows)
    _print_more(len(found), most)
    standing = len({(each.reference, each.platform) for each in found if each.state == "open"})
    print_text(f"{_count(standing, 'name')} {'has' if standing == 1 else 'have'} it now; the answer {coverage}")


def _time(moment: datetime | None) -> str:
    return spell_time(moment) if moment is not None else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _result(state: ScanState) -> str:
    """When a scan last ended ok, and what has come of it since."""
    if state.scanned is None:
        return f"never ({state.outcome.value})" if state.outcome else "never"
    return f"{_time(state.scanned)} (suspect)" if state.suspect else _time(state.scanned)


def _print_more(count: int, most: int) -> None:
    if count > most:
        print_text(f"… and {count - most} more: --most {count} shows all, --output json gives them to programs")
