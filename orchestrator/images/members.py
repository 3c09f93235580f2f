"""Tar files as a table of regular members, read in place; what could lead out of an archive is refused by name."""

import io
import os
import posixpath
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from orchestrator.kit.signatures import HEAD, is_page, kind_of
from orchestrator.kit.tar import EntryKind, TarEntry, TarError, TarReader
from orchestrator.kit.tar.header import has_checksum
from orchestrator.net.errors import ArchiveError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Far above any image archive (three members a layer), far below what a table of them would cost us.
_MEMBER_LIMIT = 20_000
# Longer than the longest path that Linux opens.
_NAME_LIMIT = 4096
_CHUNK = 1 << 20
#: File types of stat(2), which belong into the type flag but stand in the mode of some archives, too.
_FILE_TYPE, _FOLDER_TYPE = 0o100_000, 0o040_000
_TYPES = {_FILE_TYPE, _FOLDER_TYPE, 0o010_000, 0o020_000, 0o060_000, 0o120_000, 0o140_000}


class Member(NamedTuple):
    """Where a regular member's content lies."""

    offset: int
    size: int


class Window(io.RawIOBase):
    """A part of something as a read-only file with a position of its own.

    Args:
        size: bytes of the part.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._at = size, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position from the part's start."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; never before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at


class FileSection(Window):
    """A part of an open file; several may be read at once."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        super().__init__(size)
        self._descriptor, self._offset = descriptor, offset

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer from the position; 0 at the end."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        count = os.preadv(self._descriptor, [view], self._offset + self._at)
        self._at += count
        return count


def section(descriptor: int, offset: int, size: int) -> BinaryIO:
    """A buffered, read-only view of a part of an open file, which must stay open as long as it is used."""
    return io.BufferedReader(FileSection(descriptor, offset, size), 1 << 18)


def refuse_others(stream: BinaryIO, path: Path | str, *, packed: str = "") -> None:
    """Name what is no tar, where its first bytes tell; a seekable stream is then at its start again.

    Args:
        stream: at its start.
        path: its name, for messages.
        packed: how it was unpacked to get there (`gzip`).

    Raises:
        ArchiveError: it is a known kind of file, and no tar.
    """
    head = stream.read(HEAD)
    if stream.seekable():
        stream.seek(0)
    kind = kind_of(head)
    if not kind or has_checksum(head.ljust(HEAD, b"\0")):
        return
    if packed:
        kind = f"{kind}, compressed by {packed}"
    if is_page(head):
        raise ArchiveError(f"{path}: is {kind}: the login or error page of where it was downloaded; download it again")
    raise ArchiveError(f"{path}: is {kind}, which is not read here; make it a tar, plain or compressed by gzip or zstd")


