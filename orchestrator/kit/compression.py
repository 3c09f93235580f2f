"""Compressed streams as plain ones: gzip and zstd, told by their first bytes, as container runtimes tell them.

Any number of gzip members or zstd frames in a row are one stream, and what follows the last of them must be another:
rubbish there is damage, as it is to Go's `compress/gzip`, so that nobody sees more of a layer than we do.
"""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO, NamedTuple

import zstandard

_ZSTD_WINDOW = 1 << 27  # 128 MiB, what `zstd --long` needs; more is an attack on our memory
# zstd can fold 128 KiB into 4 bytes: what one piece of input unfolds to is held in memory, and stays below 64 MiB so.
_ZSTD_INPUT = 2048
_GZIP_INPUT = 1 << 15
#: What a new gzip member is read by first: what lies behind its end is copied, so that many tiny ones cost no more.
_GZIP_FIRST = 512
_GZIP = 16 + zlib.MAX_WBITS  # zlib's word for a gzip header and trailer, both proven
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def decompressed(stream: BinaryIO) -> BinaryIO:
    """A gzip, zstd or plain stream as plain bytes; the first bytes tell which.

    Reading raises `EOFError`, `zlib.error` or `zstandard.ZstdError` where it is truncated or damaged.
    """
    kind = compression_of(stream)
    if kind == "gzip":
        return io.BufferedReader(Gzip(stream), 1 << 18)
    if kind == "zstd":
        return io.BufferedReader(_Zstd(stream), 1 << 17)
    return stream


class GzipState(NamedTuple):
    """A place within a gzip stream from which it can be read on.

    Attributes:
        taken: bytes of input used up to there.
        member: what zlib knows there, to be copied before it is used; None between two members.
    """

    taken: int
    member: zlib._Decompress | None


class Gzip(io.RawIOBase):
    """The plain bytes of a gzip stream of any number of members (RFC 1952).

    Args:
        stream: the input; when it is read on from a place, already there.
        state: of that place.
    """

    def __init__(self, stream: BinaryIO, state: GzipState = GzipState(0, None)) -> None:  # noqa: B008 - it is frozen
        super().__init__()
        self._stream = stream
        self._input = memoryview(b"")  # read, not unfolded yet
        self._piece = _GZIP_FIRST
        self._taken = state.taken
        self._member = state.member.copy() if state.member else None

    def readable(self) -> bool:
        """Yes."""
        return True

    def state(self) -> GzipState:
        """The place it is at; some 40 KB."""
        return GzipState(self._taken, self._member.copy() if self._member else None)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # the stubs want any Buffer
        """Fill the buffer as far as one piece of input goes.

        Raises:
            EOFError: the input ends within a member.
            zlib.error: the input is damaged.
        """
        while True:
            if not self._input:
                self._input = memoryview(self._stream.read(_GZIP_INPUT))
            if self._member is None:
                if not self._input:
                    return 0
                self._member, self._piece = zlib.decompressobj(_GZIP), _GZIP_FIRST
            piece = self._input[: self._piece]
            data = self._member.decompress(piece, len(buffer))
            used = len(piece) - len(self._member.unused_data if self._member.eof else self._member.unconsumed_tail)
            self._input = self._input[used:]
            self._taken += used
            self._piece = min(2 * self._piece, _GZIP_INPUT)
            if self._member.eof:
                self._member = None
            elif not piece and not data:
                raise EOFError("compressed file ended before the end of its gzip stream was reached")
            if data:
                buffer[: len(data)] = data
                return len(data)


class _Zstd(io.RawIOBase):
    """The plain bytes of a zstd stream of any number of frames.

    `zstandard`'s own reader takes the end of its input for the end of the data, even within a frame: a truncated layer
    would look like a short one.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._pending = memoryview(b"")
        self._begun = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # the stubs want any Buffer
        """Fill the buffer with what is there, or else with what the next piece of input gives.

        Raises:
            EOFError: the input ends within a frame.
            zstandard.ZstdError: the input is damaged.
        """
        while not self._pending:
            left_over = self._frame.unused_data if self._frame.eof else b""
            data = left_over or self._stream.read(_ZSTD_INPUT)
            if not data:
                if self._begun and not self._frame.eof:
                    raise EOFError("compressed file ended before the end of its zstd frame was reached")
                return 0
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._begun = True
            self._pending = memoryview(self._frame.decompress(data))
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count


def compression_of(stream: BinaryIO) -> str:
    """`gzip`, `zstd` or `none`, by the first bytes of a seekable stream, which is then at its start again."""
    start = stream.read(4)
    stream.seek(0)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "none")
