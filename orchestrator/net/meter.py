"""What one answer of a stranger may cost: bytes on the wire, and time that brings nothing.

A time-out of a socket is for one read; a server that sends a byte every two seconds never meets it. So every read of
an answer passes here, framing and header included, which is where servers can send forever, too: interim answers
(RFC 9110, 15.2), header fields, chunk extensions and trailers (RFC 9112, 7.1).
"""

from __future__ import annotations

import io
import math
import time
from typing import TYPE_CHECKING, Final

from orchestrator.net.errors import TooSlow, WrongBytes

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from orchestrator.net.allowance import Allowance

#: Bytes of a status line and header fields, interim answers included. Servers themselves allow requests 8 to 64 KB.
HEAD_LIMIT: Final = 128 * 1024
#: Bytes of framing that come with a body beside it; twice the body are for chunks of a few bytes each.
FRAMING: Final = 64 * 1024
#: Bytes per second below which no answer is waited for.
RATE: Final = 4 * 1024


class Meter:
    """Counts one answer, or a chain of answers that redirect.

    A server has some seconds to begin. From its first byte on it may pause for `pause` seconds, which run down while
    nothing comes and fill up with every byte at `RATE`; time in which nobody reads does not count.

    Args:
        host: that answers, for messages.
        first: seconds until something comes.
        pause: seconds in which nothing comes, after that.
        allowance: that bytes and time are counted against.
        until: moment on the clock at which all of it must be over.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        host: str,
        *,
        first: float,
        pause: float,
        allowance: Allowance | None = None,
        until: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._pause, self._allowance, self._clock = host, pause, allowance, clock
        self._credit, self._until = first, until
        self._left, self._granted, self._what = HEAD_LIMIT, 0, "a header"

    def begin(self) -> None:
        """Let a header come: of the first answer, or of the next one in a chain."""
        self._left, self._granted, self._what = HEAD_LIMIT, 0, "a header"

    def expect(self, size: int, what: str = "an answer") -> None:
        """Let a body of this many bytes come, and its framing; said again with more while a long one comes in."""
        granted = 2 * size + FRAMING
        self._left += granted - self._granted
        self._granted, self._what = granted, what

    def read(self, source: io.RawIOBase, connection: socket.socket, buffer: memoryview) -> int:
        """One read of an answer into a buffer.

        Raises:
            TooSlow: it has taken its time.
            WrongBytes: there is more than belongs there.
            OverBudget: the allowance is used up.
            OSError: the connection broke, or nothing came in the time of one read.
        """
        connection.settimeout(self._patience(connection.gettimeout()))
        began = self._clock()
        try:
            count = source.readinto(buffer) or 0
        except TimeoutError:
            self._credit -= self._clock() - began
            self._patience(None)  # says whose time it was that is over
            raise
        self._took(count, self._clock() - began)
        return count

    def _patience(self, one_read: float | None) -> float:
        left = min(self._credit, self._until - self._clock())
        if left <= 0:
            raise TooSlow(f"{self._host}: no answer in time: what comes of it comes too slowly; is it overloaded?")
        if self._allowance is not None:
            self._allowance.check()
            left = min(left, self._allowance.seconds_left())
        return max(0.001, left if one_read is None else min(left, one_read))

    def _took(self, count: int, seconds: float) -> None:
        self._credit = min(self._pause, self._credit - seconds + count / RATE)
        self._left -= count
        if self._allowance is not None:
            self._allowance.spend(size=count)
        if self._left < 0:
            raise WrongBytes(f"{self._host}: sends more bytes than belong to {self._what}; is it a registry?")


class MeteredFile(io.RawIOBase):
    """The file that `http.client` reads an answer from, with every read metered."""

    def __init__(self, source: io.RawIOBase, connection: socket.socket, meter: Meter) -> None:
        self._source, self._connection, self._meter = source, connection, meter

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what BufferedReader hands over
        """See `Meter.read`."""
        return self._meter.read(self._source, self._connection, buffer)

    def close(self) -> None:
        """Close what it reads from, too."""
        if not self.closed:
            self._source.close()
        super().close()
