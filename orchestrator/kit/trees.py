"""Trees of files that a stranger made: walked without recursion and without a path, whatever their depth and names.

`os.walk`, `Path.rglob` and `shutil.rmtree` call themselves once a level, or name what they look at by its whole path: a
tree of some thousand levels ends them with RecursionError or ENAMETOOLONG. A `Trail` has one folder open at a time. It
goes down by a name in that folder, never through a symbolic link, and up by `..`, which must be the folder that it came
from: somebody may be moving folders meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

#: Bytes of a block of stat(2), whatever the filesystem's own.
BLOCK = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: What an owner needs of a folder to read it, and to remove what is in it.
READABLE, WRITABLE = 0o500, 0o700
_MOST_LOOKS = 20  # at a tree whose folders somebody moves
_SHOWN = 120  # characters of a path at either end, for messages


class MovedError(OSError):
    """A folder was moved or removed while it was looked at."""


class Trail:
    """An open folder of a tree, and the way to it.

    Args:
        top: of the tree.
        grant: `READABLE` or `WRITABLE` to give us, its owner, that right to each folder that withholds it; only where
            modes are of no account.

    Attributes:
        descriptor: of the folder.
        names: of the folders on the way to it, below the top.

    Raises:
        OSError: the top is no folder, or cannot be read.
    """

    def __init__(self, top: Path, *, grant: int = 0) -> None:
        self._top = top
        self._grant = grant
        self._above: list[tuple[int, int]] = []
        self.names: list[str] = []
        self.descriptor = _open(os.fspath(top), None, grant)

    def enter(self, name: str) -> None:
        """Go into a folder of this one.

        Raises:
            OSError: it is none, has gone, or cannot be read.
        """
        try:
            below = _open(name, self.descriptor, self._grant)
        except OSError as error:
            error.filename = self.path(name)
            raise
        self._above.append(_identity(self.descriptor))
        self.names.append(name)
        self._replace(below)

    def leave(self) -> str:
        """Go back to the folder above; returns the name of the one that was left.

        Raises:
            MovedError: that is not where this one lies any more.
        """
        try:
            above = os.open("..", _FOLDER, dir_fd=self.descriptor)
        except OSError as error:
            raise MovedError(errno.ESTALE, "was moved or removed meanwhile", self.path()) from error
        if _identity(above) != self._above[-1]:
            os.close(above)
            raise MovedError(errno.ESTALE, "was moved meanwhile", self.path())
        self._above.pop()
        self._replace(above)
        return self.names.pop()

    def path(self, name: str = "") -> str:
        """The path of something in this folder, for people: one that is very long without its middle."""
        text = "/".join((os.fspath(self._top), *self.names, *([name] if name else [])))
        return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN:]}"

    def close(self) -> None:
        """Close the folder."""
        os.close(self.descriptor)

    def _replace(self, descriptor: int) -> None:
        os.close(self.descriptor)
        self.descriptor = descriptor


class TreeEntry(NamedTuple):
    """Something in a tree, until the walk is asked for the next one.

    Attributes:
        name: in its folder.
        status: of itself, not of what a link leads to.
        trail: to its folder.
    """

    name: str
    status: os.stat_result
    trail: Trail

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)

    @property
    def identity(self) -> tuple[int, int]:
        """The same for all names of a file."""
        return self.status.st_dev, self.status.st_ino

    @property
    def relative(self) -> str:
        """Its path below the top."""
        return "/".join((*self.trail.names, self.name))

    @property
    def depth(self) -> int:
        """Number of folders that it lies in, below the top."""
        return len(self.trail.names)


class TreeSize(NamedTuple):
    """What a tree takes.

    Attributes:
        disk: bytes on the disk.
        entries: files and folders.
    """

    disk: int = 0
    entries: int = 0


@contextmanager
def trail_of(top: Path, *, grant: int = 0) -> Iterator[Trail]:
    """A trail that is closed with the block; see `Trail`."""
    trail = Trail(top, grant=grant)
    try:
        yield trail
    finally:
        trail.close()


def walk(top: Path, *, grant: int = 0, into: Callable[[TreeEntry], bool] | None = None) -> Iterator[TreeEntry]:
    """Everything below a folder, each folder before what is in it; what is not there, or goes meanwhile, is nothing.

    Costs one open folder, and memory for the names of the folders beside those on the way.

    Args:
        top: the folder.
        grant: as for `Trail`.
        into: whether to go into a folder; None for all of them.

    Raises:
        MovedError: somebody moves its folders.
        OSError: a folder cannot be read.
    """
    if not os.path.lexists(top):
        return
    with trail_of(top, grant=grant) as trail:
        waiting: list[list[str]] = [[]]
        while waiting:
            for entry in _entries(trail):
                if entry.is_folder and (into is None or into(entry)):
                    waiting[-1].append(entry.name)
                yield entry
            while waiting and not _enter_one(trail, waiting[-1]):
                waiting.pop()
                if waiting:
                    trail.leave()
            if waiting:
                waiting.append([])


def measure(tops: Iterable[Path], most: TreeSize) -> TreeSize:
    """What folders take together, as far as one of the bounds: a file of several names counts once.

    What is closed to us is opened up, as what makes it has no reason to close it. A tree whose folders are moved
    meanwhile is looked at again, a few times; the look that saw most counts.

    Args:
        tops: the folders; links are not followed.
        most: where to stop.
    """
    disk = entries = 0
    linked: set[tuple[int, int]] = set()
    for top in tops:
        left, seen = TreeSize(most.disk - disk, most.entries - entries), TreeSize()
        for _ in range(_MOST_LOOKS):
            known = set(linked)
            size, whole = _measure_one(top, known, left)
            seen = TreeSize(max(seen.disk, size.disk), max(seen.entries, size.entries))
            if whole:
                break
        linked = known
        disk, entries = disk + seen.disk, entries + seen.entries
        if disk > most.disk or entries > most.entries:
            break
    return TreeSize(disk, entries)


def _measure_one(top: Path, linked: set[tuple[int, int]], most: TreeSize) -> tuple[TreeSize, bool]:
    """What a folder takes beside the linked files that are known; False where a folder was moved before the end."""
    disk = entries = 0
    try:
        for entry in walk(top, grant=READABLE):
            entries += 1
            if entry.is_folder or entry.status.st_nlink == 1 or entry.identity not in linked:
                disk += entry.status.st_blocks * BLOCK
            if entry.status.st_nlink > 1 and not entry.is_folder:
                linked.add(entry.identity)
            if disk > most.disk or entries > most.entries:
                break
    except MovedError:
        return TreeSize(disk, entries), False
    except OSError:
        pass
    return TreeSize(disk, entries), True


def list_folder(descriptor: int) -> Iterator[os.DirEntry[str]]:
    """What is in an open folder, as it is read; what is removed from it meanwhile may be there or not."""
    with os.scandir(descriptor) as entries:
        yield from entries


def _entries(trail: Trail) -> Iterator[TreeEntry]:
    for entry in list_folder(trail.descriptor):
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield TreeEntry(entry.name, status, trail)


def _enter_one(trail: Trail, names: list[str]) -> bool:
    """Go into the last of these folders that is still there; False when there is none."""
    while names:
        with suppress(FileNotFoundError, NotADirectoryError):
            trail.enter(names.pop())
            return True
    return False


def _open(name: str, parent: int | None, grant: int) -> int:
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        if not grant:
            raise
        open_up(name, parent)
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    if (mode := os.fstat(descriptor).st_mode) & grant != grant:
        with suppress(PermissionError):  # another user's, who may have left it open to us
            os.fchmod(descriptor, stat.S_IMODE(mode) | grant)
    return descriptor


def open_up(name: str, parent: int | None) -> None:
    """Give us, its owner, every right to a folder that cannot be opened; a link in its place is not followed.

    Args:
        name: of the folder.
        parent: the open folder that it lies in; None for a path.
    """
    if not hasattr(os, "O_PATH"):  # macOS
        os.chmod(name, WRITABLE, dir_fd=parent, follow_symlinks=False)
        return
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", WRITABLE)  # noqa: PTH101 - of what is open, not of a path
    finally:
        os.close(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
