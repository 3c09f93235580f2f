"""Work on many things with a bounded number of threads that an interrupt need not wait for."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")

#: Seconds that threads get to wind down after an interrupt: a scanner's SIGTERM, its SIGKILL, and the records.
PATIENCE = 8.0
#: Seconds between two looks at whether they have.
POLL = 0.01
#: Longest time for which an interrupt waits that comes just before this thread begins to wait, or to another thread:
#: Python handles it when this thread does something again.
_LOOK = 0.5


def each(items: Iterable[T], work: Callable[[T], None], *, limit: int, interrupt: Callable[[], None]) -> None:
    """Call `work` for every item, at most `limit` at the same time, and return when all are done.

    An exception in one of them lets the others end what they are at, and is raised here. An interrupt of this thread
    calls `interrupt`, which should make the work end early, waits for that a little, and continues: a thread that
    is stuck in a read does not hold up the process, which is why this is no `ThreadPoolExecutor`.
    """
    listed = list(items)
    limit = min(limit, len(listed))
    queue = _Queue(iter(listed))
    errors: list[BaseException] = []
    begun: list[None] = []
    ended: list[None] = []
    # Not `join`: interrupted, it takes a thread for ended (CPython issue 89437).
    bell: SimpleQueue[None] = SimpleQueue()

    def loop() -> None:
        begun.append(None)
        try:
            for item in queue:
                work(item)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            errors.append(error)
            queue.close()
        finally:
            ended.append(None)
            bell.put(None)

    try:
        started = _start(loop, limit)
        for _ in range(started):
            _hear(bell)
    except BaseException:
        queue.close()
        interrupt()
        # The threads count themselves: an interrupt may come while one is being started, or just after one has ended.
        # One that begins only now finds the queue closed.
        end = time.monotonic() + PATIENCE
        while len(ended) < len(begun) and time.monotonic() < end:
            time.sleep(POLL)
        raise
    if errors:
        raise errors[0]


def _hear(bell: SimpleQueue[None]) -> None:
    while True:
        try:
            return bell.get(timeout=_LOOK)
        except Empty:
            continue


def _start(loop: Callable[[], None], limit: int) -> int:
    """Start as many threads as the system allows, this one in place of none; how many there are."""
    for number in range(limit):
        try:
            threading.Thread(target=loop, daemon=True).start()
        except RuntimeError:  # can't start new thread: those that a scanner has started count for us, too
            if not number:
                loop()
            return max(number, 1)
    return limit


class _Queue(Iterator[T]):
    """An iterator that several threads may take from."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._lock = threading.Lock()
        self._closed = False

    def __next__(self) -> T:
        with self._lock:
            if self._closed:
                raise StopIteration
            return next(self._items)

    def close(self) -> None:
        """Give out nothing more."""
        self._closed = True
