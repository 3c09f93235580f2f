"""The Arrow schema of a table, derived from the type of its rows, and tables of earlier versions brought up to it.

This module imports pyarrow, which takes a fifth of a second: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.results.tables.columns import ColumnKind, columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Document

_TYPES = {
    ColumnKind.NUMBER: pa.float64(),
    ColumnKind.COUNT: pa.int64(),
    ColumnKind.TRUTH: pa.bool_(),
    ColumnKind.WORDS: pa.list_(pa.string()),
    ColumnKind.PAIRS: pa.list_(pa.string()),
}


def schema_of(row: type[Document]) -> pa.Schema:
    """The schema of a table by the type of its rows; texts, severities and moments are strings."""
    return pa.schema([(column.name, _TYPES.get(column.kind, pa.string())) for column in columns_of(row)])


def completed(table: pa.Table, row: type[Document], *, columns: Sequence[str] = (), rows: int = 0) -> pa.Table:
    """A table of whichever version with nothing null that its type gives a default.

    Args:
        table: as read.
        row: the type of its rows.
        columns: those wanted, in this order; by default those it has.
        rows: how many it has, should it have no column at all.
    """
    schema, known = schema_of(row), {column.name: column for column in columns_of(row)}
    made = {}
    for name in columns or table.column_names:
        kind, default = schema.field(name).type, known[name].default
        values = table[name] if name in table.column_names else pa.nulls(len(table) or rows, kind)
        made[name] = _filled(values, kind, default) if default is not None and values.null_count else values
    return pa.table(made, schema=pa.schema([schema.field(name) for name in made]))


def _filled(values: Any, kind: pa.DataType, default: Any) -> Any:
    if not pa.types.is_list(kind):
        return pc.fill_null(values, pa.scalar(default, kind))
    return pa.array([list(default) if each is None else each for each in values.to_pylist()], kind)
