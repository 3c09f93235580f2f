"""One POST to a webhook: TLS verified, no redirect followed, nothing of its URL but the host in any message."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from orchestrator.errors import TemporaryError
from orchestrator.kit.http_headers import asked_wait
from orchestrator.kit.masking import mask
from orchestrator.net.errors import ImageError, NoAnswer, NoTls, Unverified
from orchestrator.net.transport import Asking, Transport
from orchestrator.notifications.interface import (
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUncertainError,
)
from orchestrator.notifications.text import line as one_line

if TYPE_CHECKING:
    from orchestrator.net.answers import Answer
    from orchestrator.notifications.interface import Pace

_SUCCESS, _REDIRECT, _CLIENT_ERROR = 200, 300, 400
_SAID_LIMIT = 2048
_SHORTEST_PART = 6


def post(
    url: str, body: bytes, headers: dict[str, str], *, pace: Pace, until: float, secrets: tuple[str, ...] = ()
) -> None:
    """Send, and be content with any answer of 2xx.

    Args:
        url: http or https.
        body: JSON.
        headers: beside the usual ones.
        pace: how long to wait.
        until: moment of `time.monotonic` at which it has to be over.
        secrets: never to be repeated in a message, beside the URL's own parts.

    Raises:
        DeliveryRefusedError: redirected, refused, or no TLS that can be trusted.
        DeliveryUnavailableError: no connection, or the server is busy or broken.
        DeliveryUncertainError: everything was sent, and no answer came in time.
    """
    host = urlsplit(url).netloc
    own = {"Content-Type": "application/json"} | headers
    try:
        with closing(Transport((), (pace.connect, pace.answer))) as transport:
            asking = Asking(large=True, until=until)
            with closing(transport.send("POST", url, own, body, asking=asking)) as answer:
                _judge(answer, host, (*secrets, *_parts(url)))
    except NoAnswer as error:
        raise DeliveryUncertainError(str(error)) from error
    except Unverified as error:
        raise DeliveryRefusedError(
            f"{host}: its TLS certificate cannot be verified; name a CA file in REQUESTS_CA_BUNDLE"
        ) from error
    except NoTls as error:
        raise DeliveryRefusedError(
            f"{host}: does not speak TLS as it must; check scheme and port of the URL"
        ) from error
    except ImageError as error:
        kind = DeliveryUnavailableError if isinstance(error, TemporaryError) else DeliveryRefusedError
        raise kind(str(error)) from error


def _judge(answer: Answer, host: str, secrets: tuple[str, ...]) -> None:
    """Raise what an answer other than 2xx means."""
    status = answer.status
    if _SUCCESS <= status < _REDIRECT:
        return
    if _REDIRECT <= status < _CLIENT_ERROR:
        raise DeliveryRefusedError(f"{host} redirects ({status}), which is not followed; write the URL it leads to")
    said = _said(answer, secrets)
    if answer.may_work_later:
        raise DeliveryUnavailableError(f"{host} answers {status}{said}", retry_after=asked_wait(answer.headers))
    raise DeliveryRefusedError(f"{host} refuses the message ({status}{said}); check the URL and its rights")


def _said(answer: Answer, secrets: tuple[str, ...]) -> str:
    """The server's own words, cut to one harmless line without our secrets."""
    try:
        words = answer.read_most(_SAID_LIMIT).decode("utf-8", "replace")
    except ImageError:
        return ""
    words = one_line(mask(words, *sorted(secrets, key=len, reverse=True)))
    return f", says {words!r}" if words else ""


def _parts(url: str) -> tuple[str, ...]:
    """Everything of a URL behind its host that could be the secret."""
    parts = urlsplit(url)
    behind = f"{parts.path}?{parts.query}#{parts.fragment}"
    words = [word for text in (behind, unquote(behind)) for word in re.split(r"[/?&=#]", text)]
    return (url, *(word for word in words if len(word) >= _SHORTEST_PART))
