"""The bodies of requests: no more bytes than their route accepts, nor than all may have together, and in time."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import anyio

from orchestrator.kit.quantities import spell_size
from orchestrator.service.rest.paths import EVENTS, SENDER_PATHS
from orchestrator.service.rest.problems import BusyError, SlowBodyError, TooLargeError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from orchestrator.service.rest.settings import ServeSettings

_NUMBER = re.compile(rb"[0-9]{1,19}")
#: Part of the memory for all bodies that those of senders of events may have, beside it.
_STRANGE = 8
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
        self._held = {True: 0, False: 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most(scope["path"])
        said = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if _NUMBER.fullmatch(said) and int(said) > most:
            raise _too_large(most)
        end = time.monotonic() + self._settings.body_seconds
        got, counted, whole = 0, 0, False
        # Who sends these has proven nothing before they are read, so they leave room for those who have.
        is_strange = scope["path"].startswith(SENDER_PATHS)
        room = self._settings.bodies_bytes // (_STRANGE if is_strange else 1)

        async def receive_some() -> Message:
            nonlocal got, counted, whole
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
            self._held[is_strange] += got - counted
            counted = got
            if self._held[is_strange] > room:
                raise BusyError("more is being sent at the same time than there is memory for; send it again soon")
            return message

        try:
            await self._app(scope, receive_some, send)
        finally:
            self._held[is_strange] -= counted

    def _most(self, path: str) -> int:
        if path == REPORTS:
            return self._settings.report_bytes
        return (
            self._settings.event_bytes if path == EVENTS or path.startswith(SENDER_PATHS) else self._settings.body_bytes
        )


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {spell_size(most)}, the most that this path accepts")
