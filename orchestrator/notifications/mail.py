"""E-mail by SMTP: text and HTML, one message to one address.

The parts are built by the standard library's `email`, which refuses a line break in a header; what strangers wrote is
made one line before, and escaped in the HTML. The Message-ID is made of the delivery's id, so that a second attempt is
known.
"""

from __future__ import annotations

import io
import smtplib
import ssl
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config.notify import PORTS
from orchestrator.kit.masking import mask
from orchestrator.net.pools import tls_context
from orchestrator.notifications.credentials import reveal
from orchestrator.notifications.interface import (
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUncertainError,
)
from orchestrator.notifications.paragraphs import opening, paragraphs
from orchestrator.notifications.text import headline, line, severities

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from jinja2 import Template

    from orchestrator.config.notify import NotifySection, Route, Smtp
    from orchestrator.errors import ScanmatrixError
    from orchestrator.notifications.interface import Message, Parcel

_SUBJECT_LIMIT = 150
_LONGEST = 300
_SUCCESS, _MORE, _PERMANENT = 200, 300, 500


class _Plain:
    """No mark-up; see `orchestrator.notifications.paragraphs.Style`."""

    def foreign(self, text: str) -> str:
        """One line."""
        return line(text, _LONGEST)

    def strong(self, text: str) -> str:
        """As it is."""
        return text


def send(parcel: Parcel, until: float) -> None:
    """Send once; see `Channel`."""
    smtp = parcel.notify.smtp
    assert smtp is not None  # noqa: S101 - the configuration is refused without it
    email = compose(parcel.id, parcel.message, sender_of(parcel.route, parcel.notify), datetime.now(UTC))
    password = reveal(smtp.password, parcel.environment, "smtp.password") if smtp.password else ""
    where = f"{smtp.host}:{smtp.port or PORTS[smtp.tls]}"
    client: _Clear | None = None
    handing_over = False
    try:
        client = _connected(smtp, until, min(parcel.pace.answer, parcel.pace.each))
        _begin(client, smtp, password)
        _expect(client.mail(email["From"].addresses[0].addr_spec), f"{where} refuses the sender", password)
        _expect(client.rcpt(parcel.message.recipient), f"{where} refuses {parcel.message.recipient}", password)
        handing_over = True
        client.step = parcel.pace.each  # servers may take long to judge a message
        _expect(client.data(email.as_bytes()), f"{where} refuses the message", password)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _failure(error, where, password, uncertain=handing_over) from error
    finally:
        if client is not None:
            client.close()


def _begin(client: smtplib.SMTP, smtp: Smtp, password: str) -> None:
    client.ehlo_or_helo_if_needed()
    if smtp.tls == "starttls":
        client.starttls(context=tls_context(verify=True))
        client.ehlo()
    if smtp.user:
        client.login(smtp.user, password)


def _expect(answer: tuple[int, bytes], refusal: str, password: str) -> None:
    """Raise what an answer means that is not of success: 4yz may be tried again, 5yz not (RFC 5321, 4.2.1)."""
    code, words = answer
    if not _SUCCESS <= code < _MORE:
        raise _answer(code, refusal, words, password)


def sender_of(route: Route, notify: NotifySection) -> str:
    """The address that e-mails of a route are from."""
    own = route.email.sender if route.email else None
    return own or (notify.smtp.sender if notify.smtp else None) or ""


def compose(delivery: str, message: Message, sender: str, when: datetime) -> EmailMessage:
    """A message as e-mail.

    Args:
        delivery: id of the delivery.
        message: to tell; its recipient is one plain address.
        sender: another.
        when: of this attempt, with a time zone.
    """
    email = EmailMessage(policy=SMTP)
    email["From"] = f"scanmatrix <{sender}>"
    email["To"] = message.recipient
    email["Subject"] = line(f"scanmatrix: {headline(message)}, run {message.run}", _SUBJECT_LIMIT)
    email["Date"] = format_datetime(when)
    email["Message-ID"] = f"<{delivery}@{sender.rpartition('@')[2]}>"
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice should answer it
    email["X-Scanmatrix-Run"] = line(message.run)
    email["X-Scanmatrix-Delivery"] = delivery
    email.set_content(plain(message), cte="quoted-printable")
    email.add_alternative(html(message), subtype="html", cte="quoted-printable")
    return email


