"""Typed rows out of columns, wherever these come from: a table of a run, or the JSON of a service."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from orchestrator.results.tables.columns import Column, ColumnKind, bare, columns_of, nested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from orchestrator.model import Document

    D = TypeVar("D", bound=Document)


def make_rows(
    row: type[D], values_of: Callable[[Column], Sequence[Any]], *, absent: Mapping[str, Any] | None = None
) -> list[D]:
    """Rows as values of their type, built column by column.

    Args:
        row: the type; its fields are given by position, so none may be keyword only.
        values_of: the values of a column, as the type of its field has them; asked once for each.
        absent: what fields have that are no columns and have no default.
    """
    columns = {column.path: column for column in columns_of(row)}
    read: dict[str, Sequence[Any]] = {}
    lacking = absent or {}

    def values(column: Column) -> Sequence[Any]:
        if column.name not in read:
            read[column.name] = values_of(column)
        return read[column.name]

    def make(type_: type[Document], path: tuple[str, ...], *, optional: bool) -> Iterator[Any]:
        fields: list[Iterable[Any]] = []
        empty: list[Any] = []
        for field in msgspec.structs.fields(type_):
            own = (*path, field.name)
            column = columns.get(own) or next((each for each in columns.values() if each.name == field.name), None)
            if inner := nested(bare(field.type)[0]):
                fields.append(make(inner, own, optional=optional or inner is not bare(field.type)[0]))
                empty.append(None)
            elif column is not None:
                fields.append(values(column))
                empty.append(_nothing(column))
            else:  # a field that is no column
                default = lacking.get(field.name, field.default)
                fields.append(repeat(default))
                empty.append(default)
        if not optional:
            return map(type_, *fields)
        # What may be missing is there where it says anything.
        nothing = tuple(empty)
        return (None if each == nothing else type_(*each) for each in zip(*fields, strict=False))

    return list(make(row, (), optional=False))


def _nothing(column: Column) -> Any:
    """What a column says of what is missing, as the type of its field has it."""
    if column.kind is ColumnKind.PAIRS:
        return dict(column.default)
    return None if column.kind is ColumnKind.WORD and column.default == "" else column.default
