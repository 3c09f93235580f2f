"""The HTML report: one file that shows a run to people, without a server, without a network.

What is in it and how much of a run: `docs/results.md`. Everything but the filterable table is there without a script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from orchestrator.exports.files import place, writing

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults

name = "html"
description = "a self-contained report for people: report.html"
text = True

FILE = "report.html"
"""Name of the report in the run's results folder."""
ROWS = 50_000
"""Most findings that are in the report's table."""


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - the interface's
    """Write the report to a file, by default `report.html` in the run's results folder.

    Raises:
        NoResultsError: the run has no ledger or no merged findings, or they are damaged.
        ExportRefusedError: the file cannot be written.
    """
    path = place(results, to, FILE)
    with writing(path) as file:
        write_report(results, file)
    return str(path)


def write_report(results: RunResults, file: BinaryIO, *, rows: int = ROWS) -> None:
    """Write the report of a run; the same results, and earlier runs, give the same bytes.

    Reads the ledger, of `merged.parquet` the columns it needs, row group by row group, and the same of up to 30 earlier
    runs, of which only severities are counted.

    Args:
        results: of a run whose `merged.parquet` is whole; a ledger not written yet may be set: `results.ledger = …`.
        file: where to, opened for writing.
        rows: most findings in the table, the worst ones; the report says how many are left out.

    Raises:
        NoResultsError: the run has no ledger or no merged findings, or they are damaged.
    """
    from orchestrator.exports.report.page import assemble  # noqa: PLC0415 - imports pyarrow and jinja2

    file.writelines(piece.encode() for piece in assemble(results, rows))
