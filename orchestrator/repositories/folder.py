"""A plain folder of this machine as a repository of one commit, so that all that scans repositories scans it.

What is in it is copied as it stands, whatever `.gitignore` says; the same files give the same commit. No link is
followed: a symbolic link is kept as one. `.git`, other filesystems that are mounted in it, and our own volume are left
out, and so are devices, pipes and sockets.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.git.command import Git
from orchestrator.kit.removal import remove_quietly, temporary_folder
from orchestrator.kit.trees import walk
from orchestrator.repositories.bounds import RepositoryError, judge_path
from orchestrator.volume.kept import remove_unused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.kit.trees import TreeEntry
    from orchestrator.repositories.bounds import Bounds

_BRANCH = "refs/heads/folder"
_TIMEOUT = 600.0
_CHUNK = 1 << 20
#: Folders are allowed as many times as files.
_ENTRIES = 4


class FolderChangedError(TemporaryError):
    """Somebody writes to the folder while it is read."""


class FolderError(PermanentError):
    """A folder cannot be scanned; the message says why."""


class FolderCopy(NamedTuple):
    """A folder as a repository.

    Attributes:
        url: of the repository.
        commit: full hash.
        left_out: what of the folder is not in it, a sentence each.
    """

    url: str
    commit: str
    left_out: tuple[str, ...]


def copy_folder(folder: Path, into: Path, bounds: Bounds, *, without: Path) -> FolderCopy:
    """Copy a folder's files into a repository; one that has the same files already is used again.

    Args:
        folder: where they are.
        into: folder for such repositories.
        bounds: what the files may take.
        without: a folder that is left out: our own volume.

    Raises:
        FolderError: it is no folder, cannot be read, holds no file, or is the volume itself.
        RepositoryError: it is larger than allowed, or a file's name cannot be written.
        FolderChangedError: it changes meanwhile.
    """
    top = Path(os.path.realpath(folder))
    if not top.is_dir():
        raise FolderError(f"{folder}: is not a folder; check the path")
    if _is_within(into, top) and _is_within(top, without):
        raise FolderError(
            f"{folder}: is the volume, where its own copy is made; name another folder, or another volume"
        )
    into.mkdir(parents=True, exist_ok=True)
    remove_unused(into)
    with temporary_folder(prefix=".folder-", parent=into) as work:
        git = Git(f"file://{quote(str(work))}", _BRANCH, work, os.environ, host="", timeout=_TIMEOUT)
        git("init", "--quiet", "--bare", "--template=", "--initial-branch=folder")
        reading = _Reading(top, bounds, Path(os.path.realpath(without)))
        with (work / "files").open("w+b") as stream:
            try:
                reading.write(stream)
            except OSError as error:
                if error.filename is None:
                    raise
                raise FolderError(f"{folder}: {error.filename} cannot be read: {error.strerror}") from error
            stream.seek(0)
            git.feed(stream, "fast-import", "--quiet", "--date-format=raw")
        commit = git("rev-parse", _BRANCH).decode().strip()
        final = into / f"dir-{commit}.git"
        try:
            git.repository.rename(final)
        except OSError:
            if not final.is_dir():
                raise
            remove_quietly(git.repository)  # the very same files
        os.utime(final)
    return FolderCopy(f"file://{quote(str(final))}", commit, tuple(reading.sentences()))


class _Reading:
    """Writes the files of a folder as `git fast-import` reads them."""

    def __init__(self, top: Path, bounds: Bounds, without: Path) -> None:
        self._top, self._bounds = top, bounds
        self._device = top.stat().st_dev
        self._without = _below(without, top)
        self._left_out = Counter[str]()
        self._size = self._files = self._entries = 0

    def write(self, stream: IO[bytes]) -> None:
        """All of them, as one commit that is the same for the same files."""
        stream.write(f"commit {_BRANCH}\ncommitter scanmatrix <scanmatrix@localhost> 0 +0000\ndata 0\n".encode())
        for entry in walk(self._top, into=lambda folder: not self._is_closed(folder)):
            if self._is_wanted(entry):
                self._count(entry)
                if entry.is_file:
                    self._put_file(entry, stream)
                elif stat.S_ISLNK(entry.status.st_mode):
                    target = os.readlink(entry.name, dir_fd=entry.trail.descriptor)
                    self._put(entry, "120000", os.fsencode(target), stream)
        if not self._files:
            raise FolderError(f"{self._top}: holds no file")

    def sentences(self) -> Iterator[str]:
        """What was left out."""
        for what, count in sorted(self._left_out.items()):
            yield f"{self._top}: {count:,} {what}"

    def _is_wanted(self, entry: TreeEntry) -> bool:
        if self._is_closed(entry):
            if entry.status.st_dev != self._device:
                self._left_out["things on other filesystems are left out"] += 1
            return False
        if not (entry.is_folder or entry.is_file or stat.S_ISLNK(entry.status.st_mode)):
            self._left_out["devices, pipes and sockets are left out"] += 1
            return False
        return True

    def _is_closed(self, entry: TreeEntry) -> bool:
        """Whether it is `.git`, our volume or of another filesystem: what is in these costs nothing and is not read."""
        if entry.name.lower() == ".git" or entry.status.st_dev != self._device:
            return True
        return bool(self._without) and (*entry.trail.names, entry.name) == self._without

    def _count(self, entry: TreeEntry) -> None:
        self._entries += 1
        if not entry.is_folder:
            judge_path(entry.relative)
            self._files += 1
            self._size += entry.status.st_size
        if self._files > self._bounds.files or self._entries > _ENTRIES * self._bounds.files:
            raise self._told(self._bounds.too_many())
        if self._size > self._bounds.size:
            raise self._told(self._bounds.too_large())

    def _told(self, error: RepositoryError) -> RepositoryError:
        return RepositoryError(f"{self._top}: {error}")

    def _put_file(self, entry: TreeEntry, stream: IO[bytes]) -> None:
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(entry.name, flags, dir_fd=entry.trail.descriptor)
        except PermissionError:
            self._left_out["files may not be read"] += 1
            self._files -= 1
            return
        except OSError as error:
            raise FolderChangedError(f"{self._top}/{entry.relative}: changed while it was read; try again") from error
        with os.fdopen(descriptor, "rb") as file:
            now = os.fstat(descriptor)
            if not stat.S_ISREG(now.st_mode) or now.st_size != entry.status.st_size:
                raise FolderChangedError(f"{self._top}/{entry.relative}: changed while it was read; try again")
            self._begin(entry, "100755" if now.st_mode & 0o111 else "100644", now.st_size, stream)
            left = now.st_size
            while left and (data := file.read(min(left, _CHUNK))):
                stream.write(data)
                left -= len(data)
            if left:
                raise FolderChangedError(f"{self._top}/{entry.relative}: changed while it was read; try again")
        stream.write(b"\n")

    def _put(self, entry: TreeEntry, mode: str, data: bytes, stream: IO[bytes]) -> None:
        self._begin(entry, mode, len(data), stream)
        stream.write(data + b"\n")

    @staticmethod
    def _begin(entry: TreeEntry, mode: str, size: int, stream: IO[bytes]) -> None:
        path = os.fsencode(entry.relative).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        stream.write(b'M %s inline "%s"\ndata %d\n' % (mode.encode(), path, size))


def _is_within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _below(path: Path, top: Path) -> tuple[str, ...]:
    """The names that lead from a folder to one in it; none where it is elsewhere."""
    return path.relative_to(top).parts if path.is_relative_to(top) else ()
