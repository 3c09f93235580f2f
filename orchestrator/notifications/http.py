"""One POST to a webhook: TLS verified, no redirect followed, nothing of its URL but the host in any message."""

from __future__ import annotations

import re
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout

from orchestrator.kit.http_headers import asked_wait
from orchestrator.kit.masking import mask
from orchestrator.net.answers import causes
from orchestrator.net.transport import make_pool, proxy_for, tls_context
from orchestrator.notifications.interface import (
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUncertainError,
)
from orchestrator.notifications.text import line as one_line

if TYPE_CHECKING:
    from orchestrator.errors import ScanmatrixError
    from orchestrator.notifications.attempts import Line
    from orchestrator.notifications.interface import Pace

_SUCCESS, _REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 200, 300, 400, 500
# Request Timeout, Too Early, Too Many Requests (RFC 9110, 8470, 6585): the same request may be taken later.
_LATER = {408, 425, 429}
_SAID_LIMIT = 2048
_SHORTEST_PART = 6


def post(
    url: str, body: bytes, headers: dict[str, str], *, pace: Pace, line: Line, secrets: tuple[str, ...] = ()
) -> None:
    """Send, and be content with any answer of 2xx.

    Args:
        url: http or https.
        body: JSON.
        headers: beside the usual ones.
        pace: how long to wait.
        line: of this attempt.
        secrets: never to be repeated in a message, beside the URL's own parts.

    Raises:
        DeliveryRefusedError: redirected, refused, or no TLS that can be trusted.
        DeliveryUnavailableError: no connection, or the server is busy or broken.
        DeliveryUncertainError: everything was sent, and no answer came in time.
    """
    host = urlsplit(url).netloc
    try:
        with _manager(url, line) as manager:
            response = manager.request(
                "POST",
                url,
                body=body,
                headers={"User-Agent": "scanmatrix", "Content-Type": "application/json"} | headers,
                timeout=Timeout(connect=pace.connect, read=pace.answer),
                preload_content=False,
                redirect=False,
                retries=False,
            )
            try:
                if line.cut_off.is_set():  # half a status line reads like a whole one
                    raise DeliveryUncertainError(_uncertain(host))
                _judge(response, host, (*secrets, *_parts(url)))
            finally:
                response.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _failure(error, host, line) from error


def _judge(response: urllib3.BaseHTTPResponse, host: str, secrets: tuple[str, ...]) -> None:
    """Raise what an answer other than 2xx means."""
    status = response.status
    if _SUCCESS <= status < _REDIRECT:
        return
    if _REDIRECT <= status < _CLIENT_ERROR:
        raise DeliveryRefusedError(f"{host} redirects ({status}), which is not followed; write the URL it leads to")
    said = _said(response, secrets)
    if status >= _SERVER_ERROR or status in _LATER:
        raise DeliveryUnavailableError(f"{host} answers {status}{said}", retry_after=asked_wait(response.headers))
    raise DeliveryRefusedError(f"{host} refuses the message ({status}{said}); check the URL and its rights")


def _said(response: urllib3.BaseHTTPResponse, secrets: tuple[str, ...]) -> str:
    """The server's own words, cut to one harmless line without our secrets."""
    try:
        words = response.read(_SAID_LIMIT).decode("utf-8", "replace")
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        return ""
    words = one_line(mask(words, *sorted(secrets, key=len, reverse=True)))
    return f", says {words!r}" if words else ""


def _parts(url: str) -> tuple[str, ...]:
    """Everything of a URL behind its host that could be the secret."""
    parts = urlsplit(url)
    behind = f"{parts.path}?{parts.query}#{parts.fragment}"
    words = [word for text in (behind, unquote(behind)) for word in re.split(r"[/?&=#]", text)]
    return (url, *(word for word in words if len(word) >= _SHORTEST_PART))


def _failure(error: Exception, host: str, line: Line) -> ScanmatrixError:
    """What a failed connection means; the error itself may hold the URL, so nothing of its text is used."""
    found = causes(error)
    for cause in found:
        if isinstance(cause, ssl.SSLCertVerificationError | urllib3.util.ssl_match_hostname.CertificateError):
            return DeliveryRefusedError(
                f"{host}: its TLS certificate cannot be verified; name a CA file in REQUESTS_CA_BUNDLE"
            )
        if isinstance(cause, socket.gaierror):
            return DeliveryUnavailableError(f"{host}: its name cannot be resolved")
    if isinstance(error, urllib3.exceptions.ReadTimeoutError) or (
        line.cut_off.is_set() and isinstance(error, urllib3.exceptions.ProtocolError)
    ):
        return DeliveryUncertainError(_uncertain(host))
    if any(isinstance(cause, urllib3.exceptions.TimeoutError | TimeoutError) for cause in found):
        return DeliveryUnavailableError(f"{host}: no connection in time")
    if any(isinstance(cause, ssl.SSLError) for cause in found):
        return DeliveryRefusedError(f"{host}: does not speak TLS as it must; check scheme and port of the URL")
    said = next((cause.strerror for cause in found if isinstance(cause, OSError) and cause.strerror), "")
    return DeliveryUnavailableError(f"{host}: {said.lower() or 'the connection broke'}")


def _uncertain(host: str) -> str:
    return f"{host} did not answer in time; it may have taken the message all the same"


def _manager(url: str, line: Line) -> urllib3.PoolManager:
    """Connections of one attempt, whose sockets the line holds; through the environment's proxy, if there is one."""

    class Http(HTTPConnection):
        def connect(self) -> None:
            line.hold(lambda: self.sock)
            super().connect()

    class Https(HTTPSConnection):
        def connect(self) -> None:
            line.hold(lambda: self.sock)
            super().connect()

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = Https

    manager = make_pool(tls_context(verify=True), proxy_for(url))
    manager.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
    return manager
