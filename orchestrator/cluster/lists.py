"""Lists of objects, piece by piece, and what changes in them afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import urllib3

from orchestrator.cluster.errors import ExpiredError, UnreachableError
from orchestrator.cluster.transport import JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.cluster.transport import Connection

_Object = TypeVar("_Object")

_CHUNK = 65536


class _Version(msgspec.Struct, rename="camel"):
    resource_version: str


class _Versioned(msgspec.Struct):
    """What counts in the object of a bookmark: its version. All else in it is empty or null."""

    metadata: _Version


class _Event(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class _PageMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct):
    """A piece of a list: objects, still encoded, and the resource version they have."""

    #: A list of metadata alone is null when there are none.
    found: list[msgspec.Raw] | None = msgspec.field(name="items")
    metadata: _PageMetadata = msgspec.field(default_factory=_PageMetadata)

    @property
    def items(self) -> list[msgspec.Raw]:
        """The objects."""
        return self.found or []


def pages(
    connection: Connection, path: str, *, limit: int, query: Mapping[str, Any] | None = None, accept: str = JSON
) -> Iterator[Page]:
    """A list in pieces of this many objects, so that memory holds a few of them at a time.

    Raises:
        ExpiredError: it took so long that the rest is no longer available; list again.
    """
    asked: dict[str, Any] = {"limit": limit, **(query or {})}
    while True:
        page = msgspec.json.decode(connection.request("GET", path, query=asked, accept=accept), type=Page)
        yield page
        asked["continue"] = page.metadata.continue_
        if not asked["continue"]:
            return


def watch(
    connection: Connection,
    path: str,
    kind: type[_Object],
    version: str,
    *,
    query: Mapping[str, Any] | None = None,
    seconds: int = 240,
    accept: str = JSON,
) -> Iterator[tuple[str, _Object]]:
    """Changes of objects after a resource version: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`.

    Ends when the API server ends it, or after some minutes; continue from the last resource version seen.

    Raises:
        ExpiredError: that version is no longer known; list again.
        UnreachableError: it broke off.
    """
    asked = {
        **(query or {}),
        "watch": "true",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": seconds,
    }
    answer = connection.open("GET", path, query=asked, timeout=seconds + 30, accept=accept)
    try:
        for line in filter(None, lines(answer, f"the watch of {path}")):
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "ERROR":
                raise ExpiredError(f"the watch of {path} ended: {bytes(event.object)[:300]!r}")
            content = bytes(event.object)
            if event.type == "BOOKMARK":
                content = msgspec.json.encode(msgspec.json.decode(content, type=_Versioned))
            yield event.type, msgspec.json.decode(content, type=kind)
    finally:
        answer.close()


def lines(answer: Any, what: str, *, rest: bool = False) -> Iterator[bytes]:
    """An answer line by line, as it comes.

    Args:
        answer: of `Connection.open`.
        what: it is, for the error.
        rest: whether what follows the last line break is a line too.

    Raises:
        UnreachableError: it broke off.
    """
    left = b""
    try:
        for chunk in answer.stream(_CHUNK):
            *whole, left = (left + chunk).split(b"\n")
            yield from whole
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise UnreachableError(f"{what} broke off: {error}") from error
    if rest and left:
        yield left
