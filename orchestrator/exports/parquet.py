"""Merged findings as Parquet: the exact ones, with their types."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from orchestrator.exports.files import place, writing
from orchestrator.exports.tabular import export_table
from orchestrator.results.coverage import KEY, coverage_in

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.run import RunResults
    from orchestrator.results.tables.rows import MergedFile

name = "parquet"
description = "the merged findings for pandas, DuckDB and their like"
text = False


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Write the merged findings; see `orchestrator.exports.interface.Export`.

    The aggregate step wrote `merged.parquet` already: without `to`, that is the export, rewritten where results came
    to be suspect. What it rests on is in the metadata of the file, under `scanmatrix.coverage`.
    """
    coverage, path = coverage_in(results.ledger.rows), place(results, to, "merged.parquet")
    again = bool(to) or not _says(path, coverage)
    return export_table(results, path, partial(_write, coverage), again=again)


def _says(path: Path, coverage: Coverage) -> bool:
    """Whether a file can be read, and says what it rests on as it is by now."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415 - likewise

    try:
        told = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return False
    return bool(told.get(KEY.encode()) == coverage.spell())


def _write(coverage: Coverage, merged: MergedFile, path: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    from orchestrator.model import MergedRow  # noqa: PLC0415 - together with the next
    from orchestrator.results.tables.schema import schema_of  # noqa: PLC0415 - heavy

    with writing(path) as file, pq.ParquetWriter(file, schema_of(MergedRow), compression="zstd") as parquet:
        for table in merged.tables():
            parquet.write_table(table)
        parquet.add_key_value_metadata({KEY: coverage.spell().decode()})
