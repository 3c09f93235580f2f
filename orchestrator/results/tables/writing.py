"""Writing `findings.*` and `merged.*`, Parquet and CSV side by side, in row groups: memory does not grow with the run.

This module imports pyarrow, which takes a fifth of a second: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.csv import CSVWriter

from orchestrator.kit.text import CSV_GUARD, UNCLEAR_RE2, csv_cell
from orchestrator.model import Finding, MergedFinding
from orchestrator.results.tables.reading import (
    FINDING_COLUMNS,
    LIST_COLUMNS,
    MERGED_COLUMNS,
    SEPARATOR,
    finding_schema,
    merged_schema,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from orchestrator.model import LedgerRow

_ROWS = 32_768
_BYTES = 32 * 1024 * 1024

# Columns that are a finding's own fields, as they are; and those of a merged one.
_OF_FINDING = tuple(
    column for column in FINDING_COLUMNS if column in Finding.__struct_fields__ and column != "suppressed"
)
_OF_MERGED = tuple(
    column
    for column in MERGED_COLUMNS
    if column in MergedFinding.__struct_fields__ and column not in {"severities", "counts", "suppressed"}
)
_OF_ROW = (
    "cell",
    "target",
    "references",
    "digest",
    "indexes",
    "platform",
    "scan",
    "scanner",
    "scanner_version",
    "database_version",
)


class _Writer:
    """Writes rows to two open files; a context manager, because the files are whole only when it ends."""

    def __init__(self, schema: pa.Schema, parquet: BinaryIO, csv: BinaryIO) -> None:
        self._schema = schema
        flat = pa.schema([(f.name, pa.string() if f.name in LIST_COLUMNS else f.type) for f in schema])
        self._parquet = pq.ParquetWriter(parquet, schema, compression="zstd")
        self._csv = CSVWriter(csv, flat)
        self._tables: list[pa.Table] = []
        self._rows = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._flush()
        finally:
            self._csv.close()
            self._parquet.close()

    def _gather(self, count: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """Take so many rows, column by column, and write them when they are many.

        They become a table at once: what Arrow cannot hold fails the cell that has it, not those it is written with.
        """
        if not count:
            return
        self._tables.append(pa.table(dict(columns), schema=self._schema))
        self._rows += count
        if self._rows >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        """Write what has gathered as one row group."""
        self._bytes = 0
        if not self._rows:
            return
        table = pa.concat_tables(self._tables).combine_chunks()
        self._tables.clear()
        self._rows = 0
        self._parquet.write_table(table)
        self._csv.write_table(for_csv(table))


class FindingsWriter(_Writer):
    """Writes findings as the scanners report them."""

    def __init__(self, run: str, parquet: BinaryIO, csv: BinaryIO) -> None:
        super().__init__(finding_schema(), parquet, csv)
        self._run = run

    def add(self, row: LedgerRow, findings: Sequence[Finding], size: int) -> None:
        """Add what one cell found.

        Args:
            row: the cell's ledger row.
            findings: in the order they shall be written.
            size: bytes of the report, by which memory is bounded besides the number of rows.
        """
        for begin in range(0, len(findings), _ROWS):
            self._add(row, findings[begin : begin + _ROWS])
        self._bytes += size
        if self._bytes >= _BYTES:
            self._flush()

    def _add(self, row: LedgerRow, findings: Sequence[Finding]) -> None:
        count = len(findings)
        self._gather(
            count,
            {
                "run": [self._run] * count,
                **{name: [getattr(row, name)] * count for name in _OF_ROW},
                **{name: [getattr(finding, name) for finding in findings] for name in _OF_FINDING},
                **_suppressions(findings),
                **_ratings(findings),
                "suspect": [row.suspect] * count,
            },
        )


class MergedWriter(_Writer):
    """Writes merged findings."""

    def __init__(self, run: str, parquet: BinaryIO, csv: BinaryIO) -> None:
        super().__init__(merged_schema(), parquet, csv)
        self._run = run

    def add(self, row: LedgerRow, findings: Sequence[MergedFinding]) -> None:
        """Add what was found in one target.

        Args:
            row: of any cell of the target.
            findings: in the order they shall be written.
        """
        for begin in range(0, len(findings), _ROWS):
            self._add(row, findings[begin : begin + _ROWS])

    def _add(self, row: LedgerRow, findings: Sequence[MergedFinding]) -> None:
        count = len(findings)
        self._gather(
            count,
            {
                "run": [self._run] * count,
                **{
                    name: [getattr(row, name)] * count
                    for name in ("references", "owners", "digest", "indexes", "platform")
                },
                **{name: [getattr(finding, name) for finding in findings] for name in _OF_MERGED},
                "severities": [[f"{scan}={word}" for scan, word in one.severities.items()] for one in findings],
                "counts": [[f"{scan}={count}" for scan, count in one.counts.items()] for one in findings],
                **_suppressions(findings),
                "suppressed_until": [one.suppressed.until if one.suppressed else "" for one in findings],
                "suspect": [""] * count,  # of a run that ends; later it is worked out anew whenever they are read
                **_ratings(findings),
            },
        )


def _suppressions(findings: Sequence[Finding | MergedFinding]) -> dict[str, list[str]]:
    known = [finding.suppressed for finding in findings]
    return {
        "suppressed": [one.status if one else "" for one in known],
        "suppressed_by": [one.by if one else "" for one in known],
        "suppressed_reason": [one.reason if one else "" for one in known],
        "justification": [one.justification if one else "" for one in known],
    }


def _ratings(findings: Sequence[Finding | MergedFinding]) -> dict[str, list[Any]]:
    ratings = [finding.cvss for finding in findings]
    return {
        "cvss_score": [rating.score if rating else None for rating in ratings],
        "cvss_version": [rating.version if rating else "" for rating in ratings],
        "cvss_vector": [rating.vector if rating else "" for rating in ratings],
    }


def for_csv(table: Any) -> Any:
    """An Arrow table as a CSV has it: lists joined, and its cells as `orchestrator.kit.text.csv_cell` makes them."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = pc.binary_join(column, SEPARATOR) if name in LIST_COLUMNS else column
        columns[name] = _cells(text.combine_chunks()) if text.type == pa.string() else text
    return pa.table(columns)


def _cells(texts: Any) -> Any:
    """The guard is put on by Arrow; the few texts that need more than that are not worth a function of their own."""
    cells = pc.replace_substring_regex(texts, *CSV_GUARD)
    unclear = pc.fill_null(pc.match_substring_regex(texts, UNCLEAR_RE2), False)
    if not pc.any(unclear).as_py():
        return cells
    made = [csv_cell(text) for text in texts.filter(unclear).to_pylist()]
    return pc.replace_with_mask(cells, unclear, pa.array(made, pa.string()))
