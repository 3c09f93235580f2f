"""What one follower is sent, from a place on and without a gap, whichever way it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import anyio

from orchestrator.service.rest.live.hub import RESYNC, SLOW, STOPPING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from orchestrator.service.rest.live.frames import Frame
    from orchestrator.service.rest.live.hub import Follower, LiveEvents
    from orchestrator.store.events.messages import EventCursor

#: Seconds without an event after which something is sent all the same, so that both ends know of each other.
HEARTBEAT_SECONDS = 15.0
_FIRST_LOOK = 0.05
_WHY = {
    SLOW: "you do not read as fast as things change; connect again with the last id, or read everything again",
    STOPPING: "the service stops; connect again with the last id",
    RESYNC: "events before this one are not kept any more; read everything again",
}


class StreamBeat(NamedTuple):
    """Nothing happened for a while."""

    cursor: str


class StreamReady(NamedTuple):
    """From this place on everything is sent."""

    cursor: str


class StreamResync(NamedTuple):
    """Something in between is not kept any more."""

    cursor: str
    why: str = _WHY[RESYNC]


class StreamEnd(NamedTuple):
    """No more comes, and why."""

    why: str
    reason: str


async def following(
    live: LiveEvents, follower: Follower, after: EventCursor | None, *, heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncIterator[Frame | StreamBeat | StreamReady | StreamResync | StreamEnd]:
    """Everything that a follower may see, first what it missed.

    Args:
        live: what it follows.
        follower: it.
        after: the place up to which it has read; None to begin with what changes from now on.
        heartbeat: seconds.
    """
    while follower.since is None and not follower.ended:
        await anyio.sleep(_FIRST_LOOK)
    line = _Line(live, follower)
    if follower.since is not None:
        place = after or follower.since
        yield StreamReady(str(place))
        async for missed in line.missed(place, follower.since):
            yield missed
    async for each in line.coming(heartbeat):
        yield each


class _Line:
    """Where one follower is in the line of all events."""

    def __init__(self, live: LiveEvents, follower: Follower) -> None:
        self._live = live
        self._follower = follower
        # Number up to which everything is sent; the queue may have some of it, too.
        self._last = -1

    async def missed(self, place: EventCursor, until: EventCursor) -> AsyncIterator[Frame | StreamResync]:
        """What happened between two places."""
        while place != until and not self._follower.ended:
            frames, reached, resync = await self._live.missed(self._follower, place)
            self._last = max(self._last, reached.number)
            if resync:
                yield StreamResync(str(reached))
                return
            for frame in frames:
                yield frame
            if reached == place or reached.number >= until.number:
                return
            place = reached

    async def coming(self, heartbeat: float) -> AsyncIterator[Frame | StreamBeat | StreamResync | StreamEnd]:
        """What happens from now on."""
        while True:
            frame = await self._follower.next(heartbeat)
            here = str(self._live.cursor or "")
            if frame is not None:
                if frame.number > self._last:
                    yield frame
            elif why := self._follower.ended:
                if why == RESYNC:
                    yield StreamResync(here)
                yield StreamEnd(why, _WHY.get(why, ""))
                return
            else:
                yield StreamBeat(here)
