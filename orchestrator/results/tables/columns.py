"""The columns of a table, derived from the type of its rows: names, kinds, defaults and documentation.

A field is a column. A finding in a row is a column for each of its fields. So is any other type with fields of its own
(a rating, a suppression), whose columns have the field's name in front (`cvss_score`), unless the type gives another;
where it is missing they are empty. A field may be a text, a number, a truth, a moment, a word of a `StrEnum`, any of
these or None, a tuple of anything, or a mapping of texts to anything. Metadata of a field (`msgspec.Meta(extra=…)`) may
say: `moment`, a text that is a date in a DataFrame; `column`, its name, empty for no column; of a nested type `prefix`,
what stands before the names of its columns, and `without`, its fields that are no columns here.

Adding a field to `MergedFinding`, with its line in the docstring, adds it wherever merged findings are written or read.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from functools import cache, partial
from operator import attrgetter
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import msgspec

from orchestrator.model import Document, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

SEPARATOR = ";"
"""Between the values of a list in a CSV cell."""


class ColumnKind(Enum):
    """What a column holds; its value is the dtype in a DataFrame."""

    TEXT = "str"
    MOMENT = "datetime64[us, UTC]"
    WORD = "category"
    NUMBER = "float64"
    COUNT = "int64"
    TRUTH = "bool"
    WORDS = "list of strings (Arrow)"
    PAIRS = "list of strings (Arrow), `key=value` each"

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
        item: type of the value, of each value of a tuple, or of a mapping's values.
        lacking: whether it may hold nothing: its field may be None, or what it is a field of may be missing.
    """

    name: str
    kind: ColumnKind
    doc: str
    default: Any
    path: tuple[str, ...]
    item: Any = str
    lacking: bool = False


@cache
def columns_of(row: type[Document]) -> tuple[Column, ...]:
    """The columns of a table by the type of its rows, in the order of its fields; each name once, the first counts."""
    found: dict[str, Column] = {}
    for column in _walk(row, ()):
        found.setdefault(column.name, column)
    return tuple(found.values())


def values_at(rows: Sequence[Document], column: Column) -> list[Any]:
    """The values of a column in rows, or in what a part of their path leads to; its default where a part is missing."""
    first, *rest = column.path
    return list(_spelled(_within(list(map(attrgetter(first), rows)), rest, column), column))


def all_values(rows: Sequence[Document], columns: Sequence[Column]) -> list[Sequence[Any]]:
    """The same of several columns, in their order, and of rows of one type: each is taken apart once."""
    if not rows:
        return [() for _ in columns]
    apart: dict[tuple[str, ...], dict[str, Sequence[Any]]] = {(): _apart(rows, {})}
    found = []
    for column in columns:
        *path, name = column.path
        found.append(_spelled(_fields(apart, tuple(path), columns)[name], column))
    return found


def _fields(
    apart: dict[tuple[str, ...], dict[str, Sequence[Any]]], path: tuple[str, ...], columns: Sequence[Column]
) -> dict[str, Sequence[Any]]:
    """The fields of what a path leads to, by name; kept with those that are taken apart already."""
    if path not in apart:
        *before, name = path
        defaults = {column.path[-1]: column.default for column in columns if column.path[:-1] == path}
        apart[path] = _apart(_fields(apart, tuple(before), columns)[name], defaults)
    return apart[path]


