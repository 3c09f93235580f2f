"""What a registry's answers and failures mean, in our errors. URLs stay out of messages: redirects carry signatures."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, NoReturn

import urllib3

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.foreign_json import decode
from orchestrator.kit.http_headers import asked_wait, is_throttled, whole_number
from orchestrator.kit.signatures import is_page
from orchestrator.net.errors import (
    Broken,
    Busy,
    Denied,
    ImageError,
    NotFound,
    NoTls,
    Unverified,
    WrongBytes,
)
from orchestrator.net.pages import spell_page
from orchestrator.net.schemas import Errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.kit.addresses import Zone
    from orchestrator.net.guarded import Body
    from orchestrator.net.meter import Meter

_OK, _PARTIAL, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 206, 401, 403, 404
_REQUEST_TIMEOUT, _NO_SUCH_RANGE, _SERVER_ERROR, _UNAVAILABLE = 408, 416, 500, 503
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")
# Request Timeout, Too Early, Too Many Requests (RFC 9110, 8470, 6585).
_LATER = frozenset({_REQUEST_TIMEOUT, 425, 429})
#: How storage refuses a signed URL whose time is over: S3 and Azure by 403, Google's by 400.
STALE = frozenset({400, 403, 410})
_BODY_LIMIT = 64 * 1024
_DRAIN_LIMIT = 64 * 1024
_PIECE = 64 * 1024


class RangeRefused(Broken):
    """A part was asked for that the server cannot give; the whole may still be available."""


class Answer:
    """An answer whose header has come.

    Attributes:
        status: of it.
        headers: of it.
        host: that gave it, for messages.
        zone: of the address that gave it.
        plain: whether it came without TLS though its URL says https.
        redirected: whether a redirect led to it.
        elsewhere: whether one led to another host, such as the storage behind a registry.
    """

    def __init__(
        self,
        response: urllib3.BaseHTTPResponse,
        body: Body,
        meter: Meter,
        host: str,
        *,
        zone: Zone,
        plain: bool = False,
        closed: Callable[[Answer], None],
    ) -> None:
        self.status, self.headers, self.host = response.status, response.headers, host
        self.zone, self.plain = zone, plain
        self.redirected = self.elsewhere = False
        self._response, self._body, self._meter, self._on_close = response, body, meter, closed
        self._delivered = 0

    def fields(self, name: str) -> list[str]:
        """Every field of a name, each by itself."""
        return list(self.headers.getlist(name))

    def read_all(self, limit: int, origin: str) -> bytes:
        """The body of a small answer.

        Raises:
            WrongBytes: it is larger than what belongs there may be, or encoded though nobody asked for that.
            Broken: the connection failed.
        """
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise WrongBytes(f"{origin}: is encoded as {encoding[:40]!r}, which was not asked for; nothing is unpacked")
        self._meter.expect(limit, origin)
        try:
            data = self._response.read(limit + 1, decode_content=False)
            if len(data) <= limit:
                data += self._response.read(1, decode_content=False)  # or one that was cut would pass for a whole
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise connection_error(self.host, error) from error
        if len(data) > limit:
            raise WrongBytes(f"{origin}: more than {limit} bytes where a small document belongs")
        return data

    @property
    def may_work_later(self) -> bool:
        """Whether the same request may be accepted later: by its status, or because a 403 only refuses for now."""
        throttled = self.status == _FORBIDDEN and is_throttled(self.headers)
        return self.status >= _SERVER_ERROR or self.status in _LATER or throttled

    def read_some(self, size: int) -> bytes:
        """What has arrived of a body, at most `size` bytes; empty at the end.

        Raises:
            Broken: the connection failed.
        """
        self._meter.expect(self._delivered + size, "a blob")
        try:
            data: bytes = self._response.read1(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise connection_error(self.host, error) from error
        self._delivered += len(data)
        return data

    def read_into(self, buffer: memoryview) -> int:
        """Put what has arrived of a body into a buffer, at most as much as fits; 0 at the end.

        Raises:
            Broken: the connection failed.
        """
        self._meter.expect(self._delivered + len(buffer), "a blob")
        try:
            count = self._body.read_into(buffer)
        except (HTTPException, OSError) as error:
            raise connection_error(self.host, error) from error
        self._delivered += count
        if self._body.isclosed():  # it has come whole, so its connection may serve the next
            self._response.release_conn()
        return count

    def read_most(self, limit: int) -> bytes:
        """The body, or its first bytes if it has more than the limit.

        Raises:
            Broken: the connection failed.
        """
        parts, size = [], 0
        while size < limit and (part := self.read_some(min(limit - size, _PIECE))):
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    def abort(self) -> None:
        """Make a read in another thread end at once."""
        with suppress(OSError, RuntimeError, ValueError):  # already closed, or never connected
            self._response.shutdown()

    def finish(self) -> None:
        """Let go of an answer whose body does not matter, and keep its connection if that costs little."""
        length = whole_number(self.headers.get("Content-Length"))
        with suppress(ImageError):
            if length is not None and length <= _DRAIN_LIMIT:
                self._meter.expect(_DRAIN_LIMIT)
                self._response.drain_conn()
        self.close()

    def close(self) -> None:
        """End it; one that has not come whole takes its connection with it."""
        self._response.close()
        self._on_close(self)


def raise_for_status(answer: Answer, what: str, *, partial: bool = False, login: str = "") -> None:
    """Let an answer with content pass.

    Args:
        answer: the answer; its body is read if it is an error.
        what: was asked for.
        partial: whether a part was asked for.
        login: which one was shown, or that there is none, and where to fix that.

    Raises:
        NotFound, Denied, Busy, Broken: what the status says.
    """
    status, host = answer.status, answer.host
    if status == _OK or (status == _PARTIAL and partial):
        return
    said = _said(answer)
    if answer.may_work_later:
        broken = status == _REQUEST_TIMEOUT or (status >= _SERVER_ERROR and status != _UNAVAILABLE)
        kind, does = (Broken, "fails") if broken else (Busy, "is busy")
        raise kind(f"{what}: {host} {does} ({status}){said}; try later", retry_after=asked_wait(answer.headers))
    if answer.elsewhere and status in {_NOT_FOUND, *STALE}:
        _raise_of_storage(answer, what, said)
    if status == _NOT_FOUND:
        hidden = f"; some registries say so of what a login would show: {login}" if login else ""
        raise NotFound(f"{what}: not found{said}; check its name, and that it was pushed{hidden}")
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        remedy = login or f"check the login for {host} in Docker's config.json"
        raise Denied(f"{what}: access denied ({status}){said}; {remedy}")
    if status == _NO_SUCH_RANGE:
        raise RangeRefused(f"{what}: {host} has nothing from there on{said}")
    raise Denied(f"{what}: {host} refuses the request ({status}){said}")


def _raise_of_storage(answer: Answer, what: str, said: str) -> NoReturn:
    """What the host of a redirect refuses is no matter of the login, which was not shown to it."""
    if answer.status == _NOT_FOUND:
        raise NotFound(
            f"{what}: not found at {answer.host}, where it redirects to{said}; that storage has lost it: publish it "
            "again"
        )
    raise Denied(
        f"{what}: {answer.host}, where it redirects to, refuses access ({answer.status}){said}, twice; the login is "
        "not the reason: check that storage, the clock of who signs its URLs, and what proxies are between"
    )


def connection_error(host: str, error: Exception) -> ImageError:
    """What a failed connection means; the error itself may hold a URL, so nothing of its text is used."""
    if is_untrusted(error):
        return Unverified(
            f"{host}: its TLS certificate cannot be verified; name a CA file in REQUESTS_CA_BUNDLE, "
            "or add the host to `insecure`"
        )
    if any(sign in str(error) for sign in _NO_TLS):
        return NoTls(f"{host}: does not speak TLS; if that is meant, add the host to `insecure`")
    return Broken(f"{host}: {reason(error)}; is it up and reachable?")


def is_late(error: BaseException) -> bool:
    """Whether a connection failed because its time was over."""
    return any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes(error))


def reason(error: BaseException) -> str:
    """Words for the innermost cause of a failed connection; they hold no URL."""
    for cause in causes(error):
        if isinstance(cause, socket.gaierror):
            return "its name cannot be resolved"
        if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return "the connection broke"


def causes(error: BaseException) -> list[BaseException]:
    """An error and what led to it, the innermost first."""
    found = [error]
    while len(found) < 20:  # noqa: PLR2004 - chains are short, but nothing guarantees it
        last = found[-1]
        inner = [last.__cause__, last.__context__, getattr(last, "reason", None), *last.args]
        following = next((one for one in inner if isinstance(one, BaseException) and one not in found), None)
        if following is None:
            break
        found.append(following)
    return found[::-1]


def is_untrusted(error: BaseException) -> bool:
    """Whether a connection failed because of the other side's certificate."""
    text = str(error)
    return "CERTIFICATE_VERIFY_FAILED" in text or "certificate is not valid" in text or "doesn't match" in text


def _said(answer: Answer) -> str:
    """The registry's own words (distribution-spec, "Error Codes"), cut to one harmless line."""
    try:
        body = answer.read_all(_BODY_LIMIT, "an error")
        if is_page(body):
            return f", with {spell_page(body)}, perhaps a proxy's"
        errors = decode(body, Errors, origin="an error", most_bytes=_BODY_LIMIT).errors or ()
    except ScanmatrixError:
        return ""  # the status says enough
    words = next((error.message or error.code for error in errors), "")
    if not words:
        return ""
    return f", says {re.sub(r'[^ -~]+', ' ', words)[:200]!r}"
