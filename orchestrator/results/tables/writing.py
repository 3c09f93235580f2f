"""Writing `findings.*` and `merged.*`, Parquet and CSV side by side, in row groups: memory does not grow with the run.

This module imports pyarrow, which takes a fifth of a second: import it where it is used.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.csv import CSVWriter

import orchestrator.results.tables.lean  # noqa: F401 - before the first array is made
from orchestrator.model import FindingRow, MergedRow
from orchestrator.results.coverage import KEY
from orchestrator.results.tables.cells import csv_schema, for_csv
from orchestrator.results.tables.columns import all_values, columns_of
from orchestrator.results.tables.schema import schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from orchestrator.model import Document, Finding, LedgerRow, MergedFinding
    from orchestrator.results.coverage import Coverage

_ROWS = 32_768
_BYTES = 32 * 1024 * 1024
_NUMBER = pa.float64()


class _Same(NamedTuple):
    """A column of some rows that all say the same: an array of that alone."""

    said: pa.Array


_Piece: TypeAlias = pa.Array | _Same
"""A column of some rows."""


class _Writer:
    """Writes rows to one or two open files; a context manager, because the files are whole only when it ends.

    Arrow spells and compresses a row group in a thread of its own, while the next one gathers: it needs Python hardly
    ever meanwhile. There is at most one such group, and what goes wrong with it is raised where the next one is ready.
    """

    def __init__(self, row: type[Document], run: str, parquet: BinaryIO, csv: BinaryIO | None) -> None:
        columns = [(column, column.path[0], column.path[1:]) for column in columns_of(row)]
        #: What is the same in all rows of a target or cell, and what belongs to the finding.
        self._common = [first for _, first, rest in columns if not rest]
        self._own = [replace(column, path=rest) for column, _, rest in columns if rest]
        self._run = run
        self._schema = schema_of(row)
        self._own_schema = pa.schema([self._schema.field(column.name) for column in self._own])
        self._common_schema = pa.schema([self._schema.field(column.name) for column, _, rest in columns if not rest])
        self._parquet = pq.ParquetWriter(parquet, self._schema, compression="zstd")
        self._csv_schema = csv_schema(self._schema)
        self._csv = None if csv is None else CSVWriter(csv, self._csv_schema)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tables")
        self._writing: Future[None] | None = None
        #: What has gathered: of each column that belongs to the findings its pieces, and what those of each piece
        #: share, with their number.
        self._pieces: list[list[_Piece]] = [[] for _ in self._own]
        self._shared: list[list[Any]] = []
        self._lengths: list[int] = []
        self._known: dict[tuple[int, Any], _Same] = {}
        self._rows = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._wait()
                if self._rows:  # nothing is left to be done meanwhile, so that no thread is needed for it
                    self._write(self._pieces, self._shared, self._lengths)
        finally:
            self._thread.shutdown()
            if self._csv is not None:
                self._csv.close()
            self._parquet.close()

    def rest_on(self, coverage: Coverage) -> None:
        """Have the Parquet file say what it rests on; any time before it is whole."""
        self._parquet.add_key_value_metadata({KEY: coverage.spell().decode()})

    def _gather(self, of: LedgerRow, findings: Sequence[Document], suspect: str) -> None:
        """Take findings of a cell or target, column by column, and write them when they are many.

        They become Arrow's at once: what it cannot hold fails the cell that has it, not those it is written with.
        """
        told = {"run": self._run, "suspect": suspect}
        shared = [told[name] if name in told else getattr(of, name) for name in self._common]
        for begin in range(0, len(findings), _ROWS):
            some = findings[begin : begin + _ROWS]
            columns = zip(all_values(some, self._own), self._own_schema.types, strict=True)
            made = [self._piece(number, *each) for number, each in enumerate(columns)]
            for pieces, piece in zip(self._pieces, made, strict=True):
                pieces.append(piece)
            self._shared.append(shared)
            self._lengths.append(len(some))
            self._rows += len(some)
            if self._rows >= _ROWS:
                self._flush()

    def _piece(self, number: int, values: Sequence[Any], kind: pa.DataType) -> _Piece:
        """A piece of a column; where all rows say the same, as in many, only that."""
        first = values[0]
        # Of numbers two are equal that are not spelt the same: 0 and -0.
        if (first is None or kind != _NUMBER) and first == values[-1] and values.count(first) == len(values):
            said = number, tuple(first) if isinstance(first, list) else first
            if said not in self._known:
                self._known[said] = _Same(pa.array([first], kind))
            return self._known[said]
        return pa.array(values, kind)

    def _flush(self) -> None:
        """Have what has gathered written as one row group."""
        self._bytes = 0
        if not self._rows:
            return
        self._wait()
        self._writing = self._thread.submit(self._write, self._pieces, self._shared, self._lengths)
        self._pieces, self._shared, self._lengths = [[] for _ in self._own], [], []
        self._known = {}
        self._rows = 0

    def _wait(self) -> None:
        """Wait until what is being written is; raises what went wrong with it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, pieces: list[list[_Piece]], shared: Sequence[Sequence[Any]], lengths: Sequence[int]) -> None:
        """Write one row group."""
        columns, firsts = [], pa.repeat(0, sum(lengths))
        for each in pieces:
            columns.append(_column(each, lengths, firsts))
            each.clear()
        own = pa.Table.from_arrays(columns, schema=self._own_schema)
        kinds, values = self._common_schema.types, zip(*shared, strict=True)
        common = pa.Table.from_arrays(
            [pa.array(some, kind) for some, kind in zip(values, kinds, strict=True)], schema=self._common_schema
        )
        rows = _repeated(lengths)
        repeated = common.take(rows)
        self._parquet.write_table(_joined(self._schema, own, repeated))
        if self._csv is None:
            return
        spelt = for_csv(common)
        changed = [name for name in spelt.column_names if not spelt[name].equals(common[name])]
        spelt = repeated.drop_columns(changed), spelt.select(changed).take(rows)
        self._csv.write_table(_joined(self._csv_schema, for_csv(own), *spelt))


def _column(pieces: Sequence[_Piece], lengths: Sequence[int], firsts: pa.Array) -> pa.Array:
    """A column out of its pieces; `firsts` are as many zeros as it has rows."""
    # Taking is as fast for lists as for texts, `pa.repeat` is not.
    if isinstance(pieces[0], _Same) and all(each is pieces[0] for each in pieces):
        return pieces[0].said.take(firsts)
    pairs = zip(pieces, lengths, strict=True)
    return pa.concat_arrays(
        [each.said.take(firsts.slice(0, length)) if isinstance(each, _Same) else each for each, length in pairs]
    )


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

    def __init__(self, run: str, parquet: BinaryIO, csv: BinaryIO | None) -> None:
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

    def __init__(self, run: str, parquet: BinaryIO, csv: BinaryIO | None) -> None:
        super().__init__(MergedRow, run, parquet, csv)

    def add(self, row: LedgerRow, findings: Sequence[MergedFinding]) -> None:
        """Add what was found in one target.

        Args:
            row: of any cell of the target.
            findings: in the order in which they are written.
        """
        self._gather(row, findings, "")  # of a run that ends; later it is worked out again whenever they are read
