"""Sends results to HTTP services: bounded in time, tried again where that may help, never redirected."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
from urllib3.filepost import encode_multipart_formdata

from orchestrator.errors import TemporaryError
from orchestrator.exports.interface import ExportRefusedError, ExportUnavailableError
from orchestrator.kit.http_headers import asked_wait
from orchestrator.kit.masking import mask
from orchestrator.kit.retrying import Patience
from orchestrator.net.errors import ImageError, Unverified
from orchestrator.net.transport import Asking, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.config.exports import ServiceSection
    from orchestrator.config.loading import Config
    from orchestrator.net.answers import Answer

Field = tuple[str, str | tuple[str, bytes, str]]
"""A field of a form: its name, and its text or a file (name, content, media type)."""

_REFUSED = 300
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


def client_of(section: ServiceSection, headers: dict[str, str], config: Config) -> Client:
    """A client for the service of a section.

    Args:
        section: where it answers.
        headers: with the credentials.
        config: says how often is retried, and from which folder a relative path starts.
    """
    file = section.ca_bundle
    return Client(
        section.url,
        headers,
        timeout=section.timeout,
        retries=config.limits.retries if section.attempts is None else section.attempts - 1,
        verify=not section.insecure,
        ca_file=str(config.base / file) if file else None,
    )


class Client:
    """Speaks to one service; use it in one thread.

    Args:
        base_url: of the service, without a slash at its end.
        headers: of every request; their values never appear in messages.
        timeout: seconds to wait for a connection, and for any next byte.
        retries: further attempts of each request.
        verify: whether to verify its certificate.
        ca_file: certificates to trust instead of the system's.
        backoff: seconds before the second attempt; doubled each time.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        timeout: float,
        retries: int,
        verify: bool = True,
        ca_file: str | None = None,
        backoff: float = 0.5,
    ) -> None:
        self._base = base_url
        self._headers = dict(headers)
        self._retries, self._backoff = retries, backoff
        # A header such as `Token …` is a scheme and a secret; the service may say the secret alone.
        self._secrets = [part for value in headers.values() for part in (value, value.rpartition(" ")[2])]
        self._transport = Transport((), (timeout, timeout), verify=verify, ca_file=ca_file)

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
        patience = Patience(self._retries, backoff=self._backoff)
        return patience.retry(lambda: self._attempt(method, path, body, headers))

    def _attempt(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> ServiceAnswer:
        """One request and its answer."""
        asking = Asking(large=True, until=time.monotonic() + _WHOLE)
        own = {"Accept": "application/json"} | self._headers | dict(headers)
        try:
            with closing(self._transport.send(method, self._base + path, own, body or None, asking=asking)) as sent:
                answer = ServiceAnswer(sent.status, sent.read_most(_BODY_LIMIT))
                self._judge(sent, answer)
                sent.finish()
        except Unverified as error:
            raise ExportRefusedError(
                f"{self._base}: its TLS certificate cannot be verified; name its authority's file (caBundle)"
            ) from error
        except ImageError as error:
            kind = ExportUnavailableError if isinstance(error, TemporaryError) else ExportRefusedError
            raise kind(f"{self._base}: {error}") from error
        return answer

    def _judge(self, sent: Answer, answer: ServiceAnswer) -> None:
        status = answer.status
        if sent.may_work_later:
            message = f"{self._base}: cannot take it now ({status}){self._words(answer)}; try later"
            raise ExportUnavailableError(message, retry_after=asked_wait(sent.headers))
        if status < _REFUSED:
            return
        if status in {401, 403}:
            raise ExportRefusedError(
                f"{self._base}: access denied ({status}){self._words(answer)}; check its credentials"
            )
        if "Location" in sent.headers:
            raise ExportRefusedError(
                f"{self._base}: redirects ({status}), and credentials go nowhere else; "
                "set the URL to where it really answers"
            )
        raise ExportRefusedError(f"{self._base}: refuses the request ({status}){self._words(answer)}")

    def _words(self, answer: ServiceAnswer) -> str:
        """What the service says, cut to one harmless line without secrets."""
        text = answer.body[: 4 * _WORDS_LIMIT].decode(errors="replace")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f", says: {mask(line, *self._secrets)[:_WORDS_LIMIT]}" if line else ""
