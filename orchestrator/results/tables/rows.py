"""Typed rows out of the tables of a run, row group by row group: however many there are, memory holds one group.

This module imports pyarrow: import it where it is used.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import orchestrator.results.tables.lean  # noqa: F401 - before the first array is made
from orchestrator.kit.advice import resuming
from orchestrator.model import MergedRow, Severity
from orchestrator.results.deletions import DELETED
from orchestrator.results.errors import NoResultsError
from orchestrator.results.tables.columns import ColumnKind, names_of, reader
from orchestrator.results.tables.making import make_rows
from orchestrator.results.tables.schema import completed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from orchestrator.model import Document
    from orchestrator.results.tables.columns import Column

    D = TypeVar("D", bound=Document)

#: Rows that are made at once where only some may be wanted.
_AT_ONCE = 1_000


class MergedFile:
    """An open `merged.parquet`, of whichever version: what it lacks is as the type of its rows says."""

    def __init__(self, path: Path, file: pq.ParquetFile, suspects: Mapping[tuple[str, str], str]) -> None:
        self._path = path
        self._file = file
        self._suspects = suspects
        self._deleted = deleted_targets(suspects)
        self._sizes = [file.metadata.row_group(each).num_rows for each in range(file.num_row_groups)]
        self._present = frozenset(file.schema_arrow.names)

    def __repr__(self) -> str:
        return f"MergedFile({str(self._path)!r})"

    @property
    def rows(self) -> int:
        """Number of merged findings in it."""
        return sum(self._sizes)

    @property
    def hides(self) -> bool:
        """Whether some results of the run were deleted since it was written."""
        return bool(self._deleted)

    def groups(self) -> Iterator[range]:
        """The numbers of the rows in each row group, in order."""
        begin = 0
        for size in self._sizes:
            yield range(begin, begin + size)
            begin += size

    def read(self, group: int, columns: Sequence[str] = names_of(MergedRow)) -> pa.Table:
        """Some columns of one row group, as `schema_of(MergedRow)` says.

        Raises:
            NoResultsError: the file is damaged.
        """
        needed = dict.fromkeys([*columns, *(("target", "found_by") if "suspect" in columns else ())])
        known = [name for name in needed if name in self._present]
        try:
            table = self._file.read_row_group(group, columns=known, use_threads=False)
            table = completed(table, MergedRow, columns=list(needed), rows=self._sizes[group])
        except (pa.ArrowException, OSError) as error:
            raise damaged(self._path, error) from error
        return (mark(table, self._suspects) if "suspect" in columns else table).select(list(columns))

    def tables(self, columns: Sequence[str] = names_of(MergedRow)) -> Iterator[pa.Table]:
        """Some columns of every row group, one after the other; what was deleted since is left out.

        Raises:
            NoResultsError: the file is damaged.
        """
        needed = [*dict.fromkeys([*columns, *(["target"] if self._deleted else [])])]
        for group in range(len(self._sizes)):
            yield without(self.read(group, needed), self._deleted).select(list(columns))

    def __iter__(self) -> Iterator[MergedRow]:
        """Every row.

        Raises:
            NoResultsError: the file is damaged.
        """
        return self.where(None)

    def where(self, condition: Any) -> Iterator[MergedRow]:
        """Every row for which an expression of `pyarrow.compute` holds; None for all.

        Raises:
            NoResultsError: the file is damaged.
        """
        for table in self.tables():
            yield from self._build(table if condition is None else table.filter(condition))

    def following(self, begin: int) -> Iterator[tuple[int, MergedRow]]:
        """Every row from a number on, with its number; of what is before, nothing is read but whole row groups.

        Raises:
            NoResultsError: the file is damaged.
        """
        for group, numbers in enumerate(self.groups()):
            if numbers.stop <= begin:
                continue
            table = self.read(group)
            for first in range(max(0, begin - numbers.start), len(numbers), _AT_ONCE):
                for number, row in enumerate(self._build(table.slice(first, _AT_ONCE)), numbers.start + first):
                    if row.target not in self._deleted:
                        yield number, row

    def by_target(self) -> Callable[[str], list[MergedRow]]:
        """A function that gives the rows of a target; what one row group holds of it is read when it is asked for.

        Raises:
            NoResultsError: the file is damaged; the function raises it, too.
        """
        places: dict[str, list[tuple[int, int, int]]] = {}
        for group in range(len(self._sizes)):
            table = self.read(group, ["target"])
            targets = table["target"].combine_chunks()
            runs = pc.run_end_encode(targets)
            begin = 0
            for target, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                places.setdefault(target, []).append((group, begin, end))
                begin = end
        last: dict[int, Any] = {}

        def rows(target: str) -> list[MergedRow]:
            found: list[MergedRow] = []
            if target in self._deleted:
                return found
            for group, begin, end in places.get(target, ()):
                if group not in last:
                    last.clear()
                    last[group] = self.read(group)
                found += self._build(last[group].slice(begin, end - begin))
            return found

        return rows

    def _build(self, table: pa.Table) -> list[MergedRow]:
        try:
            return build(MergedRow, table)
        except (ValueError, msgspec.DecodeError) as error:  # a severity or count that is none
            raise damaged(self._path, error) from error


@contextmanager
def open_merged(path: Path, suspects: Mapping[tuple[str, str], str] | None = None) -> Iterator[MergedFile]:
    """Open the merged findings of a run.

    Args:
        path: of its `merged.parquet`.
        suspects: as `orchestrator.results.ledger.suspects` gives them; without them nothing is suspect.

    Raises:
        NoResultsError: there is no such file, or it is damaged.
    """
    if not path.exists():
        raise NoResultsError(f"{path}: the run has no merged findings; {resuming(path.parent.name)} makes them")
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error
    with file:
        yield MergedFile(path, file, suspects or {})


def damaged(path: Path, error: Exception) -> NoResultsError:
    """The error for a table that cannot be read."""
    return NoResultsError(f"{path}: damaged: {error}; {resuming(path.parent.name)} makes it again")


def mark(table: pa.Table, suspects: Mapping[tuple[str, str], str]) -> pa.Table:
    """A table of merged findings whose `suspect` says why none of the scans that found something is believed."""
    place = table.column_names.index("suspect")
    found = pa.StringArray.from_buffers(len(table), pa.py_buffer(bytes(4 * len(table) + 4)), pa.py_buffer(b""))
    if suspects:
        pairs = zip(table["target"].to_pylist(), table["found_by"].to_pylist(), strict=True)
        found = pa.array([_doubt(suspects, target, scans) for target, scans in pairs], pa.string())
    return table.set_column(place, table.schema.field(place), found)


def deleted_targets(suspects: Mapping[tuple[str, str], str]) -> frozenset[str]:
    """The targets of a run whose results were deleted since."""
    return frozenset(target for (target, _), why in suspects.items() if why.startswith(DELETED))


def without(table: pa.Table, deleted: Collection[str]) -> pa.Table:
    """A table without the rows of targets whose results were deleted."""
    if not deleted:
        return table
    return table.filter(pc.invert(pc.is_in(table["target"], value_set=pa.array(sorted(deleted), pa.string()))))


def _doubt(suspects: Mapping[tuple[str, str], str], target: str, scans: Sequence[str]) -> str:
    found = [(scan, suspects.get((target, scan), "")) for scan in scans]
    return "; ".join(f"{scan}: {why}" for scan, why in found) if found and all(why for _, why in found) else ""


def build(row: type[D], table: pa.Table) -> list[D]:
    """The rows of a table as values of their type, built column by column.

    Args:
        row: the type; its fields are given by position, so none may be keyword only.
        table: with the columns of the type, none of them null where the type has no None.

    Raises:
        ValueError: a severity is none.
        msgspec.DecodeError: a count, or another value in a list, is none.
    """
    return make_rows(row, lambda column: values_of(column, table[column.name]))


def values_of(column: Column, chunks: Any) -> Sequence[Any]:
    """A column as the type of its field has it."""
    values = chunks.combine_chunks() if isinstance(chunks, pa.ChunkedArray) else chunks
    if column.kind is ColumnKind.WORD or column.item is datetime:
        read: Callable[[str], Any] = column.item
        if column.item is datetime:
            read = datetime.fromisoformat
        elif not column.lacking:
            return each_of(values, read)
        return each_of(values, lambda text: read(text) if text else None)
    if not column.kind.is_list:
        return list(values.to_pylist())
    offsets, flat = numbers_of(values.offsets), values.flatten()
    if not len(flat):
        return [{} if column.kind is ColumnKind.PAIRS else ()] * len(values)
    if column.kind is ColumnKind.PAIRS:
        pairs = each_of(flat, partial(_pair, reader(column.item)))
        return [dict(pairs[begin - offsets[0] : end - offsets[0]]) for begin, end in pairwise(offsets)]
    texts = tuple(flat.to_pylist() if column.item is str else each_of(flat, reader(column.item)))
    return [texts[begin - offsets[0] : end - offsets[0]] for begin, end in pairwise(offsets)]


def each_of(texts: Any, make: Callable[[str], Any]) -> list[Any]:
    """What is made of each text of an array; of equal ones once, for most of these are on many rows."""
    coded = texts.dictionary_encode(null_encoding="encode")
    made = [make(text) for text in coded.dictionary.to_pylist()]
    return [made[code] for code in numbers_of(coded.indices)]


def numbers_of(values: Any) -> list[int]:
    """An array of 32-bit numbers without nulls as a list; as fast as by numpy."""
    if not len(values):
        return []
    numbers = memoryview(values.buffers()[1]).cast("i")
    return numbers[values.offset : values.offset + len(values)].tolist()


def _pair(read: Callable[[str], Any], text: str) -> tuple[str, Any]:
    key, _, value = text.rpartition("=")
    return key, read(value)


def count_rows(table: Any) -> tuple[dict[Severity, int], int]:
    """How many rows of a `pyarrow.Table` nobody suppressed, by severity, and how many are suppressed."""
    open_ = table
    if "suppressed" in table.column_names:
        open_ = table.filter(pc.equal(pc.fill_null(table["suppressed"], ""), ""))
    counts = {Severity(each["values"]): each["counts"] for each in pc.value_counts(open_["severity"]).to_pylist()}
    return counts, len(table) - len(open_)
