"""Parsed JSON into msgspec structures by the rules of Go's `encoding/json`, refusing what it reads in a way of its own.

A structure is what a `msgspec.Struct` describes, and a map is any other object. In a structure Go takes keys for one
that differ in case only (`go_folding`), and the last of them wins, or is merged with the first; other readers take the
exact one, or the first. So a structure is refused when two of its keys are one to Go (also when we know neither: the
next reader may), and when a key is that of a field but for its case. In a map Go tells keys apart by their bytes, and
of exact duplicates the last counts, as it does here; each of the values must be of the map's type.

A `null` leaves a field at its default, so defaults of these structures are Go's zero values. Numbers are never made of
strings, nor integers of `1.0` or `1e2`; integers have 64 bits.
"""

import base64
import types
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, NamedTuple, Union, get_args, get_origin

import msgspec

from orchestrator.kit.go_folding import fold

#: Objects and arrays within each other. Go stops at 10,000; images' documents have fewer than ten, reports of builds
#: (BuildKit's) that are kept in them a few more.
MOST_DEPTH = 64
_INTEGERS = range(-(1 << 63), 1 << 63)
_SHOWN = 80

Read = Callable[[Any, int], Any]


class ShapeError(Exception):
    """A value that Go would refuse, or read in another way than we do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path: list[str] = []

    def __str__(self) -> str:
        where = "".join(reversed(self.path)).removeprefix(".")
        return f"{where}: {self.args[0]}" if where else str(self.args[0])


class Members(list[tuple[str, Any]]):
    """An object as it was written: its members in order, duplicates included."""


def reader(kind: Any) -> Read:
    """What reads a parsed value, its objects given as `Members`, as a type.

    The types are `msgspec.Struct`, `str`, `int`, `float`, `bool`, `bytes` (base64, as Go writes them), `Any`, lists and
    tuples (`tuple[T, ...]`), maps (`dict[str, T]`), and each of them or None. It raises `ShapeError`.

    Raises:
        TypeError: no such type.
    """
    return _reader(kind)


@cache
def _reader(kind: Any) -> Read:
    if kind is Any:
        return _anything
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _Structure(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {types.UnionType, Union} and len(arguments) == 2 and types.NoneType in arguments:  # noqa: PLR2004
        inner = reader(next(each for each in arguments if each is not types.NoneType))
        return lambda value, depth: None if value is None else inner(value, depth)
    if origin is list or (origin is tuple and arguments[1:] == (...,)):
        return _List(reader(arguments[0]), origin)
    if origin is dict and arguments[0] is str:
        return _Map(reader(arguments[1]))
    raise TypeError(f"JSON of strangers is not read as {kind}")


def _check_text(text: str) -> None:
    """Refuse halves of surrogate pairs (U+D800 to U+DFFF), which Go replaces and which no encoder can write."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ShapeError("half a surrogate pair is no text")


def _deeper(depth: int) -> int:
    if depth >= MOST_DEPTH:
        raise ShapeError(f"nested too deeply: at most {MOST_DEPTH} objects and arrays within each other are accepted")
    return depth + 1


def _anything(value: Any, depth: int) -> Any:
    """Any value; every object in it is a map."""
    if isinstance(value, Members):
        return _any_map(value, depth)
    if isinstance(value, list):
        return _any_list(value, depth)
    if isinstance(value, str):
        _check_text(value)
    return value