def plain(message: Message) -> str:
    """A message as text."""
    style = _Plain()
    parts = [opening(message, style)]
    for paragraph in paragraphs(message, style):
        rest = paragraph.rest(len(paragraph.lines))
        lines = [f"* {each}" for each in paragraph.lines] + ([rest] if rest else [])
        parts.append("\n".join([paragraph.title, "-" * len(paragraph.title), *lines]))
    return "\n\n".join(parts) + "\n"


def html(message: Message) -> str:
    """A message as HTML without anything to load."""
    return _template().render(message=message, headline=headline(message))


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - takes a while to import

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"one_line": lambda text: line(str(text), _LONGEST), "severities": severities}
    return environment.from_string(Path(__file__).with_name("mail.html.j2").read_text(encoding="utf-8"))


def _connected(smtp: Smtp, until: float, step: float) -> _Clear:
    """A client that has been greeted."""
    port = smtp.port or PORTS[smtp.tls]
    if smtp.tls == "tls":
        return _OverTls(smtp.host, port, until, step, context=tls_context(verify=True))
    return _Clear(smtp.host, port, until, step)


class _Clear(smtplib.SMTP):
    """A client whose every read and write has no more time than what is left.

    Time-outs of sockets are for one read each: a server that sends a byte every second would never meet them.

    Args:
        host: of the server.
        port: of the server.
        until: moment of `time.monotonic` at which all of it has to be over.
        step: seconds that one read or write may take.
        options: of smtplib's own.
    """

    def __init__(self, host: str, port: int, until: float, step: float, **options: Any) -> None:
        self.until, self.step = until, step
        # Our own name is not asked of the resolver, which could take forever.
        super().__init__(host, port, "[127.0.0.1]", timeout=self._left(), **options)

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer, piece by piece, each within what time is left."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Timely(self.sock, self._left))
        return super().getreply()

    def send(self, s: Any) -> None:
        """Write within what time is left."""
        if self.sock is not None:
            self.sock.settimeout(self._left())
        super().send(s)

    def _left(self) -> float:
        if (left := self.until - time.monotonic()) <= 0:
            raise TimeoutError
        return min(left, self.step)


class _OverTls(_Clear, smtplib.SMTP_SSL):
    """The same over TLS from the beginning."""


class _Timely(io.RawIOBase):
    """What comes out of a socket, each read within what time is left."""

    def __init__(self, source: socket.socket, left: Callable[[], float]) -> None:
        self._source, self._left = source, left

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """One read.

        Raises:
            TimeoutError: nothing came in time.
        """
        self._source.settimeout(self._left())
        return self._source.recv_into(buffer)


def _failure(error: Exception, where: str, password: str, *, uncertain: bool) -> ScanmatrixError:
    """What a failure of SMTP, or of the connection, means."""
    if isinstance(error, smtplib.SMTPResponseException):
        what = "refuses the login" if isinstance(error, smtplib.SMTPAuthenticationError) else "refuses the message"
        return _answer(error.smtp_code, f"{where} {what}", error.smtp_error, password)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryRefusedError(f"{where}: {line(str(error))}; set smtp.tls and smtp.user to what it offers")
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeliveryRefusedError(
            f"{where}: its TLS certificate cannot be verified; name a CA file in REQUESTS_CA_BUNDLE"
        )
    if isinstance(error, ssl.SSLError) and not uncertain:
        return DeliveryRefusedError(f"{where}: does not speak TLS as it must; check smtp.port and smtp.tls")
    if uncertain:
        return DeliveryUncertainError(f"{where} did not say whether it took the message; it may have")
    said = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "no answer, or none in time"
    return DeliveryUnavailableError(f"{where}: {said}")


def _answer(code: int, what: str, words: bytes | str, password: str) -> ScanmatrixError:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    text = f"{what} ({code}, says {line(mask(said, password))!r})"
    # Less than 400 is no answer of failure at all: -1 for what smtplib could not read.
    return DeliveryRefusedError(text) if code >= _PERMANENT else DeliveryUnavailableError(text)