def _apart(values: Sequence[Any], defaults: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """Values of one type, some of which may be missing, by their fields; of one that is missing these are defaults."""
    first = next((value for value in values if value is not None), None)
    if first is None:
        return {name: [default] * len(values) for name, default in defaults.items()}
    names = first.__struct_fields__
    missing = tuple([defaults.get(name) for name in names])
    take = msgspec.structs.astuple
    taken = zip(*[missing if value is None else take(value) for value in values], strict=True)
    return dict(zip(names, taken, strict=True))


def _within(values: Sequence[Any], path: Sequence[str], column: Column) -> Sequence[Any]:
    """What a path leads to from values, some of which may be missing."""
    if not path:
        return values
    *parts, name = path
    for part in parts:
        values = list(map(attrgetter(part), values))
    if values.count(None) == len(values):
        return [column.default] * len(values)
    get = attrgetter(name)
    # Only a part may be missing: a field that is None is so itself.
    return [column.default if value is None else get(value) for value in values]


def _spelled(values: Sequence[Any], column: Column) -> Sequence[Any]:
    """Values as the column has them: lists as lists of texts, moments as texts."""
    if column.kind is ColumnKind.PAIRS:
        spell = speller(column.item)
        # Many rows say the same, and most of these share it.
        places = list(map(id, values))
        known = {
            place: [f"{key}={spell(item)}" for key, item in dict(value).items()]
            for place, value in dict(zip(places, values, strict=True)).items()
        }
        return list(map(known.__getitem__, places)) if len(known) > 1 else [*known.values()] * len(values)
    if column.kind is ColumnKind.WORDS and not _is_text(column.item):
        spell = speller(column.item)
        return [list(map(spell, value)) for value in values]
    if column.item is datetime:
        return [value.isoformat() if value else value for value in values]
    return values


def speller(item: Any) -> Callable[[Any], str]:
    """How a value within a list becomes a text: texts and words as they are, everything else as JSON."""
    return str if _is_text(item) else lambda value: msgspec.json.encode(value).decode()


def reader(item: Any) -> Callable[[str], Any]:
    """How such a text becomes the value again; raises ValueError for one that is none."""
    return item if _is_text(item) else partial(msgspec.json.decode, type=item)


def _is_text(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, str)


def dtype_of(column: Column) -> str:
    """The dtype of a column in a DataFrame, as `docs/results.md` calls it."""
    if column.kind is ColumnKind.WORD and column.item is Severity:
        return "ordered category"
    if column.kind.is_list:
        return ColumnKind.WORDS.value
    if column.lacking and column.default is None:  # a number that may be missing, as pandas has such
        return {ColumnKind.COUNT: "Int64", ColumnKind.TRUTH: "boolean"}.get(column.kind, column.kind.value)
    return column.kind.value


def names_of(row: type[Document]) -> tuple[str, ...]:
    """Names of the columns, in order."""
    return tuple(column.name for column in columns_of(row))


def nested(hint: Any) -> type[Document] | None:
    """The type of a field that has fields of its own, whether or not it may be missing; None for any other field."""
    kind = _without_none(hint)
    return kind if isinstance(kind, type) and issubclass(kind, Document) else None


def _may_be_none(hint: Any) -> bool:
    return get_origin(hint) in {Union, UnionType} and NoneType in get_args(hint)


def _without_none(hint: Any) -> Any:
    """The one type that a value has which is not None; None where there are several."""
    kinds = [each for each in get_args(hint) if each is not NoneType] if _may_be_none(hint) else [hint]
    return kinds[0] if len(kinds) == 1 else None


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
    type_: type[Document],
    path: tuple[str, ...],
    prefix: str = "",
    without: Collection[str] = (),
    *,
    lacking: bool = False,
) -> Iterator[Column]:
    docs = _docs(type_)
    for field in msgspec.structs.fields(type_):
        hint, said = bare(field.type)
        name = said.get("column", prefix + field.name)
        own = (*path, field.name)
        if not name or field.name in without:
            continue
        if inner := nested(hint):
            optional = hint is not inner
            inside = said.get("prefix", f"{name}_")
            yield from _walk(inner, own, inside, said.get("without", ()), lacking=lacking or optional)
            continue
        try:
            kind, item, empty, optional = _kind(hint, said)
        except TypeError as error:
            raise TypeError(f"{type_.__name__}.{field.name}: {error}") from None
        default = empty if field.default is msgspec.NODEFAULT else field.default
        yield Column(name, kind, docs.get(field.name, ""), default, own, item, lacking or optional)


_KINDS: dict[Any, tuple[ColumnKind, Any]] = {
    str: (ColumnKind.TEXT, ""),
    int: (ColumnKind.COUNT, 0),
    bool: (ColumnKind.TRUTH, False),
    float: (ColumnKind.NUMBER, None),
    datetime: (ColumnKind.MOMENT, None),
}


def _kind(hint: Any, said: Mapping[str, Any]) -> tuple[ColumnKind, Any, Any, bool]:
    """What a field is as a column, the type of its values, what stands for unknown ones, and whether it may be None."""
    optional, kind = _may_be_none(hint), _without_none(hint)
    kind = getattr(kind, "__supertype__", kind)  # of a NewType
    if said.get("moment"):
        return ColumnKind.MOMENT, str, "", False
    if get_origin(kind) is tuple and not optional:
        return ColumnKind.WORDS, get_args(kind)[0], (), False
    if get_origin(kind) is dict and not optional:
        return ColumnKind.PAIRS, get_args(kind)[1], (), False
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        unknown = Severity.UNKNOWN if kind is Severity else ""
        return ColumnKind.WORD, kind, None if optional else unknown, optional
    if kind not in _KINDS:
        raise TypeError(f"no column is made of {hint}; name its kind in {__name__}, or give the field no column")
    column, empty = _KINDS[kind]
    return column, kind, None if optional else empty, optional


@cache
def _docs(type_: type[Document]) -> dict[str, str]:
    """What the docstring of a type and those it builds on say of each field, one line each."""
    found: dict[str, str] = {}
    for each in reversed(type_.__mro__):
        section = (inspect.cleandoc(each.__doc__ or "") + "\n").partition("\nAttributes:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.+\n(?: {5,}.+\n)*)", section, re.MULTILINE):
            found[name] = " ".join(text.split()).rstrip(".")
    return found
