"""The ledger of a run as people read it: what is not ok, or every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.output import indented, names_of
from orchestrator.cli.reason_tables import CellReason, print_reasons
from orchestrator.cli.tables import Fit, TableCell, TableColumn, print_table, print_text
from orchestrator.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.model import Ledger, LedgerRow

_COMPONENTS = TableColumn("Components", Fit.NUMBER, 2)


def print_ledger(ledger: Ledger, *, every: bool = False) -> None:
    """How the cells of a run ended, and what is to be noted of their names.

    Args:
        ledger: of the run.
        every: a line for each cell as well, not only one for each reason why cells are not ok.
    """
    from orchestrator.results.naming import remarks

    if every:
        _print_every(ledger)
    print_reasons("" if every else f"Ledger of {ledger.run}", _not_ok(ledger), "Outcome")
    for remark in remarks(ledger.names):
        print_text(f"note: {remark}")
    print_text(
        tally(ledger) + ("" if every or not any(row.holds for row in ledger.rows) else "; --all lists every cell")
    )


def tally(ledger: Ledger) -> str:
    """The cells of a run in numbers, in one line."""
    held, suspect = sum(row.holds for row in ledger.rows), sum(bool(row.suspect) for row in ledger.rows)
    counts = {outcome.value: ledger.count(outcome) for outcome in (Outcome.FAILED, Outcome.SKIPPED)}
    others = "".join(f", {count} {word}" for word, count in {**counts, "suspect": suspect}.items() if count)
    return f"Run {ledger.run}: {held} of {len(ledger.rows)} cells ok{others}"


def _print_every(ledger: Ledger) -> None:
    columns = [
        TableColumn("Target", Fit.MIDDLE),
        TableColumn("Scan"),
        TableColumn("Outcome", coloured=True),
        TableColumn("Findings", Fit.NUMBER, 1),
        _COMPONENTS,
        TableColumn("Why", Fit.FOLD, 3, least=50),
    ]
    rows: list[list[TableCell]] = [
        [
            [*names_of(row.references), *indented(row.workloads)],
            row.scan,
            _outcome(row),
            _count(row.findings),
            _count(row.components),
            _why(row),
        ]
        for row in ledger.rows
    ]
    if all(row.components is None for row in ledger.rows):
        where = columns.index(_COMPONENTS)
        del columns[where]
        for line in rows:
            del line[where]
    print_table(f"Ledger of {ledger.run}", columns, rows)


def _not_ok(ledger: Ledger) -> Iterator[CellReason]:
    """What is not ok, and results with a note, such as those of an old database."""
    for row in ledger.rows:
        if not row.holds or row.note:
            name = next(iter(names_of(row.references)), row.target)
            yield CellReason(_outcome(row), _why(row), row.target, name, row.scan)


def _outcome(row: LedgerRow) -> str:
    return "suspect" if row.suspect else row.outcome.value


def _why(row: LedgerRow) -> str:
    if row.suspect:
        return row.suspect
    reason = f"{row.reason} (after {row.attempts} attempts)" if row.reason and row.attempts > 1 else row.reason
    return "; ".join(filter(None, (reason, row.note)))


def _count(number: int | None) -> str:
    return "" if number is None else str(number)