def read_members(file: BinaryIO, path: Path) -> dict[str, Member]:
    """List the regular members of an uncompressed tar file, without reading their content; see `list_members`.

    Args:
        file: the tar file, seekable.
        path: its name, for messages.

    Raises:
        ArchiveError: as `list_members` does.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    return list_members(TarReader(file, length=length), path, lambda member: section(file.fileno(), *member))


def list_members(
    entries: Iterable[TarEntry], path: Path, open_member: Callable[[Member], BinaryIO]
) -> dict[str, Member]:
    """The regular members of an archive by their normalised names.

    Folders are left out. A symbolic or hard link that names another regular member of the archive counts as that
    member (`docker save` shares equal layers so); nothing is ever written under any of these names. Of two members with
    one name some tools read the first and some the last, so both must have the same content.

    Args:
        entries: as a `TarReader` gives them.
        path: name of the archive, for messages.
        open_member: opens the content of one.

    Raises:
        ArchiveError: not a tar file, truncated, or with a name, link or device that has no place in an image archive.
    """
    table = _Table(path, open_member)
    try:
        for number, entry in enumerate(entries):
            if number >= _MEMBER_LIMIT:
                raise ArchiveError(f"{path}: more than {_MEMBER_LIMIT} members, so not an image archive")
            table.add(entry)
    except TarError as error:
        raise ArchiveError(f"{path}: not a tar file, or damaged: {error}; fetch or save it again") from error
    return table.resolved()


class _Table:
    """Members and links of an archive by their normalised names."""

    def __init__(self, path: Path, open_member: Callable[[Member], BinaryIO]) -> None:
        self._path, self._open = path, open_member
        self._members: dict[str, Member] = {}
        self._links: dict[str, str] = {}
        self._folders: set[str] = set()

    def add(self, entry: TarEntry) -> None:
        """Add one more entry."""
        if entry.kind == EntryKind.GLOBAL:
            return
        name = self._safe_name(entry.name)
        self._check_mode(entry)
        if entry.kind == EntryKind.FOLDER:
            self._folders.add(name)
        elif entry.is_file and entry.parts is None:
            self._put_member(name, Member(entry.offset, entry.size))
        elif entry.kind in {EntryKind.SYMBOLIC_LINK, EntryKind.HARD_LINK}:
            self._put_link(name, self._link_target(name, entry))
        else:
            raise ArchiveError(
                f"{self._path}: {_short(entry.name)} is a device or special file; nothing of it was read"
            )

    def resolved(self) -> dict[str, Member]:
        """All members, those under the names of links too."""
        for name in self._members.keys() | self._links.keys():
            if name in self._folders:
                raise ArchiveError(f"{self._path}: {_short(name)} is a folder and a file at once; refused")
        found = dict(self._members)
        for name, target in self._links.items():
            if target not in self._members:
                raise ArchiveError(
                    f"{self._path}: {_short(name)} is a link to {_short(target)}, no file of the archive; refused"
                )
            found[name] = self._members[target]
        return found

    def _put_member(self, name: str, member: Member) -> None:
        before = self._members.setdefault(name, member)
        if name in self._links or not self._equal(before, member):
            raise self._twice(name)

    def _put_link(self, name: str, target: str) -> None:
        if name in self._members or self._links.setdefault(name, target) != target:
            raise self._twice(name)

    def _twice(self, name: str) -> ArchiveError:
        return ArchiveError(
            f"{self._path}: has {_short(name)} twice, and tools differ over which of them counts; save the image again"
        )

    def _equal(self, one: Member, other: Member) -> bool:
        if one.offset == other.offset or one.size != other.size:
            return one.size == other.size
        with self._open(one) as first, self._open(other) as second:
            while data := first.read(_CHUNK):
                if data != second.read(_CHUNK):
                    return False
        return True

    def _safe_name(self, name: str) -> str:
        parts = name.split("/", _NAME_LIMIT)
        if len(name) > _NAME_LIMIT:
            raise ArchiveError(f"{self._path}: a member name of {len(name)} characters; nothing of it was read")
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise ArchiveError(
                f"{self._path}: the member name {_short(name)} leads out of the archive; nothing of it was read"
            )
        return posixpath.normpath(name)

    def _link_target(self, name: str, entry: TarEntry) -> str:
        base = posixpath.dirname(name) if entry.kind == EntryKind.SYMBOLIC_LINK else ""
        if len(entry.link) > _NAME_LIMIT:
            raise ArchiveError(f"{self._path}: the link {_short(name)} leads to a name that is too long; refused")
        target = posixpath.normpath(posixpath.join(base, entry.link))
        if target.startswith(("/", "../")) or target == "..":
            raise ArchiveError(
                f"{self._path}: the link {_short(name)} leads out of the archive, to {_short(entry.link)}; refused; if"
                " it is a file system, as `docker export` writes it, use `docker save`"
            )
        return target

    def _check_mode(self, entry: TarEntry) -> None:
        """Skopeo asks the mode, too, what a member is: a file that it takes for a link would be another file there."""
        expected = _FOLDER_TYPE if entry.kind == EntryKind.FOLDER else _FILE_TYPE
        if entry.kind != EntryKind.SYMBOLIC_LINK and (entry.mode & ~0o7777) in _TYPES - {expected}:
            raise ArchiveError(
                f"{self._path}: type and mode of {_short(entry.name)} say different things; nothing of it was read"
            )


def _short(name: str) -> str:
    return repr(name if len(name) <= 200 else f"{name[:200]}…")  # noqa: PLR2004 - a line or two
