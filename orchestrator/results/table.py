"""Writing `findings.parquet` and `findings.csv` side by side, in row groups: memory does not grow with the run.

This module imports pyarrow, which takes a fifth of a second: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.csv import CSVWriter

from orchestrator.results.frames import FINDING_COLUMNS, LIST_COLUMNS, SEPARATOR, finding_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from orchestrator.model import Finding, LedgerRow

_ROWS = 32_768
_BYTES = 32 * 1024 * 1024

# What a spreadsheet takes for the start of a formula (OWASP, CSV Injection), and the guard itself: a cell that begins
# with one of these gets a `'` before it, so taking one `'` off every cell that begins with it restores all of them.
# The last four are the full-width forms of = + - @.
_FORMULA = "^['=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_GUARD = r"'\0"

_OF_FINDING = ("kind", "id", "aliases", "severity", "title", "package", "version", "purl", "location", "fixed_version")
_OF_ROW = (
    "cell",
    "target",
    "references",
    "digest",
    "platform",
    "scan",
    "scanner",
    "scanner_version",
    "database_version",
)


class FindingsWriter:
    """Writes findings to two open files; a context manager, because the files are whole only when it ends."""

    def __init__(self, run: str, parquet: BinaryIO, csv: BinaryIO) -> None:

        self._run = run
        self._schema = finding_schema()
        flat = pa.schema([(f.name, pa.string() if f.name in LIST_COLUMNS else f.type) for f in self._schema])
        self._parquet = pq.ParquetWriter(parquet, self._schema, compression="zstd")
        self._csv = CSVWriter(csv, flat)
        self._columns: dict[str, list[Any]] = {column: [] for column in FINDING_COLUMNS}
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
        columns = self._columns
        columns["run"] += [self._run] * count
        for name in _OF_ROW:
            columns[name] += [getattr(row, name)] * count
        for name in _OF_FINDING:
            columns[name] += [getattr(finding, name) for finding in findings]
        ratings = [finding.cvss for finding in findings]
        columns["cvss_score"] += [rating.score if rating else None for rating in ratings]
        columns["cvss_version"] += [rating.version if rating else "" for rating in ratings]
        columns["cvss_vector"] += [rating.vector if rating else "" for rating in ratings]
        if len(columns["run"]) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        """Write what has gathered as one row group."""
        self._bytes = 0
        if not self._columns["run"]:
            return
        table = pa.table(self._columns, schema=self._schema)
        for values in self._columns.values():
            values.clear()
        self._parquet.write_table(table)
        self._csv.write_table(_for_csv(table))


def _for_csv(table: Any) -> Any:
    """Lists joined, and no cell that a spreadsheet would run as a formula."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = pc.binary_join(column, SEPARATOR) if name in LIST_COLUMNS else column
        columns[name] = pc.replace_substring_regex(text, _FORMULA, _GUARD) if text.type == pa.string() else text
    return pa.table(columns)
