"""What a registry's answers and failures mean, in our errors. URLs stay out of messages: redirects carry signatures."""

import json
import re
import socket

import urllib3
from urllib3.util import Retry

from orchestrator.images.interface import Broken, Busy, Denied, ImageError, NotFound, Untrusted

_OK, _PARTIAL, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 206, 401, 403, 404
_REQUEST_TIMEOUT, _NO_SUCH_RANGE, _TOO_MANY, _SERVER_ERROR, _UNAVAILABLE = 408, 416, 429, 500, 503
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")
_BODY_LIMIT = 64 * 1024


class RangeRefused(Broken):
    """A part was asked for that the server cannot give; the whole may still be had."""


def raise_for_status(response: urllib3.BaseHTTPResponse, what: str, *, host: str) -> None:
    """Let an answer with content pass.

    Args:
        response: the answer; its body is read if it is an error.
        what: was asked for.
        host: that was asked.

    Raises:
        NotFound, Denied, Busy, Broken: what the status says.
    """
    status = response.status
    if status in {_OK, _PARTIAL}:
        return
    said = _said(response)
    if status == _NOT_FOUND:
        raise NotFound(f"{what}: not found{said}; check its name, and that it was pushed")
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise Denied(f"{what}: access denied ({status}){said}; check the login for {host} in Docker's config.json")
    if status in {_TOO_MANY, _UNAVAILABLE}:
        raise Busy(f"{what}: {host} is busy ({status}){said}; try later", retry_after=retry_after(response))
    if status == _NO_SUCH_RANGE:
        raise RangeRefused(f"{what}: {host} has nothing from there on{said}")
    if status >= _SERVER_ERROR or status == _REQUEST_TIMEOUT:
        raise Broken(f"{what}: {host} fails ({status}){said}; try later", retry_after=retry_after(response))
    raise Denied(f"{what}: {host} refuses the request ({status}){said}")


def retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    """Seconds the other side asks us to wait, said in seconds or as a date (RFC 9110, 10.2.3); None if it does not."""
    try:
        return Retry().parse_retry_after(response.headers["Retry-After"].strip())
    except (KeyError, urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None


def connection_error(host: str, error: Exception) -> ImageError:
    """What a failed connection means; the error itself may hold a URL, so nothing of its text is used."""
    if is_untrusted(error):
        return Untrusted(
            f"{host}: its TLS certificate cannot be verified; name a CA file in REQUESTS_CA_BUNDLE, "
            "or add the host to `insecure`"
        )
    if any(sign in str(error) for sign in _NO_TLS):
        return Untrusted(f"{host}: does not speak TLS; if that is meant, add the host to `insecure`")
    return Broken(f"{host}: {reason(error)}; is it up and reachable?")


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


def _said(response: urllib3.BaseHTTPResponse) -> str:
    """The registry's own words (distribution-spec, "Error Codes"), cut to one harmless line."""
    try:
        errors = json.loads(response.read(_BODY_LIMIT, decode_content=True))["errors"]
        words = str(errors[0].get("message") or errors[0]["code"])
    except (urllib3.exceptions.HTTPError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    return f", says {re.sub(r'[^ -~]+', ' ', words)[:200]!r}"
