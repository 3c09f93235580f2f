"""The service's JSON as our frozen types: bounded, checked, and tolerant of fields that a later version adds."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from orchestrator.client.errors import ServiceAnswerError
from orchestrator.kit.json_bounds import JsonBounds, explain
from orchestrator.model import RunStatus
from orchestrator.results.coverage import Coverage, NotCovered
from orchestrator.results.tables.columns import ColumnKind, reader
from orchestrator.results.tables.making import make_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.model import Document
    from orchestrator.results.tables.columns import Column

    D = TypeVar("D", bound=Document)

T = TypeVar("T")
#: Objects and arrays, and values, of one answer: a page of 1,000 rows has at most some 30,000 and 200,000.
_MOST_CONTAINERS, _MOST_VALUES = 2_000_000, 10_000_000


class _Covered(msgspec.Struct):
    targets: int
    covered: int


class _Rests(msgspec.Struct):
    coverage: _Covered
    unknown: list[Any] = []


def read_json(data: bytes, kind: type[T]) -> T:
    """An answer as a type of ours; fields that it does not have are left out.

    Raises:
        ServiceAnswerError: it is no JSON, too costly, or of another type.
    """
    if excess := JsonBounds(len(data), _MOST_CONTAINERS, _MOST_VALUES).excess(data):
        raise ServiceAnswerError(f"the answer of the service {excess}")
    try:
        with suppress(msgspec.ValidationError):
            return msgspec.json.decode(data, type=kind)
        value = msgspec.json.decode(data)
    except (UnicodeDecodeError, RecursionError, msgspec.DecodeError) as error:
        raise ServiceAnswerError(f"the answer of the service {explain(error)}") from error
    found: T = converted(value, kind)
    return found


def converted(value: Any, kind: Any) -> Any:
    """A part of an answer as a type of ours; fields that it does not have are left out.

    Raises:
        ServiceAnswerError: it is of another type.
    """
    try:
        return msgspec.convert(_pruned(value, _info(kind)), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ServiceAnswerError(
            f"the answer of the service {explain(error)}; service and program are of versions that differ too much:"
            " use the same one for both"
        ) from error


@cache
def _info(kind: Any) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(kind)


def _pruned(value: Any, info: Any) -> Any:
    """The value without fields that its type does not have."""
    if isinstance(info, msgspec.inspect.UnionType):
        info = next((each for each in info.types if not isinstance(each, msgspec.inspect.NoneType)), info)
    if isinstance(info, msgspec.inspect.Metadata):
        return _pruned(value, info.type)
    if isinstance(info, msgspec.inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in info.fields}
        kept = {name: _pruned(each, fields[name]) for name, each in value.items() if name in fields}
        tag = info.tag_field
        return kept | ({tag: value[tag]} if tag is not None and tag in value else {})
    if isinstance(info, msgspec.inspect.CollectionType) and isinstance(value, list):
        return [_pruned(each, info.item_type) for each in value]
    if isinstance(info, msgspec.inspect.DictType) and isinstance(value, dict):
        return {name: _pruned(each, info.value_type) for name, each in value.items()}
    return value


def changed(last: RunStatus | None, event: bytes) -> RunStatus:
    """How a run stands after an event of its stream.

    Args:
        last: how it stood before; None at the beginning.
        event: its kind, a line break, and its document.

    Raises:
        ServiceAnswerError: it is no such event, or a change of nothing.
    """
    kind, _, data = event.partition(b"\n")
    if kind == b"end" and last is not None:
        return last
    if kind not in {b"status", b"change"} or (kind == b"change" and last is None):
        raise ServiceAnswerError(f"the service sent an event {kind[:40]!r} that no progress of a run begins with")
    found = read_json(data, RunStatus)
    if kind == b"status" or last is None:
        return found
    cells, pulls = {cell.id: cell for cell in found.cells}, {pull.target: pull for pull in found.pulls}
    return msgspec.structs.replace(
        found,
        cells=tuple(cells.get(cell.id, cell) for cell in last.cells),
        pulls=tuple(pulls.get(pull.target, pull) for pull in last.pulls),
    )


def read_coverage(data: bytes) -> Coverage:
    """What an answer rests on."""
    found = read_json(data, _Rests)
    targets, covered = found.coverage.targets, found.coverage.covered
    unknown = converted(found.unknown, tuple[NotCovered, ...])
    unnamed = targets - covered - len(unknown)
    if not 0 <= covered <= targets or unnamed < 0:
        raise ServiceAnswerError(
            f"the answer of the service says that it covers {covered} of {targets} targets, and not {len(unknown)}"
        )
    return Coverage(targets, unknown, unnamed)


def read_rows(rows: Sequence[Mapping[str, Any]], kind: type[D]) -> list[D]:
    """Rows with the columns of their type, as `orchestrator.api.json_documents.mappings` spells them.

    Raises:
        ServiceAnswerError: a row is of another type.
    """
    try:
        return make_rows(kind, lambda column: _column(rows, column), absent={"target": ""})
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError, TypeError) as error:
        raise ServiceAnswerError(f"rows of the service's answer are no {kind.__name__}: {error}") from error


_TYPES: dict[ColumnKind, Any] = {
    ColumnKind.TEXT: str,
    ColumnKind.MOMENT: str | None,
    ColumnKind.WORD: str | None,
    ColumnKind.NUMBER: float | None,
    ColumnKind.COUNT: int,
    ColumnKind.TRUTH: bool,
    ColumnKind.WORDS: tuple[str, ...],
    ColumnKind.PAIRS: tuple[str, ...],
}


def _column(rows: Sequence[Mapping[str, Any]], column: Column) -> Sequence[Any]:
    """A column as the type of its field has it."""
    kind = _TYPES[column.kind]
    if column.lacking:
        kind |= None
    given = [row.get(column.name, column.default) for row in rows]
    values: list[Any] = msgspec.convert(given, list[kind])  # type: ignore[valid-type]
    if column.kind is ColumnKind.MOMENT:
        if column.item is datetime:
            return [datetime.fromisoformat(value) if value else None for value in values]
        return [value or "" for value in values]
    if column.kind is ColumnKind.WORD:
        return [column.item(value) if value or not column.lacking else None for value in values]
    if column.kind is ColumnKind.WORDS and column.item is not str:
        read = reader(column.item)
        return [tuple(map(read, value)) for value in values]
    if column.kind is ColumnKind.PAIRS:
        read = reader(column.item)
        return [dict(_pair(read, text) for text in value) for value in values]
    return values


def _pair(read: Callable[[str], Any], text: str) -> tuple[str, Any]:
    key, _, value = text.rpartition("=")
    return key, read(value)