def _text(value: Any, _: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unexpected("a string", value)
    _check_text(value)
    return value


def _integer(value: Any, _: int) -> int:
    if value is None:
        return 0
    if type(value) is not int:
        raise _unexpected("an integer", value)
    if value not in _INTEGERS:
        raise ShapeError(f"{value} does not fit into 64 bits")
    return value


def _float(value: Any, _: int) -> float:
    if value is None:
        return 0.0
    if type(value) not in {int, float}:
        raise _unexpected("a number", value)
    return float(value)


def _boolean(value: Any, _: int) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _unexpected("true or false", value)
    return value


def _binary(value: Any, depth: int) -> bytes:
    """Base64 by Go's `StdEncoding`: padded, line ends ignored."""
    try:
        return base64.b64decode(_text(value, depth).replace("\r", "").replace("\n", ""), validate=True)
    except ValueError as error:
        raise ShapeError("not base64") from error


_PLAIN: dict[Any, Read] = {str: _text, int: _integer, float: _float, bool: _boolean, bytes: _binary}


class _List:
    def __init__(self, element: Read, kind: Callable[[Any], Any]) -> None:
        self._element, self._kind = element, kind

    def __call__(self, value: Any, depth: int) -> Any:
        if value is None:
            return self._kind(())
        if not isinstance(value, list) or isinstance(value, Members):
            raise _unexpected("an array", value)
        depth = _deeper(depth)
        found, element = [], self._element
        for number, each in enumerate(value):
            try:
                found.append(element(each, depth))
            except ShapeError as error:
                error.path.append(f"[{number}]")
                raise
        return self._kind(found)


class _Map:
    def __init__(self, value: Read) -> None:
        self._value = value

    def __call__(self, value: Any, depth: int) -> dict[str, Any]:
        depth = _deeper(depth)
        found = {}
        for key, inner in _members(value):
            try:
                found[key] = self._value(inner, depth)  # the last wins, as in Go
            except ShapeError as error:
                error.path.append(_step(key))
                raise
        return found


_any_list, _any_map = _List(_anything, list), _Map(_anything)


class _Field(NamedTuple):
    name: str
    read: Read
    folded: str


class _Structure:
    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self._kind = kind

    @cached_property
    def _fields(self) -> dict[str, _Field]:
        found = msgspec.structs.fields(self._kind)
        return {each.encode_name: _Field(each.name, reader(each.type), fold(each.encode_name)) for each in found}

    @cached_property
    def _names(self) -> dict[str, str]:
        return {field.folded: name for name, field in self._fields.items()}

    @cached_property
    def _required(self) -> dict[str, str]:
        return {each.name: each.encode_name for each in msgspec.structs.fields(self._kind) if each.required}

    def __call__(self, value: Any, depth: int) -> Any:
        depth = _deeper(depth)
        seen: dict[str, str] = {}
        found: dict[str, Any] = {}
        for key, inner in _members(value):
            field = self._fields.get(key)
            folded = field.folded if field else fold(key)
            if folded in seen:
                raise _twice(seen[folded], key)
            if field is None and folded in self._names:
                raise _twice(self._names[folded], key)
            seen[folded] = key
            try:
                if field is None:
                    _anything(inner, depth)
                elif inner is not None:
                    found[field.name] = field.read(inner, depth)
            except ShapeError as error:
                error.path.append(_step(key))
                raise
        missing = [name for field_name, name in self._required.items() if field_name not in found]
        if missing:
            raise ShapeError(f"lacks {missing[0]!r}")
        return self._kind(**found)


def _members(value: Any) -> Members:
    if value is None:
        return Members()
    if not isinstance(value, Members):
        raise _unexpected("an object", value)
    for key, _ in value:
        _check_text(key)
    return value


def _step(key: str) -> str:
    """A member in the path of an error; what strangers wrote is shown without control characters."""
    return f".{key if key.isascii() and key.isprintable() else ascii(key)}"[:_SHOWN]


def _twice(one: str, other: str) -> ShapeError:
    if one == other:
        return ShapeError(f"has the key {one[:_SHOWN]!r} twice; readers differ in which of them counts")
    return ShapeError(f"has the key {other[:_SHOWN]!r}, which some readers take for {one[:_SHOWN]!r}")


def _unexpected(expected: str, value: Any) -> ShapeError:
    kinds = {Members: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return ShapeError(f"{expected} is expected, there is {kinds.get(type(value), f'the number {value}')}")
