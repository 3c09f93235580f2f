"""The bodies of requests: no more bytes than their route accepts, within the time that one may take."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import anyio

from orchestrator.kit.quantities import spell_size
from orchestrator.service.rest.problems import SlowBodyError, TooLargeError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from orchestrator.service.rest.settings import ServeSettings

_NUMBER = re.compile(rb"[0-9]{1,19}")
#: The one path that takes a document of a foreign tool.
REPORTS = "/scan-results"


class BodyLimits:
    """Counts what arrives, and refuses at the first byte that is too many, or too late.

    Args:
        app: what is within it.
        settings: how much, and how long.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._settings.report_bytes if scope["path"] == REPORTS else self._settings.body_bytes
        said = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if _NUMBER.fullmatch(said) and int(said) > most:
            raise _too_large(most)
        end = time.monotonic() + self._settings.body_seconds
        got, whole = 0, False

        async def receive_some() -> Message:
            nonlocal got, whole
            if whole:
                return await receive()
            with anyio.move_on_after(max(0.0, end - time.monotonic())) as waited:
                message = await receive()
            if waited.cancelled_caught:
                raise SlowBodyError(f"the body did not arrive within {self._settings.body_seconds:g} seconds")
            got += len(message.get("body", b""))
            whole = message["type"] != "http.request" or not message.get("more_body", False)
            if got > most:
                raise _too_large(most)
            return message

        await self._app(scope, receive_some, send)


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {spell_size(most)}, the most that this path accepts")
