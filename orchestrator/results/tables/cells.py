"""The cells of a CSV out of an Arrow table: lists joined, and nothing in them that a spreadsheet would run.

This module imports pyarrow, which takes a fifth of a second: import it where it is used.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.kit.text import CSV_GUARD, UNCLEAR_RE2, csv_cell
from orchestrator.results.tables.columns import SEPARATOR

# What may need a guard where a cell begins; and what is none but ends an element of one, or begins an escape.
_BEGINNINGS = frozenset(b" \"'=+-@")
_WITHIN = (b";", b"\\")
_FIRST, _LAST = ord(" "), ord("~")


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


def _cells(texts: pa.ChunkedArray) -> Any:
    """Most columns need no change, which their bytes tell; of others the distinct texts are looked at."""
    whole = texts.combine_chunks()
    if _is_plain(whole):
        return texts
    coded = whole.dictionary_encode()
    cells = _distinct_cells(coded.dictionary)
    return whole if cells.equals(coded.dictionary) else cells.take(coded.indices)


def _is_plain(texts: pa.Array) -> bool:
    """Whether `csv_cell` certainly changes none of these: all is printable ASCII that begins nothing."""
    _, offsets, data = texts.buffers()
    if not len(texts) or not data:
        return True
    places = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, offsets], offset=texts.offset)
    begin, end = places[0].as_py(), places[-1].as_py()
    written = pa.Array.from_buffers(pa.uint8(), end - begin, [None, data], offset=begin)
    if begin == end:
        return True
    extremes = pc.min_max(written)
    if extremes["min"].as_py() < _FIRST or extremes["max"].as_py() > _LAST:
        return False
    copied = data.slice(begin, end - begin).to_pybytes()
    if any(each in copied for each in _WITHIN):
        return False
    begins, ends = places.slice(0, len(texts)), places.slice(1)
    begins = pc.subtract(begins.filter(pc.less(begins, ends)), begin)
    return _BEGINNINGS.isdisjoint(written.take(begins).unique().to_pylist())


def _distinct_cells(texts: pa.Array) -> pa.Array:
    """The guard is put on by Arrow; the few texts that need more than that are not worth a function of their own."""
    cells = pc.replace_substring_regex(texts, *CSV_GUARD)
    unclear = pc.fill_null(pc.match_substring_regex(texts, UNCLEAR_RE2), False)
    if not pc.any(unclear).as_py():
        return cells
    made = [csv_cell(text) for text in texts.filter(unclear).to_pylist()]
    return pc.replace_with_mask(cells, unclear, pa.array(made, pa.string()))
