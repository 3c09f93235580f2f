"""The files of a local image archive, whatever holds them: a folder, a tar file, or a compressed tar file."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from orchestrator.images.local.packed import PackedFiles
from orchestrator.images.members import Member, read_members, refuse_others, section
from orchestrator.kit.compression import compression_of
from orchestrator.model import Image
from orchestrator.net.errors import ArchiveError

#: Largest JSON document read out of an archive.
JSON_LIMIT = 16 * 1024 * 1024
#: Folders on the way to a file are entered, not read; macOS opens them for reading instead.
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalImage(NamedTuple):
    """One image of an archive.

    Attributes:
        image: with its own platform.
        manifest: its bytes.
        names: tags and reference names it has in the archive; may be none.
        group: number of the archive's entry it belongs to: the platforms of one index are one group.
        indexes: digests of the indexes that lead to it, the outermost first; `index.json` of a layout is none of them.
    """

    image: Image
    manifest: bytes
    names: tuple[str, ...]
    group: int
    indexes: tuple[str, ...] = ()


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
    """Open a folder or a tar file; a compressed one (gzip or zstd) is read in place and unpacked nowhere.

    Raises:
        ArchiveError: it is not there, neither of these, truncated, or unsafe (see `list_members`).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would keep us waiting
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read: {(error.strerror or '').lower()}; check the path") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        try:
            yield FolderFiles(path, descriptor)
        finally:
            os.close(descriptor)
        return
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(mode):
            raise ArchiveError(f"{path}: is neither a file nor a folder")
        if not os.fstat(descriptor).st_size:
            raise ArchiveError(f"{path}: is an empty file; download it or save the image again")
        if compression_of(file) == "none":
            refuse_others(file, path)
            yield TarFiles(path, file)
        else:
            yield PackedFiles(path, file)


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
    """The regular files of a folder; symbolic links in it are not followed, wherever in a name they stand."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._root = path, descriptor

    def size(self, name: str) -> int | None:
        """Bytes of a file; a name that leads out of the folder is none of its files."""
        try:
            descriptor = self._open(name)
        except OSError:
            return None
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def open(self, name: str) -> BinaryIO:
        """A file's content."""
        return os.fdopen(self._open(name), "rb")

    def _open(self, name: str) -> int:
        """Open a regular file, one part of its name after the other.

        Raises:
            OSError: there is none of this name, or a link stands on the way to it.
        """
        *folders, last = name.split("/")
        if "\0" in name or {"", ".."} & {*folders, last}:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        with ExitStack() as stack:
            here = self._root
            for folder in folders:
                here = os.open(folder, _ENTER, dir_fd=here)
                stack.callback(os.close, here)
            descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file", name)
        return descriptor
