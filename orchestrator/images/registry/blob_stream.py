"""A blob as it comes in, or the rest of one: where what a registry serves begins, and how much it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.kit.http_headers import range_start, whole_number
from orchestrator.net.answers import RangeRefused

if TYPE_CHECKING:
    from orchestrator.net.answers import Answer

_PARTIAL = 206


class BlobStream:
    """A blob, or the rest of one, as it comes in.

    Attributes:
        start: offset in the blob of the first byte that will come; 0 where the server ignored the wish for a later one.
        promised: bytes to come, as the server says; None when it does not.
    """

    def __init__(self, answer: Answer, start: int) -> None:
        self.start = start
        self.promised = whole_number(answer.headers.get("Content-Length"))
        self._answer = answer

    def abort(self) -> None:
        """Make a read in another thread end at once."""
        self._answer.abort()

    def read(self, size: int) -> bytes:
        """What has come in, at most this many bytes; empty at the end.

        Raises:
            Broken: the connection failed, or is too slow to be worth it.
        """
        return self._answer.read_some(size)

    def read_into(self, buffer: memoryview) -> int:
        """Put what has come in into a buffer, at most as much as fits; 0 at the end.

        Raises:
            Broken: as `read` does.
        """
        return self._answer.read_into(buffer)


def start_of(answer: Answer, offset: int) -> int:
    """Where in the blob an answer to a Range request begins: at the offset, or at 0 where Range was ignored.

    Raises:
        RangeRefused: it is of another range.
    """
    if answer.status != _PARTIAL:
        return 0
    if range_start(answer.headers.get("Content-Range")) != offset:
        raise RangeRefused(f"{answer.host} answers with another range than was asked for")
    return offset
