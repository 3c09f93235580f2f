"""The progress of runs as it changes: a run is looked at once for all who follow it, and each is sent what is new."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import msgspec

from orchestrator.api.json_documents import plain
from orchestrator.service.rest.live.following import HEARTBEAT_SECONDS
from orchestrator.service.rest.live.frames import sse
from orchestrator.service.rest.problems import BusyError

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Awaitable, Callable

    from orchestrator.model import RunStatus

#: Followers of one process, and seconds between two looks at a run.
MOST_FOLLOWERS, LOOK_SECONDS = 500, 1.0
#: How many times as long as a look took nothing is looked at: a run of many cells takes its time.
_REST = 4.0


class RunProgress:
    """Who follows which runs, and how these stood at the last look.

    Args:
        stopping: set when the service is to end.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._watched: dict[str, _WatchedRun] = {}
        self._followers = 0

    @property
    def followers(self) -> int:
        """How many there are."""
        return self._followers

    def begin(self, run: str) -> None:
        """Begin to follow a run; `leave` ends it.

        Raises:
            BusyError: too many follow runs.
        """
        if self._followers >= MOST_FOLLOWERS:
            raise BusyError(f"{MOST_FOLLOWERS} callers follow runs already; ask for the progress of the run instead")
        self._followers += 1
        self._watched.setdefault(run, _WatchedRun()).followers += 1

    def leave(self, run: str) -> None:
        """End to follow it."""
        self._followers -= 1
        self._watched[run].followers -= 1
        if not self._watched[run].followers:
            del self._watched[run]

    async def events(
        self, run: str, read: Callable[[], Awaitable[RunStatus]], seen: Callable[[RunStatus], Awaitable[RunStatus]]
    ) -> AsyncIterator[bytes]:
        """How a run stands, then what changed, until it has ended, as server-sent events.

        Args:
            run: its id; somebody has begun to follow it.
            read: how it stands now.
            seen: as the caller may see that.
        """
        watched, last, beat = self._watched[run], None, time.monotonic()
        while not self._stopping.is_set():
            found = await seen(await watched.look(read))
            if found != last:
                yield _difference(last, found)
                last, beat = found, time.monotonic()
            if found.ended:
                yield sse("end", b"{}")
                return
            if time.monotonic() - beat >= HEARTBEAT_SECONDS:
                yield b": alive\n\n"
                beat = time.monotonic()
            await anyio.sleep(watched.pause)


class _WatchedRun:
    """One run: its last status, which is good for a moment, and how many follow it."""

    def __init__(self) -> None:
        self.followers = 0
        self.pause = LOOK_SECONDS
        self._status: RunStatus | None = None
        self._until = 0.0
        self._looking = anyio.Lock()

    async def look(self, read: Callable[[], Awaitable[RunStatus]]) -> RunStatus:
        """How it stands, read again when the last look is too long ago."""
        async with self._looking:
            if self._status is None or time.monotonic() >= self._until:
                began = time.monotonic()
                self._status = await read()
                self.pause = max(LOOK_SECONDS, (time.monotonic() - began) * _REST)
                self._until = time.monotonic() + self.pause * 0.9
            return self._status


def _difference(last: RunStatus | None, found: RunStatus) -> bytes:
    """The whole status, or (`change`) one that has only those cells and pulls that are others than before."""
    if last is None or _places(last) != _places(found):
        return sse("status", msgspec.json.encode(plain(found)))
    cells, pulls = set(last.cells), set(last.pulls)
    changed = msgspec.structs.replace(
        found,
        cells=tuple(each for each in found.cells if each not in cells),
        pulls=tuple(each for each in found.pulls if each not in pulls),
    )
    return sse("change", msgspec.json.encode(plain(changed)))


def _places(status: RunStatus) -> tuple[list[str], list[str]]:
    return [cell.id for cell in status.cells], [pull.target for pull in status.pulls]
