"""The guard of the service: who has the token that a request brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread

from orchestrator.service.auth.token_file import TokenFile
from orchestrator.service.auth.tokens import PREFIX
from orchestrator.service.rest.caller import COOKIE
from orchestrator.service.rest.paths import EVENTS
from orchestrator.service.rest.problems import UnauthenticatedError

if TYPE_CHECKING:
    from fastapi.requests import HTTPConnection

    from orchestrator.config.loading import Config
    from orchestrator.service.auth.oidc import OidcTokens
    from orchestrator.service.rest.caller import Caller

_SCHEME = "bearer"
#: By which a browser, which sends no other headers with a WebSocket, may send its token: `bearer.<token>`.
_PROTOCOL = "bearer."


class TokenGuard:
    """Knows callers by their tokens: those of the file begin with `smx_`, others are the provider's."""

    def __init__(self, tokens: TokenFile | None, oidc: OidcTokens | None) -> None:
        self._tokens = tokens
        self._oidc = oidc

    async def identify(self, connection: HTTPConnection) -> Caller:
        """Who asks.

        Raises:
            UnauthenticatedError: nobody that is known.
            RefusedError: somebody without a role.
            TemporaryError: it cannot be found out now.
        """
        token = _token(connection)
        if token.startswith(f"{PREFIX}_") and self._tokens is not None:
            return self._tokens.caller(token)
        if self._oidc is None:
            raise UnauthenticatedError("this is no token of this service")
        # Its keys may have to be fetched.
        return await to_thread.run_sync(self._oidc.caller, token)


def guard_of(config: Config) -> TokenGuard | None:
    """The guard that a configuration asks for; None for none.

    Raises:
        TokenFileError: the file of tokens cannot be read.
        MissingExtraError: what OpenID needs is not installed.
    """
    section = config.auth
    tokens = TokenFile(config.base / section.tokens) if section.tokens else None
    if tokens is not None:
        tokens.check()
    oidc = None
    if section.oidc is not None:
        from orchestrator.service.auth.oidc import OidcTokens  # noqa: PLC0415 - it imports cryptography

        oidc = OidcTokens(section.oidc)
    return TokenGuard(tokens, oidc) if tokens or oidc else None


def _token(connection: HTTPConnection) -> str:
    given = connection.headers.getlist("authorization")
    if len(given) > 1:
        raise UnauthenticatedError("the request has several Authorization headers")
    if given:
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() == _SCHEME and token.strip():
            return token.strip()
        raise UnauthenticatedError("the Authorization header must be `Bearer <token>`")
    if cookie := connection.cookies.get(COOKIE):
        return cookie
    if connection.scope["type"] == "websocket":
        for each in connection.scope.get("subprotocols", ()):
            if each.startswith(_PROTOCOL):
                return str(each.removeprefix(_PROTOCOL))
    if connection.scope["path"] == EVENTS and (found := connection.query_params.getlist("access_token")):
        if len(found) == 1:
            return found[0]
        raise UnauthenticatedError("the address has several access tokens")
    raise UnauthenticatedError("who asks is not known: send `Authorization: Bearer <token>`")
