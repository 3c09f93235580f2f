"""CloudEvents 1.0 over HTTP, in its three modes: structured, binary, and batches.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md. The SDK judges what an
event is; its bytes are read here first, because they are strangers': JSON by the one strict decoder, and headers by the
rules of 3.1.3.2 (percent-encoded UTF-8, which may stand in quotes).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.kit.text import has_hidden
from orchestrator.receiving.messages import LONGEST, EventError, EventTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.receiving.messages import EventRequest

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
#: Events of one batch.
MOST_EVENTS = 1000
_PREFIX = "ce-"
_JSON = re.compile(r"application/([a-z0-9.+-]+\+)?json|text/json")
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
#: Extensions that are kept: those by which Keptn's events belong together, and the commit that they name.
COMMIT, CONTEXT, TRIGGERED_BY = "gitcommitid", "shkeptncontext", "triggeredid"
_EXTENSIONS = (COMMIT, CONTEXT, TRIGGERED_BY, "shkeptnspecversion")


class CloudEvent(NamedTuple):
    """An event in the standard form, checked.

    Attributes:
        id: given by its source.
        source: who says so.
        type: what happened.
        subject: what to; empty for nothing.
        time: RFC 3339 as it was written; empty for none.
        data: its JSON; empty for none.
        extensions: those of its further attributes that are kept: name and value.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: bytes
    extensions: tuple[tuple[str, str], ...] = ()

    @property
    def attributes(self) -> dict[str, str]:
        """All but its data, by the names of the specification."""
        known = ("subject", self.subject), ("time", self.time)
        found = {"specversion": "1.0", "id": self.id, "source": self.source, "type": self.type}
        return {**dict(self.extensions), **found, **{name: value for name, value in known if value}}


class _Envelope(msgspec.Struct):
    """The JSON form, with the extensions that are kept."""

    specversion: str = ""
    id: str = ""
    source: str = ""
    type: str = ""
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    gitcommitid: str | None = None
    shkeptncontext: str | None = None
    triggeredid: str | None = None
    shkeptnspecversion: str | None = None
    data: Any = None
    data_base64: bytes = b""


def is_cloud_event(delivery: EventRequest) -> bool:
    """Whether a request brings CloudEvents, by its headers."""
    return _media_type(delivery) in {STRUCTURED, BATCH} or f"{_PREFIX}specversion" in delivery.headers


def read_events(delivery: EventRequest) -> tuple[CloudEvent, ...]:
    """The events of a request, one in all modes but a batch.

    Raises:
        EventTypeError: it is of no media type in which events come.
        EventError: an event is not what the specification says.
        ForeignJsonError: the body is no JSON that all read alike.
    """
    kind = _media_type(delivery)
    if kind == BATCH:
        found = decode(delivery.body, tuple[_Envelope, ...], origin="a batch of events")
        if len(found) > MOST_EVENTS:
            raise EventError(f"a batch of {len(found):,} events; at most {MOST_EVENTS:,} are accepted")
        return tuple(_of_envelope(each) for each in found)
    if kind == STRUCTURED:
        return (_of_envelope(decode(delivery.body, _Envelope, origin="an event")),)
    if f"{_PREFIX}specversion" in delivery.headers:
        return (_of_headers(delivery, kind),)
    raise EventTypeError(
        f"send a CloudEvent: {STRUCTURED}, {BATCH}, or its attributes as headers ce-…, not {kind or 'a body alone'}"
    )


def _of_envelope(found: _Envelope) -> CloudEvent:
    attributes = {name: value for name in (*_ATTRIBUTES, *_EXTENSIONS) if (value := getattr(found, name)) is not None}
    data = found.data_base64 or (b"" if found.data is None else msgspec.json.encode(found.data))
    return _checked(attributes, data)


def _of_headers(delivery: EventRequest, kind: str) -> CloudEvent:
    attributes = {
        name: _unquoted(name, value)
        for name in (*_ATTRIBUTES, *_EXTENSIONS)
        if (value := delivery.headers.get(_PREFIX + name)) is not None
    }
    if kind:
        attributes["datacontenttype"] = kind
    return _checked(attributes, delivery.body)


def _checked(attributes: Mapping[str, str], data: bytes) -> CloudEvent:
    from cloudevents.core.exceptions import CloudEventValidationError  # noqa: PLC0415 - only the service has it
    from cloudevents.core.v1.event import CloudEvent as Specified  # noqa: PLC0415

    time = attributes.get("time", "")
    for name, value in attributes.items():
        if len(value) > LONGEST:
            raise EventError(f"the attribute {name} has {len(value):,} characters; at most {LONGEST} are accepted")
        if has_hidden(value):
            raise EventError(f"the attribute {name} has characters that nobody can see")
    try:
        # Without one, the SDK makes an id up.
        Specified({"id": "", **attributes, **({"time": _moment(time)} if time else {})}, None)
    except CloudEventValidationError as error:
        said = "; ".join(str(each) for several in error.errors.values() for each in several)
        raise EventError(f"this is no CloudEvent: {said}") from error
    if not _JSON.fullmatch(attributes.get("datacontenttype", "application/json").partition(";")[0].strip().lower()):
        raise EventTypeError(f"its data is {attributes['datacontenttype'][:80]!r}; only JSON is read")
    extensions = tuple((name, attributes[name]) for name in _EXTENSIONS if name in attributes)
    return CloudEvent(
        attributes["id"],
        attributes["source"],
        attributes["type"],
        attributes.get("subject", ""),
        time,
        data,
        extensions,
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise EventError(f"the attribute time is {text[:60]!r}, which is no moment as RFC 3339 writes it") from error


def _unquoted(name: str, value: str) -> str:
    """The value of a header."""
    text = value.strip(" \t")
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise EventError(f"the header {_PREFIX}{name} is not UTF-8, percent-encoded") from error


def _media_type(delivery: EventRequest) -> str:
    return delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
