"""Standard output and standard error whose reader may have enough, as `| head` has: the command still ends as it does.

An exit status of its own for that would hide a violated policy, or report one.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Reader(io.FileIO):
    """A file that keeps nothing once nobody reads it any more."""

    def write(self, data: ReadableBuffer) -> int:
        """Write, or drop what has no reader."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Let standard output and standard error drop what nobody reads any more."""
    sys.stdout, sys.stderr = _outliving(sys.stdout), _outliving(sys.stderr)


def _outliving(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper) or stream.isatty():
        return stream
    stream.flush()
    raw = io.BufferedWriter(_Reader(stream.fileno(), "wb", closefd=False))
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=stream.line_buffering)
