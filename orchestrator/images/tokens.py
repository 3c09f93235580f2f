"""Bearer tokens: asked for where a registry's challenge says, if credentials may go there at all.

Specification: the token authentication of Docker's registry (distribution, "Token Authentication Specification"),
with the challenge as RFC 9110 and RFC 6750 write it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from orchestrator.images.answers import raise_for_status
from orchestrator.images.interface import Denied
from orchestrator.images.registry_schemas import Token
from orchestrator.images.transport import Asking, Transport
from orchestrator.kit.foreign_json import ForeignJsonError, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.images.allowance import Allowance
    from orchestrator.kit.addresses import Zone
    from orchestrator.kit.http_headers import Challenge

    #: Attempts something until it succeeds or patience ends.
    Retry = Callable[[Callable[[], bytes]], bytes]

_ANSWER_LIMIT: Final = 256 * 1024
#: What may stand in a header without ending it (RFC 6750, 2.1, and whatever else can be seen); tokens of clouds have
#: some 4 KB, and servers accept headers of 8 to 64 KB.
_TOKEN: Final = re.compile(r"[!-~]{1,32768}")
_REFUSALS: Final = {400, 401, 403, 404}


class TokenServers:
    """Asks token servers.

    Args:
        transport: sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(
        self,
        challenge: Challenge,
        basic: str,
        *,
        origin: str,
        zone: Zone,
        allowance: Allowance | None,
        retry: Retry,
    ) -> str:
        """A token for what a challenge is about.

        Args:
            challenge: of the registry.
            basic: its login, `user:password` in base64; empty to ask as nobody.
            origin: `scheme://host[:port]` of the registry.
            zone: of the address at which it answered with the challenge.
            allowance: counts the requests.
            retry: attempts them.

        Returns:
            The token; empty when there is none for this login.

        Raises:
            Denied: the challenge names a server that must not be asked, or what that gives is no token.
            ImageError: the server did not answer.
        """
        url = token_url(challenge, origin)
        asking = Asking(allowance, zone)

        def attempt() -> bytes:
            answer = self._transport.get(url, {}, f"Basic {basic}" if basic else None, asking=asking)
            try:
                if answer.status in _REFUSALS:
                    return b""
                raise_for_status(answer, "its token server")
                return answer.read_all(_ANSWER_LIMIT, f"{answer.host}: a token")
            finally:
                answer.close()

        data = retry(attempt)
        return _read(data, origin) if data else ""


def token_url(challenge: Challenge, origin: str) -> str:
    """What to ask a token server, with the service and scope it is to be asked for.

    Where the registry was reached by TLS, so must its token server be, whoever asks and wherever it is: else whoever
    listens gets the password, or forges the token.

    Raises:
        Denied: the challenge names none, or one that must not be asked.
    """
    host = urlsplit(origin).netloc
    realm = challenge.parameters.get("realm", "")
    try:
        parts = urlsplit(realm)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
        good = good and realm.isascii() and realm.isprintable() and " " not in realm and parts.port != 0
    except ValueError:  # neither an address nor a port
        good = False
    if not good:
        raise Denied(f"{host} names no token server that can be asked: {realm[:80]!r} is not the URL of one")
    if origin.startswith("https:") and parts.scheme != "https":
        raise Denied(f"{host} wants its credentials sent to {parts.hostname} without TLS; refused")
    asked = urlencode(
        {name: challenge.parameters[name] for name in ("service", "scope") if challenge.parameters.get(name)}
    )
    query = "&".join(part for part in (parts.query, asked) if part)
    return parts._replace(query=query, fragment="").geturl()


def _read(data: bytes, origin: str) -> str:
    host = urlsplit(origin).netloc
    try:
        answer = decode(data, Token, origin=f"{host}: its token server's answer", most_bytes=_ANSWER_LIMIT)
    except ForeignJsonError as error:
        raise Denied(str(error)) from error
    token = answer.token or answer.access_token
    if token and not _TOKEN.fullmatch(token):
        raise Denied(
            f"{host}: what its token server gives is no token: {len(token)} characters, some of which may not be"
        )
    return token
