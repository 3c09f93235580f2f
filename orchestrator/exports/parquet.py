"""Merged findings as Parquet: the exact ones, with their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.exports.files import place, writing
from orchestrator.exports.tabular import marked, merged_table

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults

name = "parquet"
description = "the merged findings for pandas, DuckDB and their like"


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Write the merged findings; see `orchestrator.exports.interface.Export`.

    The aggregate step wrote `merged.parquet` already: without `to`, that is the export, written anew where results came
    to be suspect.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    path = place(results, to, "merged.parquet")
    merged = results.merged  # read in any case: a damaged file is no export
    if to or marked(merged):
        with writing(path) as file:
            pq.write_table(merged_table(merged), file, compression="zstd")
    return str(path)
