"""Merged findings as CSV for spreadsheets: lists joined by `;`, and no cell that would run as a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.exports.files import place, writing
from orchestrator.exports.tabular import export_table
from orchestrator.results.coverage import coverage_in

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults
    from orchestrator.results.tables.rows import MergedFile

name = "csv"
description = "the merged findings for spreadsheets"
text = True


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Write the merged findings; see `orchestrator.exports.interface.Export`.

    The aggregate step wrote `merged.csv` already: without `to`, that is the export, rewritten where results came to
    be suspect. What it rests on is beside it, in a file that ends in `.coverage.json`.
    """
    path = place(results, to, "merged.csv")
    done = export_table(results, path, _write, again=bool(to))
    with writing(path.with_name(f"{path.stem}.coverage.json")) as file:
        file.write(coverage_in(results.ledger.rows).spell())
    return done


def _write(merged: MergedFile, path: Path) -> None:
    from pyarrow.csv import CSVWriter  # noqa: PLC0415 - heavy

    from orchestrator.model import MergedRow  # noqa: PLC0415 - together with the next
    from orchestrator.results.tables.cells import csv_schema, for_csv  # noqa: PLC0415 - heavy
    from orchestrator.results.tables.schema import schema_of  # noqa: PLC0415 - heavy

    with writing(path) as file, CSVWriter(file, csv_schema(schema_of(MergedRow))) as csv:
        for table in merged.tables():
            csv.write_table(for_csv(table))
