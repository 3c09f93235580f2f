"""The audit log: who changed what, and how that ended; whichever route it was, so that none can forget it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from orchestrator.kit.text import visible_message
from orchestrator.service.rest.logs import AUDIT
from orchestrator.service.rest.paths import shown_path

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST = 1000
_CHANGED = "changed"
_log = logging.getLogger(AUDIT)


class Audited:
    """Logs each request that changes something, with its caller, whether it was done or refused.

    Args:
        app: what is within it; who asks is known by then.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log how it ended if it was to change something."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            # Without an answer the caller went away; what was begun may have been done.
            _log.info("%s %s", scope["method"], _path(scope), extra=_told(scope, status))


def _path(scope: Scope) -> str:
    return _shown(shown_path(scope["path"]))


def _told(scope: Scope, status: int) -> dict[str, Any]:
    caller = scope["state"]["caller"]
    route = scope.get("route")
    return {
        "action": f"{scope['method']} {getattr(route, 'path', '') or _path(scope)}",
        "caller": caller.name,
        "role": caller.role.name.lower(),
        "status": status,
        **{
            name: _shown(str(value))
            for name, value in scope.get("path_params", {}).items()
            if name in {"run", "target"}
        },
        **scope["state"].get(_CHANGED, {}),
    }


def changed(request: Request, **what: str) -> None:
    """Say what a request changed that its path does not name, for its line of the log.

    Args:
        request: that changed it.
        what: `run`, `target`.
    """
    request.scope["state"][_CHANGED] = what


def _shown(text: str) -> str:
    return visible_message(text)[:_LONGEST]
