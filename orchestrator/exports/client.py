"""Sends results to HTTP services: bounded in time, tried again where that may help, never redirected."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import msgspec
import urllib3
from urllib3.filepost import encode_multipart_formdata
from urllib3.util import Timeout

from orchestrator.exports.interface import ExportRefusedError, ExportUnavailableError
from orchestrator.kit.http_headers import asked_wait
from orchestrator.kit.masking import mask
from orchestrator.kit.retrying import Patience
from orchestrator.net.answers import is_untrusted, reason
from orchestrator.net.errors import ImageError
from orchestrator.net.transport import pool_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from orchestrator.config.exports import ServiceSection

Field = tuple[str, str | tuple[str, bytes, str]]
"""A field of a form: its name, and its text or a file (name, content, media type)."""

_AGAIN = frozenset({408, 425, 429})
_REFUSED, _SERVER_ERROR = 300, 500
_BODY_LIMIT = 1024 * 1024
_WORDS_LIMIT = 300
_WHOLE = 900.0
"""Seconds for one attempt, however steadily its bytes come or go."""


class ServiceAnswer(msgspec.Struct, frozen=True):
    """What a service answered to a request it took.

    Attributes:
        body: at most 1 MiB of it.
    """

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


def client_of(section: ServiceSection, headers: dict[str, str], base: Path) -> Client:
    """A client for the service of a section.

    Args:
        section: where it answers.
        headers: with the credentials.
        base: folder of the configuration, from which a relative path starts.

    Raises:
        ExportRefusedError: the file of certificates cannot be read.
    """
    file = section.ca_bundle
    return Client(
        section.url,
        headers,
        timeout=section.timeout,
        attempts=section.attempts,
        verify=not section.insecure,
        ca_file=str(base / file) if file else None,
    )


class Client:
    """Speaks to one service; use it in one thread.

    Args:
        base_url: of the service, without a slash at its end.
        headers: of every request; their values never appear in messages.
        timeout: seconds to wait for a connection, and for any next byte.
        attempts: of each request, the first one included.
        verify: whether to verify its certificate.
        ca_file: certificates to trust instead of the system's.
        backoff: seconds before the second attempt; doubled each time.

    Raises:
        ExportRefusedError: the file of certificates cannot be read.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        timeout: float,
        attempts: int,
        verify: bool = True,
        ca_file: str | None = None,
        backoff: float = 0.5,
    ) -> None:
        self._base = base_url
        self._headers = dict(headers)
        self._timeout = Timeout(connect=timeout, read=timeout)
        self._attempts, self._backoff = attempts, backoff
        # A header such as `Token …` is a scheme and a secret; the service may say the secret alone.
        self._secrets = [part for value in headers.values() for part in (value, value.rpartition(" ")[2])]
        if not verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for, by name
        try:
            self._pool = pool_for(base_url, verify=verify, ca_file=ca_file)
        except ImageError as error:
            raise ExportRefusedError(str(error)) from error

    def get(self, path: str) -> ServiceAnswer:
        """Ask for what lies at a path below the base URL.

        Raises:
            ExportRefusedError: the service refuses.
            ExportUnavailableError: it cannot be reached, or not now, and the attempts are used up.
        """
        return self._send("GET", path, b"", {})

    def post_multipart(self, path: str, fields: Sequence[Field]) -> ServiceAnswer:
        """Send a form with files (RFC 7578), a name maybe several times; errors as for `get`."""
        body, media_type = encode_multipart_formdata(list(fields))
        return self._send("POST", path, body, {"Content-Type": media_type})

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> ServiceAnswer:
        patience = Patience(self._attempts - 1, backoff=self._backoff)
        return patience.retry(lambda: self._attempt(method, path, body, headers))

    def _attempt(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> ServiceAnswer:
        """One request and its answer."""
        end = time.monotonic() + _WHOLE
        own = {"User-Agent": "scanmatrix", "Accept": "application/json"}
        if body:
            # As a file it is sent piece by piece, each with its own time; as bytes the whole would have that of one.
            own["Content-Length"] = str(len(body))
        try:
            response = self._pool.request(
                method,
                self._base + path,
                body=_Upload(body, end) if body else None,
                headers=own | self._headers | dict(headers),
                timeout=self._timeout,
                preload_content=False,
                redirect=False,
                retries=False,
            )
            answer = ServiceAnswer(response.status, _read(response, end))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._failure(error) from error
        self._judge(response, answer)
        return answer

    def _judge(self, response: urllib3.BaseHTTPResponse, answer: ServiceAnswer) -> None:
        status = answer.status
        if status in _AGAIN or status >= _SERVER_ERROR:
            message = f"{self._base}: cannot take it now ({status}){self._words(answer)}; try later"
            raise ExportUnavailableError(message, retry_after=asked_wait(response.headers))
        if status < _REFUSED:
            return
        if status in {401, 403}:
            raise ExportRefusedError(
                f"{self._base}: access denied ({status}){self._words(answer)}; check its credentials"
            )
        if "Location" in response.headers:
            raise ExportRefusedError(
                f"{self._base}: redirects ({status}), and credentials go nowhere else; "
                "set the URL to where it really answers"
            )
        raise ExportRefusedError(f"{self._base}: refuses the request ({status}){self._words(answer)}")

    def _failure(self, error: Exception) -> ExportRefusedError | ExportUnavailableError:
        """What a failed connection means; the error itself may hold a URL, so nothing of its text is used."""
        if is_untrusted(error):
            return ExportRefusedError(
                f"{self._base}: its TLS certificate cannot be verified; name its authority's file (caBundle)"
            )
        return ExportUnavailableError(f"{self._base}: {reason(error)}; is it up and reachable?")

    def _words(self, answer: ServiceAnswer) -> str:
        """What the service says, cut to one harmless line without secrets."""
        text = answer.body[: 4 * _WORDS_LIMIT].decode(errors="replace")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f", says: {mask(line, *self._secrets)[:_WORDS_LIMIT]}" if line else ""


class _Upload(io.BytesIO):
    """A body that stops being sent when its time is over."""

    def __init__(self, data: bytes, end: float) -> None:
        super().__init__(data)
        self._end = end

    def read(self, size: int | None = -1, /) -> bytes:
        _check(self._end)
        return super().read(size)


def _read(response: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """The body of an answer, as much as is wanted of it, piece by piece as it comes."""
    parts: list[bytes] = []
    size = 0
    while size <= _BODY_LIMIT and (part := response.read1(64 * 1024, decode_content=True)):
        _check(end)
        parts.append(part)
        size += len(part)
    response.release_conn() if size <= _BODY_LIMIT else response.close()
    return b"".join(parts)[:_BODY_LIMIT]


def _check(end: float) -> None:
    if time.monotonic() > end:
        raise TimeoutError
