"""The two ways in which events are sent: a stream of server-sent events, and a WebSocket."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import msgspec
from fastapi import Response, WebSocketDisconnect

from orchestrator.service.rest.live.following import StreamBeat, StreamEnd, StreamReady, StreamResync, following
from orchestrator.service.rest.live.frames import Frame, sse
from orchestrator.service.rest.live.hub import SLOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import WebSocket
    from starlette.types import Receive, Scope, Send

    from orchestrator.service.rest.live.hub import Follower, LiveEvents
    from orchestrator.store.events.messages import EventCursor

#: Seconds in which a follower must have read what is sent.
SEND_SECONDS = 20.0
#: Milliseconds after which a browser connects again.
_RETRY = b"retry: 3000\n\n"
#: Messages that a WebSocket may send us in all, though we read none of them.
MOST_MESSAGES = 16
_POLICY, _AGAIN = 1008, 1013
_FLOOD = "flood: this socket only sends"


class EventStream(Response):
    """Server-sent events, until the caller goes away, or is too slow.

    Args:
        events: each as it is sent.
        leave: called at the end, however it comes.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._leave = leave

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send, and watch for the end of the connection."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, receive, tasks.cancel_scope)
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._send_all(send)
                tasks.cancel_scope.cancel()
        finally:
            self._leave()

    async def _send_all(self, send: Send) -> None:
        await _in_time(send, _RETRY)
        async for each in self._events:
            if not await _in_time(send, each):
                break
        with anyio.move_on_after(1.0):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    @staticmethod
    async def _watch(receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


def changes_as_stream(live: LiveEvents, follower: Follower, after: EventCursor | None) -> EventStream:
    """What changes, from a place on."""

    async def events() -> AsyncIterator[bytes]:
        """Each as it is sent."""
        async for each in following(live, follower, after):
            yield _as_sse(each)

    return EventStream(events(), lambda: live.leave(follower))


async def _in_time(send: Send, data: bytes) -> bool:
    """Send; whether the caller read it in time."""
    with anyio.move_on_after(SEND_SECONDS) as limit:
        await send({"type": "http.response.body", "body": data, "more_body": True})
    return not limit.cancelled_caught


def _as_sse(each: Frame | StreamBeat | StreamReady | StreamResync | StreamEnd) -> bytes:
    match each:
        case Frame():
            return each.sse
        case StreamBeat():
            # The place alone: no event, and the caller's next connection begins there.
            return b": alive\n" + (f"id: {each.cursor}\n".encode() if each.cursor else b"") + b"\n"
        case StreamReady():
            return sse("ready", b"{}", each.cursor)
        case StreamResync():
            return sse("resync", msgspec.json.encode({"why": each.why}), each.cursor)
        case StreamEnd():
            return sse("end", msgspec.json.encode({"why": each.why, "reason": each.reason}))


async def send_by_socket(socket: WebSocket, live: LiveEvents, follower: Follower, *, structured: bool) -> None:
    """Send until the socket is closed, floods us, or does not read.

    Args:
        socket: accepted.
        live: what it follows.
        follower: it.
        structured: whether it wants all of each event, or only the image ids whose results have changed.
    """
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_drain, socket, follower)
            await _send_messages(socket, live, follower, structured=structured)
            tasks.cancel_scope.cancel()
    finally:
        live.leave(follower)


async def _send_messages(socket: WebSocket, live: LiveEvents, follower: Follower, *, structured: bool) -> None:
    with suppress(WebSocketDisconnect):  # it went away while something was sent
        await _send_each(socket, live, follower, structured=structured)


async def _send_each(socket: WebSocket, live: LiveEvents, follower: Follower, *, structured: bool) -> None:
    async for each in following(live, follower, None):
        if isinstance(each, StreamEnd):
            with anyio.move_on_after(SEND_SECONDS):
                # A reason has 123 bytes at most.
                await socket.close(_POLICY if each.why in {SLOW, _FLOOD} else _AGAIN, each.why)
            return
        if (message := _as_message(each, structured=structured)) is None:
            continue
        with anyio.move_on_after(SEND_SECONDS) as limit:
            await socket.send_text(message)
        if limit.cancelled_caught:
            follower.end(SLOW)


def _as_message(each: Frame | StreamBeat | StreamReady | StreamResync, *, structured: bool) -> str | None:
    if isinstance(each, Frame):
        return each.structured if structured else each.image_id
    if not structured:
        return None
    match each:
        case StreamResync():
            return msgspec.json.encode({"kind": "resync", "cursor": each.cursor, "why": each.why}).decode()
        case StreamReady():
            return msgspec.json.encode({"kind": "ready", "cursor": each.cursor}).decode()
        case StreamBeat():
            return msgspec.json.encode({"kind": "alive", "cursor": each.cursor}).decode()


async def _drain(socket: WebSocket, follower: Follower) -> None:
    """Read what nobody asked for, so that its end is noticed; too much of it ends it."""
    for _ in range(MOST_MESSAGES):
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            follower.end("left")
            return
    follower.end(_FLOOD)
