"""The edge of the service: request ids, who asks, standard headers, and every error as a problem."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from fastapi.datastructures import Headers
from fastapi.requests import HTTPConnection
from starlette.datastructures import MutableHeaders

from orchestrator.kit.hosts import is_loopback
from orchestrator.queries.opening import OWNERS
from orchestrator.service.page.login import asks_for_page, to_login
from orchestrator.service.rest.caller import ANYBODY, LOCAL_CALLER, CallerGuard
from orchestrator.service.rest.paths import SENDER_PATHS
from orchestrator.service.rest.problems import (
    INTERNAL,
    RefusedError,
    RequestError,
    UnauthenticatedError,
    kind_of,
    problem_of,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: What is said of every answer, unless its route says something else: the page has a policy of its own.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "private, no-cache",
}
#: Paths that answer everybody: probes have no token.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
#: The way to a token, and what its page loads.
_LOGIN_PATHS = ("/login", "/logout", "/static/")


class Boundary:
    """The outermost layer.

    Args:
        app: what is within it.
        guard: tells who asks; None for a service that listens on loopback alone.
    """

    def __init__(self, app: ASGIApp, guard: CallerGuard | None) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with an id and a caller, and answer what fails."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        state = scope.setdefault("state", {})
        state["request_id"] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        began = False

        async def send_with_headers(message: Message) -> None:
            nonlocal began
            if message["type"] in {"http.response.start", "websocket.accept"}:
                began = True
                found = MutableHeaders(raw=message.setdefault("headers", []))
                found[REQUEST_ID] = state["request_id"]
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
            await send(message)

        connection = HTTPConnection(scope)
        try:
            _refuse_other_sites(scope, headers, is_open=self._guard is None)
            _refuse_nul(scope)
            caller = state["caller"] = await self._identify(connection)
            # Each request has a context of its own, so this ends with it.
            OWNERS.set(caller.owners)
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if began:
                raise
            answer = problem_of(connection, error)
            if isinstance(error, UnauthenticatedError) and asks_for_page(connection):
                answer = to_login(connection)
            await answer(scope, receive, send_with_headers)
            if kind_of(error) is INTERNAL and scope["type"] == "websocket":
                raise

    async def _identify(self, connection: HTTPConnection) -> Any:
        if self._guard is None or connection.scope["path"] in OPEN_PATHS:
            return LOCAL_CALLER
        if connection.scope["path"].startswith((*_LOGIN_PATHS, SENDER_PATHS)):
            return ANYBODY
        return await self._guard.identify(connection)


def _refuse_other_sites(scope: Scope, headers: Headers, *, is_open: bool) -> None:
    """Let no page of another site act through a visitor's browser.

    Raises:
        RefusedError: the browser says that another site asks; or the service is open to this machine, and is called by
            a name that only a resolver of somebody else gives to it.
    """
    site = headers.get("sec-fetch-site", "")
    is_change = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
    if is_change and site in {"cross-site", "same-site"}:
        raise RefusedError("a page of another site asks for this in a browser; use the service's own page")
    host = headers.get("host", "")
    if is_change and (origin := headers.get("origin")) and origin.partition("://")[2] != host:
        raise RefusedError(f"a page of {origin} asks for this in a browser; use the service's own page")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if is_open and host and not is_loopback(name, exactly=True):
        raise RefusedError(
            f"the service answers this machine alone, and not by the name {name}; configure authentication for others"
        )


def _refuse_nul(scope: Scope) -> None:
    """Let no question have what databases refuse to be asked.

    Raises:
        RequestError: it does.
    """
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise RequestError("the address has the character NUL, which no database and no file name can hold")
