"""What was read of registries while one plan is made: each digest is asked for once, however many indexes name it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from orchestrator.net.errors import Broken

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes that are kept; manifests and configs of a thousand images have some ten megabytes.
MOST_BYTES: Final = 64 * 1024 * 1024

Key = tuple[str, str]


class Memory:
    """Documents by location and digest, the latest used ones; safe to use from several threads.

    By location too, because who may read a digest in one repository need not be able to in another.

    Args:
        most_bytes: that are kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._size = most_bytes, 0
        self._known: OrderedDict[Key, bytes] = OrderedDict()
        self._reading: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, location: str, digest: str, read: Callable[[], bytes], *, patience: float | None = None) -> bytes:
        """A document: as it was read before, or read now, by one thread for all that want it.

        Args:
            location: of the repository.
            digest: of the document.
            read: reads and proves it.
            patience: seconds to wait for another thread that reads it; None for as long as that takes.

        Raises:
            Broken: another thread reads it for longer than that.
        """
        key = (location, digest)
        with self._lock:
            known = self._recall(key)
            reading = self._reading.setdefault(key, threading.Lock())
        if known is not None:
            return known
        if not reading.acquire(timeout=-1 if patience is None else patience):
            raise Broken(f"{location}@{digest}: no answer in time")
        try:
            with self._lock:
                known = self._recall(key)
            if known is None:
                known = read()
                self.put(location, digest, known)
            return known
        finally:
            reading.release()

    def put(self, location: str, digest: str, data: bytes) -> None:
        """Keep a document that was proven to have a digest."""
        if len(data) > self._most:
            return
        with self._lock:
            key = (location, digest)
            self._size += len(data) - len(self._known.pop(key, b""))
            self._known[key] = data
            while self._size > self._most:
                oldest, dropped = self._known.popitem(last=False)
                self._size -= len(dropped)
                self._reading.pop(oldest, None)

    def _recall(self, key: Key) -> bytes | None:
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)
