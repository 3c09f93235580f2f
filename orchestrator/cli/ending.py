"""What a run ends with: how much was found, the worst of it, where the report is, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from orchestrator.cli.output import names_of, say
from orchestrator.cli.result_tables import where
from orchestrator.cli.tables import Fit, TableCell, TableColumn, print_table, print_words, style_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.analysis.highlights import Highlights
    from orchestrator.model import Ledger

_COLUMNS = (
    TableColumn("Severity", coloured=True),
    TableColumn("Id"),
    TableColumn("Package", Fit.MIDDLE),
    TableColumn("Version", Fit.MIDDLE, 1),
    TableColumn("Fixed in", Fit.MIDDLE, least=15),
    TableColumn("Target", Fit.MIDDLE),
    TableColumn("Others", Fit.NUMBER, 2),
)


def _given(options: Mapping[str, object], *names: str) -> str:
    """Options of a command as words to repeat, such as ` --config here.yaml`; without those that were not given."""
    words = ((f"--{name}", str(options[name])) for name in names if options.get(name) is not None)
    return "".join(f" {shlex.join(pair)}" for pair in words)


def print_highlights(found: Highlights) -> None:
    """The worst findings, and how many there are of each severity."""
    rows: list[list[TableCell]] = [
        [
            one.row.finding.severity.value,
            one.row.finding.id,
            where(one.row.finding),
            one.row.finding.version,
            one.row.finding.fixed_version,
            next(iter(names_of(one.row.references)), one.row.target),
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
    print_words(words)


def print_next(ledger: Ledger, folder: Path, found: Highlights | None, options: Mapping[str, object]) -> None:
    """Where the results are, and the commands that come next.

    Args:
        ledger: of the run.
        folder: its results.
        found: its findings in short; None where there are none to read.
        options: those that the command was given, by name; None where it was not.
    """
    say(f"Results: {folder}")
    if (report := folder / "report.html").is_file():
        say(f"Report: {report}")
    if any(row.fails for row in ledger.rows):
        say(f"Next: scanmatrix retry {ledger.run}{_given(options, 'config', 'volume', 'engine')}")
    if found is not None and (found.open or found.suppressed):
        say(f"Next: scanmatrix results show --run {ledger.run}{_given(options, 'config', 'volume')}")
