"""Tar files as a table of regular members, read in place; what could lead out of an archive is refused by name."""

import io
import os
import posixpath
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from orchestrator.images.interface import ArchiveError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Far above any image archive (three members a layer), far below what a table of them would cost us.
_MEMBER_LIMIT = 20_000
# tarfile reads an extended header whole into memory, whatever size it claims.
_READ_LIMIT = 4 * 1024 * 1024


class Member(NamedTuple):
    """Where a regular member's content lies."""

    offset: int
    size: int


class Section(io.RawIOBase):
    """A part of a file as a file of its own; several may be read at once."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        super().__init__()
        self._descriptor, self._offset, self._size, self._at = descriptor, offset, size, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position from the section's start."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; never before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer from the position; 0 at the end."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        count = os.preadv(self._descriptor, [view], self._offset + self._at)
        self._at += count
        return count


def section(descriptor: int, offset: int, size: int) -> BinaryIO:
    """A buffered, read-only view of a part of an open file, which must stay open as long as it is used."""
    return io.BufferedReader(Section(descriptor, offset, size), 1 << 18)


def read_members(file: BinaryIO, path: Path) -> dict[str, Member]:
    """List the regular members of an uncompressed tar file by their normalised names, without reading their content.

    Folders are left out. A symbolic or hard link that names another regular member of the archive counts as that
    member (`docker save` shares equal layers so); nothing is ever written under any of these names.

    Args:
        file: the tar file, seekable.
        path: its name, for messages.

    Raises:
        ArchiveError: not a tar file, truncated, or with a name, link or device that has no place in an image archive.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    members: dict[str, Member] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=_Bounded(file), mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= _MEMBER_LIMIT:
                    raise ArchiveError(f"{path}: more than {_MEMBER_LIMIT} members, so not an image archive")
                name = _safe_name(member.name, path)
                if member.isreg() and not member.issparse():
                    _check_end(member, length, path)
                    members[name] = Member(member.offset_data, member.size)
                elif member.issym() or member.islnk():
                    links[name] = _link_target(name, member, path)
                elif not member.isdir():
                    raise ArchiveError(f"{path}: {member.name!r} is a device or special file; nothing of it was read")
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise ArchiveError(f"{path}: not a tar file, or damaged: {error}") from error
    for name, target in links.items():
        if target not in members:
            raise ArchiveError(f"{path}: {name!r} is a link to {target!r}, which is no file of the archive; refused")
        members[name] = members[target]
    return members


def _safe_name(name: str, path: Path) -> str:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise ArchiveError(f"{path}: the member name {name!r} leads out of the archive; nothing of it was read")
    return posixpath.normpath(name)


def _link_target(name: str, member: tarfile.TarInfo, path: Path) -> str:
    base = posixpath.dirname(name) if member.issym() else ""
    target = posixpath.normpath(posixpath.join(base, member.linkname))
    if target.startswith(("/", "../")) or target == "..":
        raise ArchiveError(f"{path}: the link {name!r} leads out of the archive, to {member.linkname!r}; refused")
    return target


def _check_end(member: tarfile.TarInfo, length: int, path: Path) -> None:
    if member.size < 0 or member.offset_data + member.size > length:
        raise ArchiveError(f"{path}: truncated: {member.name!r} ends after the end of the file; fetch it again")


class _Bounded(io.RawIOBase):
    """Refuses reads no honest tar header needs."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _READ_LIMIT:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
