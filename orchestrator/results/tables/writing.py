"""Writing `findings.*` and `merged.*`, Parquet and CSV side by side, in row groups: memory does not grow with the run.

This module imports pyarrow, which takes a fifth of a second: import it where it is used.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.csv import CSVWriter

from orchestrator.kit.text import CSV_GUARD, UNCLEAR_RE2, csv_cell
from orchestrator.model import FindingRow, MergedRow
from orchestrator.results.coverage import KEY
from orchestrator.results.tables.columns import SEPARATOR, all_values, columns_of
from orchestrator.results.tables.schema import schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from orchestrator.model import Document, Finding, LedgerRow, MergedFinding
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.tables.columns import Column

_ROWS = 32_768
_BYTES = 32 * 1024 * 1024


class _Writer:
    """Writes rows to two open files; a context manager, because the files are whole only when it ends."""

    def __init__(self, row: type[Document], run: str, parquet: BinaryIO, csv: BinaryIO) -> None:
        columns = [(column, column.path[0], column.path[1:]) for column in columns_of(row)]
        #: What is the same in all rows of a target or cell, and what belongs to the finding.
        self._common = [(column, first) for column, first, rest in columns if not rest]
        self._own = [replace(column, path=rest) for column, _, rest in columns if rest]
        self._run = run
        self._schema = schema_of(row)
        self._types = {field.name: field.type for field in self._schema}
        self._own_schema = pa.schema([self._schema.field(column.name) for column in self._own])
        self._common_schema = pa.schema([self._schema.field(column.name) for column, _ in self._common])
        self._nothing: dict[tuple[pa.DataType, Any], pa.Array] = {}
        self._parquet = pq.ParquetWriter(parquet, self._schema, compression="zstd")
        self._csv_schema = csv_schema(self._schema)
        self._csv = CSVWriter(csv, self._csv_schema)
        #: What has gathered: tables of what belongs to the findings, and for each of them a row of what they share.
        self._tables: list[pa.Table] = []
        self._shared: list[pa.Table] = []
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

    def rest_on(self, coverage: Coverage) -> None:
        """Have the Parquet file say what it rests on; any time before it is whole."""
        self._parquet.add_key_value_metadata({KEY: coverage.spell().decode()})

    def _gather(self, of: LedgerRow, findings: Sequence[Document], suspect: str) -> None:
        """Take findings of a cell or target, column by column, and write them when they are many.

        They become a table at once: what Arrow cannot hold fails the cell that has it, not those it is written with.
        """
        told = {"run": self._run, "suspect": suspect}
        common = [(column, told[name] if name in told else getattr(of, name)) for column, name in self._common]
        for begin in range(0, len(findings), _ROWS):
            some = findings[begin : begin + _ROWS]
            own = zip(self._own, all_values(some, self._own), strict=True)
            table = pa.Table.from_arrays([self._array(*each) for each in own], schema=self._own_schema)
            shared = [pa.array([value], self._types[column.name]) for column, value in common]
            self._shared.append(pa.Table.from_arrays(shared, schema=self._common_schema))
            self._tables.append(table)
            self._rows += len(some)
            if self._rows >= _ROWS:
                self._flush()

    def _array(self, column: Column, values: Sequence[Any]) -> pa.Array:
        """A column of a table; one that says nothing, as many do, is a piece of what says nothing in all rows."""
        kind, nothing = self._types[column.name], () if column.kind.is_list else column.default
        if nothing not in {None, "", ()} or values.count(nothing) < len(values):
            return pa.array(values, kind)
        if (kind, nothing) not in self._nothing:
            self._nothing[kind, nothing] = pa.array([nothing] * _ROWS, kind)
        return self._nothing[kind, nothing].slice(0, len(values))

    def _flush(self) -> None:
        """Write what has gathered as one row group."""
        self._bytes = 0
        if not self._rows:
            return
        own, shared = (pa.concat_tables(tables).combine_chunks() for tables in (self._tables, self._shared))
        rows = _repeated([len(table) for table in self._tables])
        self._tables.clear()
        self._shared.clear()
        self._rows = 0
        self._parquet.write_table(_joined(self._schema, own, shared.take(rows)))
        self._csv.write_table(_joined(self._csv_schema, for_csv(own), for_csv(shared).take(rows)))


def _joined(schema: pa.Schema, *tables: pa.Table) -> pa.Table:
    """The columns of tables side by side, in the order of a schema."""
    columns = {name: table[name] for table in tables for name in table.column_names}
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _repeated(lengths: Sequence[int]) -> pa.Array:
    """Numbers from 0 on, each as often as `lengths` says."""
    ends = pa.array(accumulate(lengths), pa.int32())
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, pa.array(range(len(lengths)), pa.int32())))


class FindingsWriter(_Writer):
    """Writes findings as the scanners report them."""

    def __init__(self, run: str, parquet: BinaryIO, csv: BinaryIO) -> None:
        super().__init__(FindingRow, run, parquet, csv)

    def add(self, row: LedgerRow, findings: Sequence[Finding], size: int) -> None:
        """Add what one cell found.

        Args:
            row: the cell's ledger row.
            findings: in the order in which they are written.
            size: bytes of the report, by which memory is bounded besides the number of rows.
        """
        self._gather(row, findings, row.suspect)
        self._bytes += size
        if self._bytes >= _BYTES:
            self._flush()


class MergedWriter(_Writer):
    """Writes merged findings."""

    def __init__(self, run: str, parquet: BinaryIO, csv: BinaryIO) -> None:
        super().__init__(MergedRow, run, parquet, csv)

    def add(self, row: LedgerRow, findings: Sequence[MergedFinding]) -> None:
        """Add what was found in one target.

        Args:
            row: of any cell of the target.
            findings: in the order in which they are written.
        """
        self._gather(row, findings, "")  # of a run that ends; later it is worked out again whenever they are read


def csv_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a table as `for_csv` makes it."""
    return pa.schema([(each.name, pa.string() if pa.types.is_list(each.type) else each.type) for each in schema])


def for_csv(table: pa.Table) -> pa.Table:
    """An Arrow table as a CSV has it: lists joined, and its cells as `orchestrator.kit.text.csv_cell` makes them."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = pc.binary_join(column, SEPARATOR) if pa.types.is_list(column.type) else column
        columns[name] = _cells(text) if text.type == pa.string() else text
    return pa.table(columns)


def _cells(texts: pa.ChunkedArray) -> pa.Array:
    """Most texts are in many rows, so the distinct ones are looked at; most need no change."""
    whole = texts.combine_chunks()
    if not whole.offset and whole.buffers()[2] is not None and not whole.buffers()[2].size:
        return whole  # all are empty
    coded = whole.dictionary_encode()
    cells = _distinct_cells(coded.dictionary)
    return whole if cells.equals(coded.dictionary) else cells.take(coded.indices)


def _distinct_cells(texts: pa.Array) -> pa.Array:
    """The guard is put on by Arrow; the few texts that need more than that are not worth a function of their own."""
    cells = pc.replace_substring_regex(texts, *CSV_GUARD)
    unclear = pc.fill_null(pc.match_substring_regex(texts, UNCLEAR_RE2), False)
    if not pc.any(unclear).as_py():
        return cells
    made = [csv_cell(text) for text in texts.filter(unclear).to_pylist()]
    return pc.replace_with_mask(cells, unclear, pa.array(made, pa.string()))
