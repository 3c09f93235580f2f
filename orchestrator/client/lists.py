"""Lists of the service, page by page, as scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from orchestrator.client.errors import ServiceAnswerError
from orchestrator.client.exchange import RowScript, ServiceRequest, ServiceRows
from orchestrator.client.reading import converted, read_json
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from orchestrator.client.exchange import ServicePause

T = TypeVar("T")
_API = "/api/v1"
#: Pages of one list, and characters of a cursor.
_MOST_PAGES, _LONGEST = 100_000, 4_096
#: Parts of a path that stand for others.
_STEPS = {"", ".", ".."}


def get(*parts: str, query: Sequence[tuple[str, str]] = (), rows: int = 0) -> ServiceRequest:
    """What is asked for under a path.

    Args:
        parts: of the path after `/api/v1`, each percent-encoded here.
        query: parameters.
        rows: most rows of a page that are wanted; 0 where there are no pages.

    Raises:
        UsageError: a part would make it another path.
    """
    for part in parts:
        if part in _STEPS:
            raise UsageError(f"{part!r} is no name of anything that the service has")
    return ServiceRequest("/".join([_API, *(quote(part, safe="") for part in parts)]), tuple(query), rows=rows)


def given(**values: str | bool) -> tuple[tuple[str, str], ...]:
    """Parameters, without those that are not given."""
    return tuple((name, "true" if value is True else str(value)) for name, value in values.items() if value)


def listed(ask: ServiceRequest, read: Callable[[bytes], Sequence[T]], *, most: int | None = None) -> RowScript[T]:
    """The rows of a list, however many pages it has.

    Args:
        ask: the list.
        read: reads the rows of a page.
        most: rows; None for all.
    """
    return RowScript(_listed(ask, read, sys.maxsize if most is None else most))


def _listed(
    ask: ServiceRequest, read: Callable[[bytes], Sequence[T]], most: int
) -> Generator[ServiceRequest | ServicePause | ServiceRows, bytes, None]:
    cursor, seen = "", set()
    for _ in range(_MOST_PAGES):
        data = yield ask._replace(query=(*ask.query, *given(cursor=cursor)), rows=most)
        rows = read(data)[:most]
        yield ServiceRows(rows)
        most -= len(rows)
        cursor = read_json(data, _Following).next
        if not cursor or not most:
            return
        if len(cursor) > _LONGEST or hash(cursor) in seen:
            break
        seen.add(hash(cursor))
    raise ServiceAnswerError(f"the list {ask.path} of the service has no end: it names the same page again")


class _Following(msgspec.Struct):
    next: str


def rows_named(name: str, kind: Any) -> Callable[[bytes], Sequence[Any]]:
    """Reads the rows of a page that are documents of their own.

    Args:
        name: of the rows in the document.
        kind: their type.
    """
    return lambda data: converted(mappings_named(name, data), list[kind])


def mappings_named(name: str, data: bytes) -> list[dict[str, Any]]:
    """The rows of a page as mappings.

    Raises:
        ServiceAnswerError: there are none of that name.
    """
    rows = read_json(data, dict[str, Any]).get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ServiceAnswerError(
            f"the answer of the service has no {name}; is it a scanmatrix service of this version?"
        )
    return rows
