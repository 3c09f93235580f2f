"""Sending many messages at once, each for a bounded time, whatever the other side does.

Each attempt is reported when it has to be over, and ends itself then: every connection, read and write of it has no
more time than that. Nothing bounds the resolver, so each message is sent in a thread of its own; one that has not
ended a moment after its time is left behind, and does not keep the process from ending.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ScanmatrixError, TemporaryError
from orchestrator.kit.retrying import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.notifications.interface import Pace

_log = logging.getLogger(__name__)

_GRACE = 1.0


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

    def __init__(self, index: int, send: Callable[[float], None], pace: Pace, until: float) -> None:
        self.index = index
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
        try:
            Patience(self._pace.retries, backoff=self._pace.backoff, left=self._left).retry(self._once)
        except TemporaryError as error:
            return self.late() if self._left() <= 0 else Result(str(error), self.attempts)
        except ScanmatrixError as error:
            return Result(str(error), self.attempts)
        except Exception as error:  # noqa: BLE001 - a mistake of ours may cost this message, not the run
            _log.debug("a notification failed", exc_info=True)
            return Result(f"could not be sent: {type(error).__name__}", self.attempts)
        return Result(attempts=self.attempts)

    def _once(self) -> None:
        self.attempts += 1
        try:
            self._send(self.until)
        except TemporaryError as error:
            self._last = str(error)
            raise

    def _left(self) -> float:
        return self.until - time.monotonic()


def run_all(sends: Sequence[Callable[[float], None]], pace: Pace) -> Iterator[tuple[int, Result]]:
    """Run jobs side by side; ends within `pace.all` and a moment.

    Args:
        sends: one attempt each, given the moment at which it has to be over; a `TemporaryError` of one is tried again.
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
        for job in [each for each in running.values() if now >= each.until + _GRACE]:
            del running[job.index]
            yield job.index, job.late()
        yield from _ended(running, done, now)
    for index, _ in waiting:
        yield index, Result(f"was not begun: the messages of a run may take {pace.all:g} s together")


def _ended(
    running: dict[int, _Job], done: queue.SimpleQueue[tuple[_Job, Result]], now: float
) -> Iterator[tuple[int, Result]]:
    """Wait for a job to end, or for the next to be left behind."""
    if not running:
        return
    try:
        job, result = done.get(timeout=max(0.001, min(job.until for job in running.values()) + _GRACE - now))
    except queue.Empty:
        return
    if running.pop(job.index, None) is job:
        yield job.index, result
