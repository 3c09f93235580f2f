"""Where the service is, who asks, and how one request is sent and its answer read: bounded in bytes and time."""

from __future__ import annotations

import os
import ssl
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from orchestrator.client.errors import ServiceAnswerError, ServiceAwayError, error_of
from orchestrator.errors import UsageError
from orchestrator.kit.extras import needing
from orchestrator.kit.masking import mask
from orchestrator.kit.own import own_version
from orchestrator.kit.text import visible_message

with needing("client", "asking a service"):
    import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.client.exchange import ServiceRequest

#: The token, or the path of a file that has it, where no argument does.
TOKEN_VARIABLE, TOKEN_FILE_VARIABLE = "SCANMATRIX_TOKEN", "SCANMATRIX_TOKEN_FILE"
_MOST_OF_TOKEN = 16 * 1024
#: Bytes of an answer that is no success: more is no problem of the service.
_MOST_OF_PROBLEM = 64 * 1024
_CONNECT_SECONDS = 10.0
#: Seconds after which a stream is believed to be broken: the service sends something every 15.
_SILENCE_SECONDS = 45.0
_STREAM = "text/event-stream"


class ServiceLimits(NamedTuple):
    """What a client bears.

    Attributes:
        retries: further attempts after one that failed for now.
        seconds: until the first byte of an answer, and between two.
        seconds_in_all: until an answer is there as a whole.
        most_bytes: of an answer, unpacked.
        page: rows that are asked for at once.
    """

    retries: int = 3
    seconds: float = 60.0
    seconds_in_all: float = 300.0
    most_bytes: int = 64 * 1024 * 1024
    page: int = 1_000

    def timeouts(self) -> httpx2.Timeout:
        """The same for the HTTP library."""
        return httpx2.Timeout(self.seconds, connect=min(_CONNECT_SECONDS, self.seconds))


