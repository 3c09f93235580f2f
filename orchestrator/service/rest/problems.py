"""Our errors as RFC 9457 problems: one table says what each means to a caller."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fastapi import Response

from orchestrator.api.submission import RepeatedKeyError
from orchestrator.engines.interface import EngineError, NotOfferedError
from orchestrator.errors import (
    NotKnownError,
    NotTheirsError,
    PermanentError,
    ScanmatrixError,
    TemporaryError,
    UsageError,
    VolumeFullError,
)
from orchestrator.findings.interface import ReportError
from orchestrator.kit.extras import MissingExtraError
from orchestrator.kit.foreign_json import ForeignJsonError
from orchestrator.kit.guarding import InternalError
from orchestrator.kit.masking import mask
from orchestrator.kit.text import visible_message
from orchestrator.receiving.messages import EventError, EventTypeError, ProofError
from orchestrator.results.errors import NoResultsError
from orchestrator.service.rest.paths import shown_path
from orchestrator.store.documents import SchemaError, StoreError, StoreGoneError, StoreSlowError
from orchestrator.volume.layout import VolumeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.requests import HTTPConnection

MEDIA_TYPE = "application/problem+json"
#: Seconds after which a caller may try again, where nobody knows better.
RETRY_AFTER = 5
_LONGEST = 2000
_log = logging.getLogger(__name__)


class ProblemKind(NamedTuple):
    """A kind of problem: the last part of its `type`, its status and title."""

    name: str
    status: int
    title: str


BAD_REQUEST = ProblemKind("bad-request", 400, "The request is wrong")
UNAUTHENTICATED = ProblemKind("unauthenticated", 401, "Who asks is not known")
REFUSED = ProblemKind("refused", 403, "The caller may not do this")
NOT_FOUND = ProblemKind("not-found", 404, "There is no such thing")
NOT_ALLOWED = ProblemKind("method-not-allowed", 405, "The path does not take this method")
TIMEOUT = ProblemKind("body-too-slow", 408, "The body took too long")
CONFLICT = ProblemKind("conflict", 409, "It is not in a state that allows this")
TOO_LARGE = ProblemKind("body-too-large", 413, "The body is too large")
MEDIA = ProblemKind("unsupported-media-type", 415, "The body is of another type")
UNSOUND = ProblemKind("unsound-document", 422, "The document cannot be accepted")
INTERNAL = ProblemKind("internal", 500, "Something failed that nobody foresaw")
BROKEN = ProblemKind("failed", 500, "It failed")
NOT_OFFERED = ProblemKind("not-offered", 501, "This service cannot do it")
AWAY = ProblemKind("unavailable", 503, "Something that is needed does not answer")
SLOW = ProblemKind("query-too-slow", 504, "The question took too long")
FULL = ProblemKind("volume-full", 507, "The volume is full")

KINDS = (
    BAD_REQUEST, UNAUTHENTICATED, REFUSED, NOT_FOUND, NOT_ALLOWED, TIMEOUT, CONFLICT, TOO_LARGE, MEDIA, UNSOUND,
    INTERNAL, BROKEN, NOT_OFFERED, AWAY, SLOW, FULL,
)  # fmt: skip


class RequestError(UsageError):
    """What a caller asked for is wrong; the message says what to change."""


class CursorError(RequestError):
    """A cursor that is not of this list, or that nobody was given."""


class UnauthenticatedError(PermanentError):
    """Nobody that is known: no token, or one that does not hold."""


class RefusedError(PermanentError):
    """The caller is known, and may not do this."""


class AbsentError(NotKnownError):
    """There is no such thing."""


class WrongStateError(PermanentError):
    """It is in another state, or was asked for otherwise before."""


class TooLargeError(PermanentError):
    """A body with more bytes than its route accepts."""


class MediaTypeError(PermanentError):
    """A body of a type that its route does not accept."""


class SlowBodyError(PermanentError):
    """A body that did not arrive in time."""


class BusyError(TemporaryError):
    """More questions wait than are worth waiting for, or the service is not ready yet."""


#: The first kind of error that fits decides; the more special ones stand first.
_MEANINGS: tuple[tuple[type[Exception], ProblemKind], ...] = (
    (UnauthenticatedError, UNAUTHENTICATED),
    (ProofError, UNAUTHENTICATED),
    (EventTypeError, MEDIA),
    (EventError, BAD_REQUEST),
    (RefusedError, REFUSED),
    (NotTheirsError, REFUSED),
    (TooLargeError, TOO_LARGE),
    (MediaTypeError, MEDIA),
    (SlowBodyError, TIMEOUT),
    (WrongStateError, CONFLICT),
    (NotKnownError, NOT_FOUND),
    (NoResultsError, NOT_FOUND),
    (ReportError, UNSOUND),
    (RepeatedKeyError, CONFLICT),
    (VolumeError, BAD_REQUEST),
    (ForeignJsonError, UNSOUND),
    (NotOfferedError, NOT_OFFERED),
    (MissingExtraError, NOT_OFFERED),
    (UsageError, BAD_REQUEST),
    (StoreSlowError, SLOW),
    (SchemaError, AWAY),
    (StoreGoneError, AWAY),
    (VolumeFullError, FULL),
    (TemporaryError, AWAY),
    (InternalError, INTERNAL),
    (StoreError, BROKEN),
    (EngineError, BROKEN),
    (ScanmatrixError, BROKEN),
    (OSError, AWAY),
)


def kind_of(error: Exception) -> ProblemKind:
    """What an error means to a caller."""
    return next((kind for meant, kind in _MEANINGS if isinstance(error, meant)), INTERNAL)


def problem(
    connection: HTTPConnection,
    kind: ProblemKind,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """A problem as a response; what strangers wrote is made visible, and secrets are masked.

    Args:
        connection: which request it answers.
        kind: of problem.
        detail: what happened to which thing, and what to do next.
        headers: of the response.
        more: members beside those of RFC 9457.
    """
    document = {
        "type": f"urn:scanmatrix:problem:{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": visible_message(mask(detail))[:_LONGEST],
        "instance": shown_path(connection.scope.get("path", "")),
        "request_id": connection.scope.get("state", {}).get("request_id", ""),
        **more,
    }
    return Response(msgspec.json.encode(document), kind.status, dict(headers or {}), MEDIA_TYPE)


def problem_of(connection: HTTPConnection, error: Exception) -> Response:
    """The response to an error that a route, or what stands before it, raised."""
    kind = kind_of(error)
    headers = {}
    if kind in {AWAY, SLOW, FULL}:
        wait = error.retry_after if isinstance(error, TemporaryError) else None
        headers["Retry-After"] = str(max(1, round(wait or RETRY_AFTER)))
        _log.warning("%s", error)
    if kind is UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if kind in {INTERNAL, BROKEN}:
        _log.error("%s", error, exc_info=error)
    detail = str(error)
    if kind is INTERNAL:
        detail = "the log of the service has more under this request's id"
    elif isinstance(error, OSError):
        detail = f"the volume does not answer: {error.strerror or error}"
    return problem(connection, kind, detail, headers=headers)
