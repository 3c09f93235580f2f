"""What a proxy saw: one record per request, and the sums that tests ask for."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass
class Exchange:
    """One request and its answer.

    Attributes:
        method: of the request.
        path: without the query.
        query: what follows the `?`.
        range: the request's Range header, or "".
        scheme: first word of the request's Authorization header (`Basic`, `Bearer`), or "".
        store: True when it came to the blob store's port, after a redirect.
        status: of the answer; 0 until there is one.
        sent: bytes of the body handed to the client; counted before they are written, so that a client
            which has read them all never sees a smaller figure here.
        received: bytes of the request's body.
        started: monotonic time of the request.
        ended: monotonic time when the last byte was sent or the connection cut; None while under way.
    """

    method: str
    path: str
    query: str = ""
    range: str = ""
    scheme: str = ""
    store: bool = False
    status: int = 0
    sent: int = 0
    received: int = 0
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def digest(self) -> str:
        """The blob's digest when this is about a blob, else ""."""
        before, found, digest = self.path.rpartition("/blobs/")
        return digest if found and before and ":" in digest else ""


class Exchanges:
    """The log of one proxy, in the order of arrival."""

    def __init__(self) -> None:
        self._all: list[Exchange] = []
        self._lock = threading.Lock()

    def add(self, exchange: Exchange) -> None:
        """Called when a request arrives; the exchange is filled in as it continues."""
        with self._lock:
            self._all.append(exchange)

    def clear(self) -> None:
        """Forget what was seen so far."""
        with self._lock:
            self._all.clear()

    def __iter__(self) -> Iterator[Exchange]:
        with self._lock:
            return iter(list(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def select(self, method: str = "*", path: str = "*", status: int | None = None) -> list[Exchange]:
        """The exchanges whose method and path match these globs, and with this status when one is given."""
        return [
            e
            for e in self
            if fnmatchcase(e.method, method) and fnmatchcase(e.path, path) and status in {None, e.status}
        ]

    def count(self, method: str = "*", path: str = "*", status: int | None = None) -> int:
        """How many `select` finds."""
        return len(self.select(method, path, status))

    def bytes_sent(self, method: str = "GET", path: str = "*") -> int:
        """Body bytes handed out for what `select` finds."""
        return sum(e.sent for e in self.select(method, path))

    def blob_reads(self) -> Counter[str]:
        """For each blob digest, how many GETs brought bytes of it (200 or 206)."""
        return Counter(e.digest for e in self.select("GET") if e.digest and e.status in {200, 206})

    def blob_bytes(self) -> Counter[str]:
        """For each blob digest, how many bytes of it were handed out."""
        total: Counter[str] = Counter()
        for e in self.select("GET"):
            if e.digest and e.status in {200, 206}:
                total[e.digest] += e.sent
        return total

    def overlap(self, path: str = "*") -> int:
        """The most exchanges with such a path that were under way at the same moment."""
        edges = [(e.started, 1) for e in self.select(path=path)]
        edges += [(e.ended, -1) for e in self.select(path=path) if e.ended is not None]
        most = current = 0
        for _, step in sorted(edges):
            current += step
            most = max(most, current)
        return most
