"""What changes, as it changes: `/subscribe` and `/api/v1/events`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, WebSocket

from orchestrator.service.rest.caller import OWNERS_MAY, READS, caller_of
from orchestrator.service.rest.live.hub import LiveEvents
from orchestrator.service.rest.live.streams import EventStream, changes_as_stream, send_by_socket
from orchestrator.store.events.messages import EventCursor

router = APIRouter(tags=["live"], dependencies=[READS, OWNERS_MAY])
_EXAMPLE = (
    "event: cells\n"
    "id: 5f3a9c1e77aa-42\n"
    'data: {"cursor":"5f3a9c1e77aa-42","at":"2026-11-29T10:00:00Z","kind":"cells","target":"3f1c",'
    '"reference":"registry.example/shop/web:1","run":"r-2026-11-29","scans":{"grype":"ok"}}\n\n'
)


@router.get(
    "/api/v1/events",
    summary="What changes, as server-sent events",
    status_code=200,  # which its class of answer does not say
    response_class=EventStream,
    responses={
        200: {"content": {"text/event-stream": {"example": _EXAMPLE}}, "description": "A stream that stays open"}
    },
)
async def events(
    request: Request,
    after: Annotated[
        str, Query(max_length=64, description="Cursor to begin after; the header `Last-Event-ID` counts first.")
    ] = "",
    last_event_id: Annotated[
        str, Header(max_length=64, description="As a browser sends it when it connects again.")
    ] = "",
) -> EventStream:
    """Send each change from now on, or from a cursor on.

    Kinds: `cells` (cells of a target ended), `deleted` (results of a target were deleted), `run` (a run was imported),
    `store` (something else changed, `about` says what). Besides: `ready` with the place from which on everything is
    sent; `resync` when events in between are not kept any more: read everything again; `end` with the reason, such as
    `slow`, when the service ends the stream.
    """
    live: LiveEvents = request.app.state.live
    place = EventCursor.parse(given) if (given := last_event_id or after) else None
    return changes_as_stream(live, live.follow(caller_of(request).owners), place)


@router.websocket("/subscribe")
async def subscribe(socket: WebSocket, format: Literal["id", "event"] = "id") -> None:  # noqa: A002 - its name outside
    """Send the image id whose result has changed, as a JSON string; with `format=event` the whole event."""
    live: LiveEvents = socket.app.state.live
    follower = live.follow(caller_of(socket).owners)
    asked = socket.scope.get("subprotocols", ())
    await socket.accept(subprotocol="scanmatrix" if "scanmatrix" in asked else None)
    await send_by_socket(socket, live, follower, structured=format == "event")
