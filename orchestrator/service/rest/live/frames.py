"""An event as it is sent: made once, however many follow."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import Outcome
from orchestrator.store.events.messages import EventKind

if TYPE_CHECKING:
    from orchestrator.store.events.messages import StoreEvent


class Frame:
    """One event, in each form in which somebody may want it.

    Attributes:
        number: its place in the line of all events.
        event: what it tells.
    """

    def __init__(self, number: int, event: StoreEvent) -> None:
        self.number = number
        self.event = event

    def seen_by(self, owners: frozenset[str] | None) -> Frame | None:
        """As somebody may see it, who sees the targets of these owners (None for all); None for not at all.

        A run is of many targets: who sees some of them hears of each of these. A target that others answer for as well
        is called by a name of their own.
        """
        if owners is None or self.event.kind is EventKind.STORE:
            return self
        mine = owners.intersection(self.event.owners)
        if not mine:
            return None
        name = min(self.event.called.get(owner, self.event.reference) for owner in mine)
        if name == self.event.reference:
            return self
        return Frame(self.number, msgspec.structs.replace(self.event, reference=name))

    @cached_property
    def sse(self) -> bytes:
        """As a server-sent event."""
        return sse(self.event.kind.value, self._document, self.event.cursor)

    @cached_property
    def structured(self) -> str:
        """As a WebSocket message that tells all of it."""
        return self._document.decode()

    @cached_property
    def image_id(self) -> str | None:
        """As a WebSocket message that tells the image id whose result has changed; None where none has."""
        event = self.event
        is_result = event.kind is EventKind.DELETED or Outcome.OK.value in event.scans.values()
        return msgspec.json.encode(event.reference).decode() if is_result and event.reference else None

    @cached_property
    def _document(self) -> bytes:
        event = msgspec.to_builtins(self.event)
        # Who else answers for a target is not everybody's business.
        return msgspec.json.encode({name: value for name, value in event.items() if name not in {"owners", "called"}})


def sse(kind: str, data: bytes, cursor: str = "") -> bytes:
    """A server-sent event, whose data is JSON on one line."""
    place = f"id: {cursor}\n" if cursor else ""
    return f"event: {kind}\n{place}data: ".encode() + data + b"\n\n"
