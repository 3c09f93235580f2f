"""The columns of a table, derived from the type of its rows: names, kinds, defaults and documentation.

A field is a column. A finding in a row is a column for each of its fields. So is what may be missing (a rating, a
suppression), whose columns have the field's name in front (`cvss_score`), unless the type gives another; without it
they are empty. Metadata of a field (`msgspec.Meta(extra=…)`) may say: `moment`, a date in a DataFrame; `column`, its
name, empty for no column; `without`, fields of the nested type that are no columns here.

Adding a field to `MergedFinding`, with its line in the docstring, adds it wherever merged findings are written or read.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import msgspec

from orchestrator.model import Document, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

SEPARATOR = ";"
"""Between the values of a list in a CSV cell."""


class ColumnKind(Enum):
    """What a column holds."""

    TEXT = auto()
    MOMENT = auto()
    SEVERITY = auto()
    NUMBER = auto()
    COUNT = auto()
    MAYBE = auto()
    OUTCOME = auto()
    TRUTH = auto()
    WORDS = auto()
    PAIRS = auto()

    @property
    def is_list(self) -> bool:
        """Whether it holds several texts: those of a tuple, or `key=value` of each pair of a mapping."""
        return self in {ColumnKind.WORDS, ColumnKind.PAIRS}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as in files and DataFrames.
        kind: what it holds.
        doc: what it means, for `docs/results.md`.
        default: where nothing is known: what files of versions without the column are read as.
        path: names of the fields that lead to it from the row.
        item: type of a mapping's values.
    """

    name: str
    kind: ColumnKind
    doc: str
    default: Any
    path: tuple[str, ...]
    item: type = str


@cache
def columns_of(row: type[Document]) -> tuple[Column, ...]:
    """The columns of a table by the type of its rows, in the order of its fields; each name once, the first counts."""
    found: dict[str, Column] = {}
    for column in _walk(row, ()):
        found.setdefault(column.name, column)
    return tuple(found.values())


def values_at(rows: Sequence[Document], column: Column) -> list[Any]:
    """The values of a column in rows, or in what a part of their path leads to; its default where a part is missing."""
    *parts, name = column.path
    values: list[Any] = list(rows)
    for part in parts:
        values = list(map(attrgetter(part), values))
    get = attrgetter(name)
    # Only a part may be missing: a field that is None is so itself.
    values = [column.default if value is None else get(value) for value in values] if parts else list(map(get, values))
    if column.kind is ColumnKind.PAIRS:
        return [[f"{key}={item}" for key, item in value.items()] for value in values]
    return values


def names_of(row: type[Document]) -> tuple[str, ...]:
    """Names of the columns, in order."""
    return tuple(column.name for column in columns_of(row))


def nested(hint: Any) -> type[Document] | None:
    """The type of a field that has fields of its own, whether or not it may be missing; None for any other field."""
    kinds = (hint, *get_args(hint))
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, Document)), None)


def bare(hint: Any) -> tuple[Any, Mapping[str, Any]]:
    """A field's type, and what its metadata say of its column."""
    if get_origin(hint) is not Annotated:
        return hint, {}
    inner, *notes = get_args(hint)
    said: dict[str, Any] = {}
    for note in notes:
        said |= (note.extra or {}) if isinstance(note, msgspec.Meta) else {}
    return inner, said


def _walk(
    type_: type[Document], path: tuple[str, ...], prefix: str = "", without: Collection[str] = ()
) -> Iterator[Column]:
    docs = _docs(type_)
    for field in msgspec.structs.fields(type_):
        hint, said = bare(field.type)
        name = said.get("column", prefix + field.name)
        if not name or field.name in without:
            continue
        if inner := nested(hint):
            optional = hint is not inner
            yield from _walk(inner, (*path, field.name), f"{field.name}_" if optional else "", said.get("without", ()))
            continue
        kind, item, empty = _kind(hint, said)
        default = empty if field.default is msgspec.NODEFAULT else field.default
        yield Column(name, kind, docs.get(field.name, ""), default, (*path, field.name), item)


def _kind(hint: Any, said: Mapping[str, Any]) -> tuple[ColumnKind, type, Any]:
    """What a field of this type is as a column, its items' type, and what it is where nothing is known."""
    if said.get("moment"):
        return ColumnKind.MOMENT, str, ""
    if get_origin(hint) is tuple:
        return ColumnKind.WORDS, str, ()
    if get_origin(hint) is dict:
        return ColumnKind.PAIRS, get_args(hint)[1], ()
    kinds: dict[Any, tuple[ColumnKind, type, Any]] = {
        str: (ColumnKind.TEXT, str, ""),
        Severity: (ColumnKind.SEVERITY, str, Severity.UNKNOWN),
        int: (ColumnKind.COUNT, str, 0),
        bool: (ColumnKind.TRUTH, str, False),
        int | None: (ColumnKind.MAYBE, str, None),
        Outcome: (ColumnKind.OUTCOME, str, ""),
        float: (ColumnKind.NUMBER, str, None),
        float | None: (ColumnKind.NUMBER, str, None),
    }
    if hint not in kinds:
        raise TypeError(f"no column is made of {hint}; name its kind in {__name__}, or give the field no column")
    return kinds[hint]


@cache
def _docs(type_: type[Document]) -> dict[str, str]:
    """What the docstring of a type and those it builds on say of each field, one line each."""
    found: dict[str, str] = {}
    for each in reversed(type_.__mro__):
        section = (inspect.cleandoc(each.__doc__ or "") + "\n").partition("\nAttributes:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.+\n(?: {5,}.+\n)*)", section, re.MULTILINE):
            found[name] = " ".join(text.split()).rstrip(".")
    return found
