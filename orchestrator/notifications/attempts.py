"""Sending many messages at once, each for a bounded time, whatever the other side does.

Time-outs of sockets bound the wait for a next byte only, and nothing bounds the resolver. So every message is sent in a
thread of its own, and whoever waits for it holds a line to its socket: when the time is up, the line is cut, which ends
any read or write. A thread that does not even end then (it waits for the resolver) is left behind; it does not keep the
process from ending.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import Cancelled, ScanmatrixError, TemporaryError
from orchestrator.kit.retrying import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.notifications.interface import Pace

_log = logging.getLogger(__name__)

_GRACE = 1.0


class Line:
    """What an attempt is held by: cut it, and the attempt ends.

    Attributes:
        cut_off: set when it was cut.
    """

    def __init__(self) -> None:
        self.cut_off = threading.Event()
        self._socket: Callable[[], object] = lambda: None

    def hold(self, current: Callable[[], object]) -> None:
        """Say how to get at the socket that is used now; an object without `shutdown` counts as none."""
        self._socket = current
        if self.cut_off.is_set():
            self._shut()

    def cut(self) -> None:
        """End the attempt, and any that would follow."""
        self.cut_off.set()
        self._shut()

    def _shut(self) -> None:
        found = self._socket()
        if isinstance(found, socket.socket):
            with suppress(OSError, ValueError):
                found.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Result:
    """How a job went.

    Attributes:
        error: why it failed; empty when it did not.
        attempts: begun.
    """

    error: str = ""
    attempts: int = 0


class _Job:
    """One message on its way."""

    def __init__(self, index: int, send: Callable[[Line], None], pace: Pace, until: float) -> None:
        self.index = index
        self.line = Line()
        self.until = until
        self.attempts = 0
        self._begun = time.monotonic()
        self._last = ""
        self._send = send
        self._pace = pace

    def start(self, done: queue.SimpleQueue[tuple[_Job, Result]]) -> None:
        threading.Thread(target=lambda: done.put((self, self._run())), daemon=True, name="notification").start()

    def late(self) -> Result:
        last = f"; at last: {self._last}" if self._last else ""
        return Result(f"was not taken within {self.until - self._begun:.3g} s{last}", self.attempts)

    def _run(self) -> Result:
        patience = Patience(
            self._pace.retries, backoff=self._pace.backoff, cancelled=self.line.cut_off, left=self._left
        )
        try:
            patience.retry(self._once)
        except Cancelled:
            return self.late()
        except ScanmatrixError as error:
            asked = getattr(error, "retry_after", None) or 0.0
            more = f"; it asks to wait {asked:g} s, which is too long for us" if asked > self._left() else ""
            return Result(f"{error}{more}", self.attempts)
        except Exception as error:  # noqa: BLE001 - a mistake of ours may cost this message, not the run
            _log.debug("a notification failed", exc_info=True)
            return Result(f"could not be sent: {type(error).__name__}", self.attempts)
        return Result(attempts=self.attempts)

    def _once(self) -> None:
        self.attempts += 1
        try:
            self._send(self.line)
        except TemporaryError as error:
            self._last = str(error)
            raise

    def _left(self) -> float:
        return self.until - time.monotonic()


def run_all(sends: Sequence[Callable[[Line], None]], pace: Pace) -> Iterator[tuple[int, Result]]:
    """Run jobs side by side; ends within `pace.all` and a moment.

    Args:
        sends: one attempt each; a `TemporaryError` of one is tried again.
        pace: how long, how often, how many.

    Yields:
        Position and result of each job, as they end.
    """
    end = time.monotonic() + pace.all
    waiting = deque(enumerate(sends))
    done: queue.SimpleQueue[tuple[_Job, Result]] = queue.SimpleQueue()
    running: dict[int, _Job] = {}
    while waiting or running:
        now = time.monotonic()
        while waiting and len(running) < pace.width and now < end:
            index, send = waiting.popleft()
            running[index] = _Job(index, send, pace, min(now + pace.each, end))
            running[index].start(done)
        if not running:
            break
        for job in _overdue(running, now):
            if not job.line.cut_off.is_set():
                job.line.cut()
            elif now >= job.until + _GRACE:
                del running[job.index]
                yield job.index, job.late()
        yield from _ended(running, done, now)
    for index, _ in waiting:
        yield index, Result(f"was not begun: the messages of a run may take {pace.all:g} s together")


def _overdue(running: dict[int, _Job], now: float) -> list[_Job]:
    return [job for job in running.values() if now >= job.until]


def _ended(
    running: dict[int, _Job], done: queue.SimpleQueue[tuple[_Job, Result]], now: float
) -> Iterator[tuple[int, Result]]:
    """Wait for a job to end, or for the next that is overdue."""
    if not running:
        return
    cut = [job.until + _GRACE if job.line.cut_off.is_set() else job.until for job in running.values()]
    try:
        job, result = done.get(timeout=max(0.001, min(cut) - now))
    except queue.Empty:
        return
    if running.pop(job.index, None) is job:
        yield job.index, result
