"""The few files of a database out of its archive: bounded in bytes and members, plain files, under our own names."""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, cast

import zstandard

from orchestrator.databases.interface import DatabaseRefused
from orchestrator.kit.compression import decompressed
from orchestrator.kit.tar import EntryKind, TarError, TarReader
from orchestrator.volume.layout import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from orchestrator.databases.interface import FetchLimit

_CHUNK = 1024 * 1024
#: Databases have a handful of files; more are an attempt to keep us busy.
_MOST_MEMBERS = 10_000
_DAMAGED = (TarError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError, EOFError, ValueError, OverflowError)


def unpack(
    archive: Path, wanted: Mapping[str, Path], *, limit: int, origin: str, watch: FetchLimit, mode: int = 0o644
) -> None:
    """Write the wanted members of a tar archive, compressed or not; what else is in it is passed over.

    Args:
        archive: on our disk, verified.
        wanted: where each goes, by its name in the archive.
        limit: most bytes that the whole archive may unpack to.
        origin: for messages.
        watch: when to stop.
        mode: permissions of the files.

    Raises:
        DatabaseRefused: it is damaged, too large, has a wanted member twice or not at all, or anything in it is
            neither a file nor a folder.
    """
    missing = set(wanted)
    with archive.open("rb") as file, _damage(origin):
        for name, content in _files(_Bounded(_plain(file, 0), limit, watch)):
            if name not in wanted:
                continue
            if name not in missing:
                raise DatabaseRefused(f"{origin}: holds {name} twice")
            missing.discard(name)
            with atomic_file(wanted[name], mode=mode) as output:
                for piece in content:
                    output.write(piece)
    if missing:
        raise DatabaseRefused(f"{origin}: the archive lacks {', '.join(sorted(missing))}")


def read_member(
    archive: Path, name: str, *, limit: int, most: int, origin: str, watch: FetchLimit, skip: int = 0
) -> bytes:
    """One small member; what follows it is not read.

    Args:
        archive: as for `unpack`.
        name: of the member.
        limit: most bytes that all before it may unpack to.
        most: bytes it may have.
        origin: for messages.
        watch: when to stop.
        skip: bytes before the archive begins.

    Raises:
        DatabaseRefused: the archive is damaged before it, or there is none that is so small.
    """
    with archive.open("rb") as file, _damage(origin):
        for found, content in _files(_Bounded(_plain(file, skip), limit, watch)):
            if found == name:
                data = b"".join(islice(content, -(-most // _CHUNK) + 1))
                if len(data) <= most:
                    return data
                raise _TooMuch(f"{name} has more than {most} bytes")
    raise DatabaseRefused(f"{origin}: the archive lacks {name}")


@contextmanager
def _damage(origin: str) -> Iterator[None]:
    """Say of what a damaged archive is.

    Raises:
        DatabaseRefused: instead of whatever a reader makes of it.
    """
    try:
        yield
    except _DAMAGED as error:
        raise DatabaseRefused(f"{origin}: the archive is damaged: {error}") from error
    except _TooMuch as error:
        raise DatabaseRefused(f"{origin}: {error}") from error


def _plain(file: BinaryIO, skip: int) -> BinaryIO:
    """What an archive unpacks to."""
    return decompressed(cast("BinaryIO", _After(file, skip)))


class _TooMuch(Exception):  # noqa: N818 - the name says what happened
    """More than was allowed; says of what."""


def _files(stream: _Bounded) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The files of an archive, their content to be read before the next one is asked for."""
    reader = TarReader(cast("BinaryIO", stream))  # it is one in all but name
    for count, entry in enumerate(reader):
        if count >= _MOST_MEMBERS:
            raise _TooMuch(f"more than {_MOST_MEMBERS} members")
        name = entry.name.removeprefix("./")
        if entry.is_file and entry.parts is None:
            yield name, reader.pieces(_CHUNK)
        elif entry.kind not in {EntryKind.FOLDER, EntryKind.GLOBAL}:
            raise _TooMuch(f"{name[:80]!r} is neither a plain file nor a folder, which no database has")


class _After(io.RawIOBase):
    """What follows in a file after some bytes at its start, as if it began there."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._file, self._start = file, start
        self.seek(0)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # the stubs want any Buffer
        """The next bytes."""
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to an offset from the new start; nothing else is asked for."""
        if whence:
            raise io.UnsupportedOperation("only from the start")
        return self._file.seek(self._start + offset) - self._start


class _Bounded(io.RawIOBase):
    """A stream that ends in an error once it has given more than it may, or when time is up."""

    def __init__(self, stream: BinaryIO, limit: int, watch: FetchLimit) -> None:
        super().__init__()
        self._stream, self._left, self._limit, self._watch = stream, limit, limit, watch

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """This number of bytes, or fewer at the end.

        Raises:
            _TooMuch: there are more than allowed.
        """
        self._watch.check()
        if size > self._left:
            size = self._left + 1
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _TooMuch(
                f"unpacks to more than the limit of {self._limit} bytes; if that is its size now, raise `limit`"
            )
        return data
