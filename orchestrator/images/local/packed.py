"""A compressed tar file as files to read, unpacked nowhere: neither memory nor disk holds more of it than a few pieces.

One pass lists its members. Of a gzip stream that pass leaves marks, from which any place is reached soon; a zstd stream
has none, and is read from its start again. Small members are kept, so that the documents of an image cost nothing.
"""

import io
import os
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import zstandard

from orchestrator.images.members import Member, Window, list_members, refuse_others, section
from orchestrator.kit.compression import Gzip, GzipState, compression_of, decompressed
from orchestrator.kit.tar import TarEntry, TarReader
from orchestrator.net.errors import ArchiveError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: What an archive may unfold to, beside `_FOLDED` times what it takes. A real one unfolds to three times that.
MOST_UNFOLDED = 2 * 1024**3
_FOLDED = 100
#: How many times over an archive may be unfolded to reach its members.
_PASSES = 64
_SPACING = 8 << 20
_MOST_MARKS = 256
_KEPT_EACH, _KEPT_ALL = 1 << 20, 64 << 20
_PIECE = 1 << 18
_DAMAGE = (EOFError, zlib.error, zstandard.ZstdError)


class _Mark(NamedTuple):
    """A place in the plain stream, and what it takes to read on there."""

    at: int
    state: GzipState


class PackedFiles:
    """The regular members of an open tar file that is compressed; they may be read by several threads.

    Args:
        path: its name, for messages.
        file: open as long as any member is read.

    Raises:
        ArchiveError: damaged, truncated, unsafe (see `list_members`), or made to unfold beyond measure.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._descriptor, self._packed = file.fileno(), os.fstat(file.fileno()).st_size
        self._allowed = MOST_UNFOLDED + _FOLDED * self._packed
        self._left = _PASSES * self._allowed
        self._gzip = compression_of(file) == "gzip"
        self._marks: list[_Mark] = []
        self._kept: dict[int, bytes] = {}
        try:
            refuse_others(decompressed(self._section(0)), path, packed=compression_of(file))
            self._members = list_members(self._entries(), path, self._open)
        except _DAMAGE as error:
            raise ArchiveError(f"{path}: its compression is damaged or truncated; fetch it again") from error

    def size(self, name: str) -> int | None:
        """Bytes of a member."""
        return self._members[name].size if name in self._members else None

    def open(self, name: str) -> BinaryIO:
        """A member's content."""
        return self._open(self._members[name])

    def unfolded(self, offset: int) -> "Unfolded":
        """The plain stream from some place on."""
        if not self._gzip:
            return Unfolded(self, decompressed(self._section(0)), offset)
        mark = self._marks[bisect_right(self._marks, offset, key=lambda mark: mark.at) - 1]
        stream = io.BufferedReader(Gzip(self._section(mark.state.taken), mark.state), _PIECE)
        return Unfolded(self, stream, offset - mark.at)

    def spend(self, size: int) -> None:
        """Count bytes that were unfolded.

        Raises:
            ArchiveError: they are far too many.
        """
        self._left -= size
        if self._left < 0:
            raise ArchiveError(f"{self.path}: takes too long to read in its compressed form; decompress it first")

    def _open(self, member: Member) -> BinaryIO:
        if member.offset in self._kept:
            return io.BytesIO(self._kept[member.offset])
        return io.BufferedReader(_Content(self, member), _PIECE)

    def _entries(self) -> Iterator[TarEntry]:
        """One pass over the whole archive, to the end of its compression, which proves itself there."""
        first = _FirstPass(self._section(0), gzip=self._gzip, allowed=self._allowed, path=self.path)
        stream = io.BufferedReader(first, _PIECE)
        reader, kept = TarReader(stream), 0
        self._marks = first.marks
        for entry in reader:
            if entry.is_file and entry.parts is None and entry.size <= min(_KEPT_EACH, _KEPT_ALL - kept):
                kept += entry.size
                self._kept[entry.offset] = reader.read(entry)
            yield entry
        while stream.read(_PIECE):
            pass

    def _section(self, start: int) -> BinaryIO:
        return section(self._descriptor, start, self._packed - start)


class _FirstPass(io.RawIOBase):
    """The plain stream from its start, counted, with marks left on the way."""

    def __init__(self, stream: BinaryIO, *, gzip: bool, allowed: int, path: Path) -> None:
        super().__init__()
        self._stream = Gzip(stream) if gzip else decompressed(stream)
        self._allowed, self._path = allowed, path
        self._at, self._spacing = 0, _SPACING
        self.marks: list[_Mark] = []

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer as far as one read goes."""
        if isinstance(self._stream, Gzip) and (not self.marks or self._at - self.marks[-1].at >= self._spacing):
            self.marks.append(_Mark(self._at, self._stream.state()))
            if len(self.marks) > _MOST_MARKS:
                del self.marks[1::2]
                self._spacing *= 2
        count = int(self._stream.readinto(buffer))  # type: ignore[union-attr,arg-type] # all streams here have it
        self._at += count
        if self._at > self._allowed:
            raise ArchiveError(
                f"{self._path}: unfolds to more than {self._allowed:,} bytes, over {_FOLDED} times what it takes; "
                "if you trust it, decompress it yourself and name that file"
            )
        return count


class Unfolded:
    """The plain stream of an archive from some place on."""

    def __init__(self, owner: PackedFiles, stream: BinaryIO, skip: int) -> None:
        self._owner, self._stream = owner, stream
        self.skip(skip)

    def skip(self, size: int) -> None:
        """Pass over bytes."""
        while size:
            data = self.read(min(size, _PIECE))
            if not data:
                raise EOFError("it ended")
            size -= len(data)

    def read(self, size: int) -> bytes:
        """Some bytes, counted; none at the end."""
        data = self._stream.read(size)
        self._owner.spend(len(data))
        return data


class _Content(Window):
    """A member as a file; moving backwards reads the archive again."""

    def __init__(self, owner: PackedFiles, member: Member) -> None:
        super().__init__(member.size)
        self._owner, self._member = owner, member
        self._stream: Unfolded | None = None
        self._stream_at = 0

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer from the position; 0 at the end."""
        view = memoryview(buffer).cast("B")
        size = min(len(view), self._member.size - self._at)
        if size <= 0:
            return 0
        try:
            if self._stream is None or self._stream_at > self._at:
                self._stream = self._owner.unfolded(self._member.offset + self._at)
            elif self._stream_at < self._at:
                self._stream.skip(self._at - self._stream_at)
            data = self._stream.read(size)
        except _DAMAGE as error:
            raise ArchiveError(f"{self._owner.path}: changed while it was read; try again") from error
        view[: len(data)] = data
        self._at += len(data)
        self._stream_at = self._at
        return len(data)