class ServiceAddress:
    """Where the service is, and the token of who asks, which nothing shows.

    Args:
        url: such as `https://scanmatrix.example`; a path in it stands before those of the service.
        token: of who asks; None for `SCANMATRIX_TOKEN` or the file that `SCANMATRIX_TOKEN_FILE` names, empty for none.

    Raises:
        UsageError: it is no such URL, the token cannot be one, or its file cannot be read.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        found = _token_here() if token is None else token
        self._token = found.strip()
        if not self._token.isascii() or not all(each.isprintable() and each != " " for each in self._token):
            raise UsageError(f"the token for the service ({TOKEN_VARIABLE}, or `token`) has characters that none has")
        self.url = _checked(url.strip())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, token={'***' if self._token else None})"

    def __reduce__(self) -> str:
        raise TypeError("a client of the service cannot be pickled: make one where it is used")

    def spell(self, request: ServiceRequest, page: int) -> dict[str, Any]:
        """A request as the HTTP library takes it; `page` is how many rows are asked for at most."""
        query = [*request.query, *([("limit", str(min(page, request.rows)))] if request.rows else [])]
        headers = {"Accept": "application/json", "User-Agent": f"scanmatrix/{own_version()}", **dict(request.headers)}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return {
            "method": request.method,
            "url": self.url + request.path,
            "params": query,
            "content": request.body,
            "headers": headers,
        }

    def spell_stream(self, request: ServiceRequest, limits: ServiceLimits) -> dict[str, Any]:
        """The same of a stream of server-sent events."""
        spelt = self.spell(request, 0)
        spelt["headers"]["Accept"] = _STREAM
        waits = limits.timeouts()
        quiet = httpx2.Timeout(_SILENCE_SECONDS, connect=waits.connect, write=waits.write, pool=waits.pool)
        return {**spelt, "timeout": quiet}

    def masked(self, text: str) -> str:
        """A text without the token."""
        return mask(text, self._token)


def _token_here() -> str:
    token, path = (os.environ.get(name, "").strip() for name in (TOKEN_VARIABLE, TOKEN_FILE_VARIABLE))
    if token or not path:
        return token
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST_OF_TOKEN).decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"{TOKEN_FILE_VARIABLE}: {path} cannot be read: {error.strerror}") from error


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{visible_message(mask(url))!r} is no URL of a service: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{visible_message(mask(url))!r} is no URL of a service; write https://scanmatrix.example")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            f"the URL of the service has a user, a query or a fragment; write {parts.scheme}://{parts.hostname} and"
            f" give the token in {TOKEN_VARIABLE}"
        )
    return url.rstrip("/")


class Intake:
    """The bytes of one answer, as they come.

    Args:
        limits: of the client.
        where: address of the service, for messages.
        success: whether it is an answer, and not a problem.
    """

    def __init__(self, limits: ServiceLimits, where: str, *, success: bool) -> None:
        self._limits = limits
        self._where = where
        self._success = success
        self._until = time.monotonic() + limits.seconds_in_all
        self._parts: list[bytes] = []
        self._size = 0

    def put(self, part: bytes) -> bool:
        """Take the next bytes; whether more are wanted.

        Raises:
            ServiceAnswerError: there are too many.
            ServiceAwayError: they take too long.
        """
        self._size += len(part)
        self._parts.append(part)
        if not self._success:
            return self._size < _MOST_OF_PROBLEM
        if self._size > self._limits.most_bytes:
            raise ServiceAnswerError(
                f"{self._where} answered with more than {self._limits.most_bytes:,} bytes; ask for less, or for smaller"
                " pages"
            )
        if time.monotonic() > self._until:
            raise ServiceAwayError(f"{self._where} sent no whole answer within {self._limits.seconds_in_all:.0f} s")
        return True

    def whole(self) -> bytes:
        """All of them."""
        return b"".join(self._parts)


@contextmanager
def failures_as_ours(request: ServiceRequest, address: ServiceAddress) -> Iterator[None]:
    """Around one attempt: what the HTTP library raises as errors of ours.

    Raises:
        ServiceAwayError: the service cannot be reached, or broke off.
        ServiceAnswerError: it speaks no HTTP, or is not who its certificate says.
    """
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        if _of_certificate(error):
            raise ServiceAnswerError(f"{address.url} is not trusted: {_said(error, address)}") from error
        raise ServiceAwayError(
            f"{address.url} cannot be reached: {_said(error, address)}; is the service running, and the address right?"
        ) from error
    except httpx2.DecodingError as error:
        raise ServiceAnswerError(f"{address.url} answered {request} with damaged data") from error
    except httpx2.TransportError as error:
        away = ServiceAwayError(f"{address.url} did not answer {request}: {_said(error, address)}")
        if not request.repeatable:
            away.args = (f"{away}; whether it was done is not known",)
            away.given_up = True
        raise away from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ServiceAnswerError(f"{address.url}: {_said(error, address)}") from error


def check_status(
    request: ServiceRequest, address: ServiceAddress, status: int, headers: Mapping[str, str], body: bytes
) -> bytes:
    """The document of an answer.

    Raises:
        ScanmatrixError: the answer is a problem, or not the service's.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if status in range(200, 300) and (kind == "application/json" or not body):
        return body
    if status in range(200, 300):
        raise ServiceAnswerError(
            f"{address.url} answered {request} with {visible_message(kind[:100]) or 'no JSON'}; that is no scanmatrix"
            " service, check its address"
        )
    error = error_of(request, address.url, status, headers, body)
    error.args = (address.masked(str(error)),)
    if not request.repeatable and hasattr(error, "given_up"):
        error.given_up = True
    raise error


def is_stream(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is a stream of server-sent events; `check_status` says what any other is."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return status == 200 and kind == _STREAM  # noqa: PLR2004 - of HTTP


def _of_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _said(error: Exception, address: ServiceAddress) -> str:
    return visible_message(address.masked(str(error)))[:500] or type(error).__name__
