"""Our frozen types to JSON and back: one encoding for plan, ledger and records."""

import os
import stat
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.model import Document
from orchestrator.model.base import SCHEMA_VERSION

D = TypeVar("D", bound=Document)
#: Types that have been decoded. Two threads that decode a type for the first time crash msgspec 0.22, which takes it
#: apart then.
_KNOWN: set[type[Document]] = set()
_LEARNING = threading.Lock()


class DocumentError(PermanentError):
    """A JSON document of ours is damaged, or was written by an incompatible version."""


class NewerDocumentError(DocumentError):
    """A JSON document of ours was written by a later version; nothing is wrong with it."""


def spell_time(moment: datetime) -> str:
    """A moment with a time zone as every document has it: RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def encode(document: Document) -> bytes:
    """One line of JSON, fields in the order of their type, defaults left out.

    JSON holds Unicode, and names of files (in the message of an error, say) need not be: their odd bytes are escaped.
    """
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return msgspec.json.encode(_in_unicode(msgspec.to_builtins(document)))


def _in_unicode(value: Any) -> Any:
    """The same with what is no Unicode in its texts escaped."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_in_unicode(item) for item in value]
    return {_in_unicode(key): _in_unicode(item) for key, item in value.items()} if isinstance(value, dict) else value


def decode(data: bytes, kind: type[D], *, origin: str) -> D:
    """Read a document back, validated against its type.

    Args:
        data: the JSON.
        kind: type expected.
        origin: where it came from, for the message.

    Raises:
        NewerDocumentError: of a later version than we know.
        DocumentError: not JSON, truncated, or not of that type.
    """
    try:
        if kind in _KNOWN:
            return msgspec.json.decode(data, type=kind)
        with _LEARNING:
            found = msgspec.json.decode(data, type=kind)
            _KNOWN.add(kind)
            return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if newer := _newer(data, kind):
            raise NewerDocumentError(f"{origin}: {newer}") from error
        raise DocumentError(f"{origin}: not a valid {kind.__name__.lower()}: {error}") from error


class _Versioned(msgspec.Struct):
    schema_version: int = 1


def _newer(data: bytes, kind: type[Document]) -> str:
    """What to do with a document of a later version than we know; empty where it is none."""
    known = kind.__struct_config__.tag
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        version = msgspec.json.decode(data, type=_Versioned).schema_version
        if isinstance(known, int) and version > known:
            return (
                f"this {kind.__name__.lower()} has {SCHEMA_VERSION} {version}, this scanmatrix reads up to {known};"
                " install the version of scanmatrix that wrote it, or a newer one"
            )
    return ""


def read(path: Path, kind: type[D]) -> D:
    """Read a document from a file; what is none, such as a pipe or a folder, is neither waited for nor read.

    Raises:
        DocumentError: there is no such file, or it does not hold such a document.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise DocumentError(f"{path}: no {kind.__name__.lower()} there") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DocumentError(f"{path}: not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read()
    finally:
        os.close(descriptor)
    return decode(data, kind, origin=str(path))
