"""One task that reads the store's events, and hands them to all who follow them.

Each of these has a queue of its own, of bounded length and of references only. When much changes at once, the next
events are read when the queues have room for them, or after some seconds: who has not kept up by then is dropped and
hears why. So memory does not grow with how slow somebody is, and nobody waits long for another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.service.rest.live.frames import Frame
from orchestrator.service.rest.problems import BusyError
from orchestrator.store.events.messages import EventCursor

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from orchestrator.store.events.messages import EventPage

#: Events that wait for one follower, and followers of one process.
MOST_WAITING, MOST_FOLLOWERS = 512, 5000
#: Seconds between two looks into the store; and while it does not answer.
LOOK_SECONDS, TROUBLE_SECONDS = 0.25, 2.0
#: Seconds for which followers get to read what waits for them before more is read.
DRAIN_SECONDS, _DRAIN_LOOK = 5.0, 0.02
_PAGE = 250
_REPLAYS = 4
_log = logging.getLogger(__name__)

SLOW = "slow"
STOPPING = "stopping"
RESYNC = "resync"


class Follower:
    """One who follows: a queue, and why it ended.

    Attributes:
        ended: why no more comes; empty while it does.
        since: the place in the line from which on the queue has everything.
    """

    def __init__(self, owners: frozenset[str] | None, since: EventCursor | None) -> None:
        self.ended = ""
        self.since = since
        self._owners = owners
        self._waiting: deque[Frame] = deque()
        self._woken = asyncio.Event()

    def offer(self, frame: Frame) -> None:
        """Give an event; one too many ends it."""
        seen = self.seen(frame)
        if self.ended or seen is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.end(SLOW)
            return
        self._waiting.append(seen)
        self._woken.set()

    @property
    def is_full(self) -> bool:
        """Whether as many events as are read at once may be too many."""
        return len(self._waiting) > max(0, MOST_WAITING - _PAGE)

    def end(self, why: str) -> None:
        """Let no more come."""
        if not self.ended:
            self.ended = why
            self._waiting.clear()
            self._woken.set()

    def seen(self, frame: Frame) -> Frame | None:
        """An event as they may see it; None where it is of nothing that they may."""
        return frame.seen_by(self._owners)

    async def next(self, patience: float) -> Frame | None:
        """The next event; None where none came in time, or none comes any more."""
        if not self._waiting and not self.ended:
            self._woken.clear()
            with anyio.move_on_after(patience):
                await self._woken.wait()
        return self._waiting.popleft() if self._waiting else None


class LiveEvents:
    """Reads the store's events for all followers of this process.

    Args:
        read: `Store.events` of the whole store.
        is_filled: whether the store has what the volume has; before that, nobody hears of changes.
        stopping: set when the service is to end.
    """

    def __init__(
        self,
        read: Callable[[EventCursor | None, int], EventPage],
        is_filled: Callable[[], bool],
        stopping: threading.Event,
    ) -> None:
        self._read = read
        self._is_filled = is_filled
        self._stopping = stopping
        self._followers: set[Follower] = set()
        self._replays = asyncio.Semaphore(_REPLAYS)
        self.cursor: EventCursor | None = None

    @property
    def followers(self) -> int:
        """How many there are."""
        return len(self._followers)

    def follow(self, owners: frozenset[str] | None) -> Follower:
        """Begin to follow; `leave` ends it.

        Raises:
            BusyError: there are too many, or the store has not answered yet.
        """
        if len(self._followers) >= MOST_FOLLOWERS:
            raise BusyError(f"{MOST_FOLLOWERS} callers follow what changes already; ask again later")
        if self._stopping.is_set():
            raise BusyError("the service is stopping; ask again soon")
        follower = Follower(owners, self.cursor)
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """End to follow."""
        follower.end("left")
        self._followers.discard(follower)

    async def missed(self, follower: Follower, after: EventCursor) -> tuple[list[Frame], EventCursor, bool]:
        """Some of what a follower has missed since a place, as far as the queue does not have it.

        Returns:
            Events, the place after them, and whether some of it is not kept any more.
        """
        async with self._replays:
            page = await self._page(after)
        frames = [seen for frame in _frames(page) if (seen := follower.seen(frame)) is not None]
        return frames, page.cursor, page.resync

    async def run(self) -> None:
        """Read and hand on, until the service stops."""
        trouble = ""
        while not self._stopping.is_set():
            pause = LOOK_SECONDS
            if not self._is_filled():
                await anyio.sleep(pause)
                continue
            try:
                with guarded("reading what changed"):
                    pause = 0.0 if await self._look() else LOOK_SECONDS
                trouble = ""
            except (ScanmatrixError, OSError) as error:
                if str(error) != trouble:
                    _log.warning("what changes cannot be read: %s", error)
                trouble, pause = str(error), TROUBLE_SECONDS
            await anyio.sleep(pause)
        for follower in tuple(self._followers):
            follower.end(STOPPING)

    async def _look(self) -> bool:
        """Hand on what is new; whether there may be more."""
        page = await self._page(self.cursor)
        begin, self.cursor = self.cursor, page.cursor
        for follower in tuple(self._followers):
            if follower.since is None:
                follower.since = begin or page.cursor
            if page.resync:
                follower.end(RESYNC)
        for frame in _frames(page):
            for follower in tuple(self._followers):
                follower.offer(frame)
        if len(page.events) < _PAGE:
            return False
        with anyio.move_on_after(DRAIN_SECONDS):
            while any(follower.is_full for follower in self._followers):
                await anyio.sleep(_DRAIN_LOOK)
        return True

    async def _page(self, after: EventCursor | None) -> EventPage:
        return await to_thread.run_sync(self._read, after, _PAGE, abandon_on_cancel=True)


def _frames(page: EventPage) -> list[Frame]:
    return [Frame(EventCursor.parse(event.cursor).number, event) for event in page.events]
