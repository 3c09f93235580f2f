"""The files of a local image archive, whatever holds them: a folder, a tar file, or a compressed tar file."""

import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import zstandard

from orchestrator.images.compression import compression_of, decompressed
from orchestrator.images.interface import ArchiveError
from orchestrator.images.members import Member, read_members, section
from orchestrator.model import Image

#: Largest JSON document read out of an archive.
JSON_LIMIT = 16 * 1024 * 1024


class LocalImage(NamedTuple):
    """One image of an archive.

    Attributes:
        image: with its own platform.
        manifest: its bytes.
        names: tags and reference names it has in the archive; may be none.
        group: number of the archive's entry it belongs to: the platforms of one index are one group.
    """

    image: Image
    manifest: bytes
    names: tuple[str, ...]
    group: int


class Files(Protocol):
    """Named files to read; safe to use from several threads."""

    path: Path

    def size(self, name: str) -> int | None:
        """Bytes of a file; None when there is no such one."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A file that there is, seekable."""
        ...


@contextmanager
def open_files(path: Path) -> Iterator[Files]:
    """Open a folder or a tar file (plain, gzip or zstd; a compressed one is unpacked into a temporary file).

    Raises:
        ArchiveError: it is not there, neither of these, truncated, or unsafe (see `read_members`).
    """
    if path.is_dir():
        yield FolderFiles(path)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read: {(error.strerror or '').lower()}; check the path") from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ArchiveError(f"{path}: is neither a file nor a folder")
        if compression_of(file) == "none":
            yield TarFiles(path, file)
            return
        with tempfile.TemporaryFile() as plain:
            _unpack(path, file, plain)
            yield TarFiles(path, plain)


def read_json(files: Files, name: str) -> bytes:
    """A document that must be there.

    Raises:
        ArchiveError: it is missing or too large.
    """
    size = files.size(name)
    if size is None:
        raise ArchiveError(f"{files.path}: lacks {name}; truncated, or not an image archive")
    if size > JSON_LIMIT:
        raise ArchiveError(f"{files.path}: {name} is larger than any real one ({size} bytes)")
    with files.open(name) as stream:
        return stream.read()


class TarFiles:
    """The regular members of an open, uncompressed tar file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._members: dict[str, Member] = read_members(file, path)
        self._descriptor = file.fileno()

    def size(self, name: str) -> int | None:
        """Bytes of a member."""
        return self._members[name].size if name in self._members else None

    def open(self, name: str) -> BinaryIO:
        """A member's content."""
        return section(self._descriptor, *self._members[name])


class FolderFiles:
    """The regular files of a folder; symbolic links in it are not followed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self, name: str) -> int | None:
        """Bytes of a file; a name that leads out of the folder is none of its files."""
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            return None
        try:
            found = (self.path / name).stat(follow_symlinks=False)
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, name: str) -> BinaryIO:
        """A file's content."""
        return os.fdopen(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _unpack(path: Path, packed: BinaryIO, plain: BinaryIO) -> None:
    try:
        shutil.copyfileobj(decompressed(packed), plain, 1 << 20)
        plain.flush()
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        raise ArchiveError(f"{path}: its compression is damaged or truncated; fetch it again") from error
    except OSError as error:
        reason = (error.strerror or "its compression is damaged").lower()
        raise ArchiveError(f"{path}: cannot be unpacked into {tempfile.gettempdir()}: {reason}") from error
