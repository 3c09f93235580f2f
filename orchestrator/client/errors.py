"""What may go wrong between a client and the service, and the service's problems (RFC 9457) as errors of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import (
    NotKnownError,
    PermanentError,
    ScanmatrixError,
    TemporaryError,
    UsageError,
    VolumeFullError,
)
from orchestrator.kit.masking import mask
from orchestrator.kit.text import visible_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.client.exchange import ServiceRequest

_TYPE = "urn:scanmatrix:problem:"
_LONGEST = 2_000
_BUSY = {429, 502, 503, 504}
_MOVED = range(300, 400)


class ServiceAwayError(TemporaryError):
    """The service does not answer now, or says that it cannot."""


class ServiceSlowError(TemporaryError):
    """The service took longer for a question than it may; the same question will most likely take as long again."""

    most_retries = 1


class ServiceAnswerError(PermanentError):
    """What answered is no service of ours, or not of this version, or its answer is no answer."""


class ServiceAccessError(PermanentError):
    """The service does not know who asks, or does not let them do this."""


class ServiceRefusalError(PermanentError):
    """The service understood what was asked, and cannot do it; its message says why."""


_FOR_NOW: dict[str, tuple[type[TemporaryError], str]] = {
    "unavailable": (ServiceAwayError, ""),
    "body-too-slow": (ServiceAwayError, ""),
    "query-too-slow": (ServiceSlowError, "; ask for less"),
    "volume-full": (VolumeFullError, ""),
}
_FOR_GOOD: dict[str, tuple[type[PermanentError], str]] = {
    "bad-request": (UsageError, ""),
    "unsupported-media-type": (UsageError, ""),
    "not-found": (NotKnownError, ""),
    "unauthenticated": (
        ServiceAccessError,
        "; give a token that the service knows, in SCANMATRIX_TOKEN or as `token`",
    ),
    "refused": (ServiceAccessError, "; ask who runs the service for a token that may"),
}
_OF_SERVICE = {"internal", "failed"}


class _Problem(msgspec.Struct):
    type: str
    detail: str = ""
    request_id: str = ""


def error_of(
    request: ServiceRequest, where: str, status: int, headers: Mapping[str, str], body: bytes
) -> ScanmatrixError:
    """The error that an answer without success stands for.

    Args:
        request: what was asked.
        where: address of the service.
        status: of the answer.
        headers: of the answer.
        body: of the answer, or the beginning of it.
    """
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = _Problem("")
    if not problem.type.startswith(_TYPE):
        return _of_stranger(request, where, status, headers)
    said = visible_message(mask(problem.detail[:_LONGEST])) or f"it answered {status}"
    return _of_problem(problem.type.removeprefix(_TYPE), f"{where}: {said}", problem.request_id[:64], headers)


def _of_problem(kind: str, said: str, request_id: str, headers: Mapping[str, str]) -> ScanmatrixError:
    if kind in _FOR_NOW:
        again, advice = _FOR_NOW[kind]
        return again(said + advice, retry_after=seconds_asked(headers))
    if kind in _OF_SERVICE:
        return ServiceRefusalError(f"{said}; the log of the service has more under request {request_id}")
    for_good, advice = _FOR_GOOD.get(kind, (ServiceRefusalError, ""))
    return for_good(said + advice)


def _of_stranger(request: ServiceRequest, where: str, status: int, headers: Mapping[str, str]) -> ScanmatrixError:
    """What a proxy said, or another program: it is not the service's own words."""
    if status in _BUSY:
        return ServiceAwayError(
            f"{where} answered {request} with {status}: the service behind it does not answer now",
            retry_after=seconds_asked(headers),
        )
    if status in _MOVED:
        to = visible_message(mask(headers.get("location", "")[:_LONGEST])) or "another place"
        return ServiceAnswerError(f"{where} sends to {to}; give the address at which the service itself answers")
    if status in {401, 403}:
        return ServiceAccessError(f"{where} answered {status}, and is not the service itself: a proxy wants a login")
    return ServiceAnswerError(
        f"{where} answered {request} with {status}, not as a scanmatrix service of this version does; check its address"
    )


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """The header `Retry-After` in seconds; None where it says no number."""
    said = headers.get("retry-after", "").strip()
    return float(said) if said.isascii() and said.isdigit() and len(said) < 8 else None  # noqa: PLR2004 - 115 days
