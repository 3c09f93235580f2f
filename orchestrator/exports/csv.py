"""Merged findings as CSV for spreadsheets: lists joined by `;`, and no cell that would run as a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.exports.files import place, writing
from orchestrator.exports.tabular import marked, merged_table

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults

name = "csv"
description = "the merged findings for spreadsheets"


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Write the merged findings; see `orchestrator.exports.interface.Export`.

    The aggregate step wrote `merged.csv` already: without `to`, that is the export, written anew where results came to
    be suspect.
    """
    from pyarrow.csv import write_csv  # noqa: PLC0415 - heavy

    from orchestrator.results.tables.writing import for_csv  # noqa: PLC0415 - heavy

    path = place(results, to, "merged.csv")
    merged = results.merged  # read in any case: of a damaged run there is no export
    if to or not path.exists() or marked(merged):
        with writing(path) as file:
            write_csv(for_csv(merged_table(merged)), file)
    return str(path)
