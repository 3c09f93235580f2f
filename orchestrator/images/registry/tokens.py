"""Bearer tokens: asked for where a registry's challenge says, if credentials may go there at all.

Specification: the token authentication of Docker's registry (distribution, "Token Authentication Specification" and
"OAuth2 Token Authentication"), with the challenge as RFC 9110 and RFC 6750 write it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.net.answers import Answer, raise_for_status
from orchestrator.net.errors import Denied, WrongBytes
from orchestrator.net.pages import refuse_page
from orchestrator.net.schemas import Token
from orchestrator.net.transport import Asking, Transport

if TYPE_CHECKING:
    from orchestrator.images.registry.logins import RegistryLogin
    from orchestrator.kit.addresses import Zone
    from orchestrator.kit.http_headers import Challenge
    from orchestrator.net.allowance import Allowance

_ANSWER_LIMIT: Final = 256 * 1024
#: What may stand in a header without ending it (RFC 6750, 2.1, and whatever else can be seen); tokens of clouds have
#: some 4 KB, and servers accept headers of 8 to 64 KB.
_TOKEN: Final = re.compile(r"[!-~]{1,32768}")
_REFUSALS: Final = {400, 401, 403, 404}
#: How token servers refuse a POST that they do not know: GCR by 404, Artifactory by 401, ACR by 400 (containerd,
#: `doBearerAuth`), others by 405 or a redirect.
_NO_POST: Final = {301, 302, 303, 307, 308, 404, 405, 501}
_CLIENT: Final = "scanmatrix"


class _Given(NamedTuple):
    """What a token server gives: a status, and a body where it is no refusal."""

    status: int
    data: bytes = b""


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
        login: RegistryLogin | None,
        *,
        origin: str,
        repository: str,
        zone: Zone,
        allowance: Allowance | None,
    ) -> str:
        """A token for what a challenge is about; asked for once.

        An identity token is exchanged by POST, as OAuth has it; a server without that gets a GET, with the login's
        password if it has one, else with the identity token for one, as containerd does.

        Args:
            challenge: of the registry.
            login: to it; None to ask as nobody.
            origin: `scheme://host[:port]` of the registry.
            repository: to read, where the challenge names no scope; empty for the registry's catalogue.
            zone: of the address at which it answered with the challenge.
            allowance: counts the requests.

        Returns:
            The token; empty when there is none for this login.

        Raises:
            Denied: the challenge names a server that must not be asked, or what that gives is no token.
            ImageError: the server did not answer.
        """
        asked = _asked(challenge, repository)
        url = token_url(challenge, origin, asked)
        asking = Asking(allowance, zone)

        def get(basic: str) -> _Given:
            return _take(self._transport.get(url, {}, f"Basic {basic}" if basic else None, asking=asking))

        if login is None or not login.identity:
            return _read(get(login.basic if login else ""), origin)
        form = asked | {"grant_type": "refresh_token", "refresh_token": login.identity, "client_id": _CLIENT}
        realm = token_url(challenge, origin, {})
        given = _take(self._transport.post(realm, form, asking=asking), posted=True)
        if token := _read(given, origin):
            return token
        if token := _read(get(login.basic if login.has_password else login.identity_as_password), origin):
            return token
        return _read(get(""), origin) if given.status in _NO_POST else ""


def token_url(challenge: Challenge, origin: str, asked: dict[str, str]) -> str:
    """Where to ask for a token.

    Where the registry was reached by TLS, so must its token server be, wherever it is: otherwise anybody who
    listens gets the password, or forges the token.

    Args:
        challenge: of the registry.
        origin: `scheme://host[:port]` of it.
        asked: to be added to the query.

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
    query = "&".join(part for part in (parts.query, urlencode(asked)) if part)
    return parts._replace(query=query, fragment="").geturl()


def _asked(challenge: Challenge, repository: str) -> dict[str, str]:
    """The service and scope to ask for; a registry that names no scope means what was read (crane asks so as well)."""
    own = f"repository:{repository}:pull" if repository else "registry:catalog:*"
    named = {"service": challenge.parameters.get("service", ""), "scope": challenge.parameters.get("scope", "") or own}
    return {name: value for name, value in named.items() if value}


def _take(answer: Answer, *, posted: bool = False) -> _Given:
    """An answer, read whole.

    Raises:
        ImageError: its status is neither a success nor a refusal.
    """
    try:
        refused = answer.status in _REFUSALS and not answer.may_work_later
        if refused or (posted and answer.status in _NO_POST):
            return _Given(answer.status)
        raise_for_status(answer, "its token server")
        return _Given(answer.status, answer.read_all(_ANSWER_LIMIT, f"{answer.host}: a token"))
    finally:
        answer.close()


def _read(given: _Given, origin: str) -> str:
    """The token; empty for a refusal."""
    if not given.data:
        return ""
    host = urlsplit(origin).netloc
    try:
        refuse_page(given.data, f"{host}: its token server's answer")
    except WrongBytes as error:
        raise Denied(str(error)) from error
    try:
        answer = decode(given.data, Token, origin=f"{host}: its token server's answer", most_bytes=_ANSWER_LIMIT)
    except ForeignJsonError as error:
        raise Denied(str(error)) from error
    token = answer.token or answer.access_token
    if token and not _TOKEN.fullmatch(token):
        raise Denied(
            f"{host}: what its token server gives is no token: {len(token)} characters, some of which may not be"
        )
    return token
