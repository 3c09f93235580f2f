"""What a run ends with: how much was found, the worst of it, where the report is, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.output import names_of, say
from orchestrator.cli.result_tables import FINDING, cells_of
from orchestrator.cli.tables import Fit, TableCell, TableColumn, print_table, print_words, style_of
from orchestrator.kit.advice import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.analysis.highlights import Highlights
    from orchestrator.model import Ledger
    from orchestrator.results.coverage import Coverage

_COLUMNS = (*FINDING, TableColumn("Others", Fit.NUMBER, 2))


def print_highlights(found: Highlights, coverage: Coverage) -> None:
    """The worst findings, how many there are of each severity, and of how many targets there is no result."""
    rows: list[list[TableCell]] = [
        [
            *cells_of(one.row.finding, next(iter(names_of(one.row.references)), one.row.target)),
            f"+{one.targets - 1}" if one.targets > 1 else "",
        ]
        for one in found.worst
    ]
    if rows:
        print_table("The worst findings" if found.more else "Findings", _COLUMNS, rows, wide="`results show --wide`")
    words: list[tuple[str, str]] = [("Findings: ", "bold")]
    for number, (severity, count) in enumerate(found.open.items()):
        words += [(", " if number else "", ""), (f"{count} {severity}", style_of(severity))]
    if not found.open:
        words.append(("none", ""))
    if found.fixable:
        words.append((f"; {found.fixable} with a fixed version", ""))
    if found.suppressed:
        words.append((f"; {found.suppressed} suppressed", ""))
    if coverage.unknown:
        words.append((f"; nothing is known of {len(coverage.unknown)} of {coverage.targets} targets", ""))
    print_words(words)


def print_next(ledger: Ledger, places: Iterable[tuple[str, str]], found: Highlights | None) -> None:
    """Where the results are, and the commands that come next.

    Args:
        ledger: of the run.
        places: where people find what it left.
        found: its findings in short; None where there are none to read.
    """
    for what, where in places:
        say(f"{what}: {where}")
    if any(row.fails and row.digest for row in ledger.rows):  # what planning could not find, no plan finds later
        say(f"Next: {command_line('retry', ledger.run)}")
    if found is not None and (found.open or found.suppressed):
        say(f"Next: {command_line('results', 'show', '--run', ledger.run)}")
