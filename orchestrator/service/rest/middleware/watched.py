"""How each request was answered, and how long that took, for what counts or logs it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Watched:
    """Passes requests on, and has `ended` called once each of them has been answered, or could not be.

    Args:
        app: what is within it.
        ended: given the request, the status (0 where no answer began), and seconds.
    """

    def __init__(self, app: ASGIApp, ended: Callable[[Scope, int, float], None]) -> None:
        self._app = app
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            self._ended(scope, status, time.perf_counter() - began)
