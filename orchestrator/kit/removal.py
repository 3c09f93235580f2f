"""Remove what a stranger may have left: however deep, whatever its modes and names, and never through a symbolic link.

What lies in a folder is removed by its name there, with one folder open at a time; see `orchestrator.kit.trees`.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.kit.trees import WRITABLE, MovedError, list_folder, open_up, trail_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.kit.trees import Trail

#: Folders of a folder that are removed before it is read again, so that one of a million takes no memory.
_AT_ONCE = 256
#: Levels below which folders are moved up to the top, so that no tree takes memory by its depth.
_DEEPEST = 10_000
#: Times that a tree is begun again whose folders somebody moves, or writes to.
_MOST_TRIES = 100
#: Seconds after which one is given up: who writes to it all the while may be as quick as we are.
_LONGEST = 600.0
#: Things that cannot be removed, after which a tree is given up.
_MOST_FAILED = 1000
_MEANINGS = {
    errno.EBUSY: "a filesystem is mounted on it: unmount that first",
    errno.EPERM: "it cannot be removed: it is immutable (see lsattr), or another user's",
    errno.ENOTEMPTY: "somebody still writes to it, or it is very large: remove it again",
}


def remove(path: Path) -> None:
    """Remove a file, link or folder with all that is in it; nothing happens when there is none.

    What cannot be removed does not keep the rest; a filesystem that is mounted in it is left alone.

    Raises:
        OSError: something in it cannot be removed; the first of these, with its path.
    """
    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
        elif not _remove_folder(os.fspath(path), None):
            _empty(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _told(error, error.filename or os.fspath(path)) from error


def remove_quietly(path: Path) -> None:
    """Remove as much of it as can be."""
    with suppress(OSError):
        remove(path)


@contextmanager
def temporary_folder(*, prefix: str = "scanmatrix-", parent: Path | None = None) -> Iterator[Path]:
    """A folder for the block, in which a stranger may leave whatever it is."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        remove_quietly(folder)


def _empty(path: Path) -> None:
    """Remove a folder with all that is in it, from the beginning again where somebody moves it or writes to it."""
    end = time.monotonic() + _LONGEST
    for _ in range(_MOST_TRIES):
        with suppress(MovedError), trail_of(path, grant=WRITABLE) as trail, trail_of(path, grant=WRITABLE) as top:
            _Removal(trail, top.descriptor, end).run()
        if _remove_folder(os.fspath(path), None):
            return
    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), os.fspath(path))


class _Removal:
    """Empties the folder of a trail.

    Args:
        trail: at its top.
        top: that folder, open on its own.
        end: when to give it up.
    """

    def __init__(self, trail: Trail, top: int, end: float) -> None:
        self._trail = trail
        self._top = top
        self._end = end
        #: Names of folders to be removed: in each folder on the way, the top first.
        self._waiting: list[list[str]] = [[]]
        #: Names of what cannot be removed, by the number of their folder on the way.
        self._failed: dict[int, set[str]] = {}
        self._error: OSError | None = None
        self._failures = 0

    def run(self) -> None:
        """Leave nothing in it.

        Raises:
            MovedError: somebody moves its folders.
            OSError: something cannot be removed.
        """
        while self._failures < _MOST_FAILED and (self._waiting[-1] or self._sweep() or len(self._waiting) > 1):
            if self._waiting[-1]:
                self._take(self._waiting[-1].pop())
            else:
                self._leave()
            if time.monotonic() > self._end:
                self._fail("", OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY)))
                break
        if self._error is not None:
            raise self._error

    def _sweep(self) -> bool:
        """Remove what is no folder; whether there are folders left, of which some are noted."""
        folders, failed = self._waiting[-1], self._failed.get(self._depth, ())
        for entry in list_folder(self._trail.descriptor):
            if entry.name in failed:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
                if len(folders) == _AT_ONCE:
                    break
                continue
            try:
                os.unlink(entry.name, dir_fd=self._trail.descriptor)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._fail(entry.name, error)
                failed = self._failed[self._depth]
        return bool(folders)

    def _take(self, name: str) -> None:
        """Remove a folder that is empty, or go into it; one that lies very deep moves to the top first."""
        try:
            if _remove_folder(name, self._trail.descriptor):
                return
            if self._depth == _DEEPEST:
                with suppress(PermissionError):  # another user's; ours does not move while we may not write to it
                    open_up(name, self._trail.descriptor)
                os.rename(name, f".{secrets.token_hex(12)}", src_dir_fd=self._trail.descriptor, dst_dir_fd=self._top)
                return
            self._trail.enter(name)
        except (FileNotFoundError, NotADirectoryError):
            return  # gone, or something else by now, which the next look finds
        except OSError as error:
            self._fail(name, error)
        else:
            self._waiting.append([])

    def _leave(self) -> None:
        """Go up again, and remove the folder that was emptied."""
        holds_on = self._failed.pop(self._depth, None)
        self._waiting.pop()
        name = self._trail.leave()
        if holds_on:
            self._failed.setdefault(self._depth, set()).add(name)
            return
        try:
            _remove_folder(name, self._trail.descriptor)  # somebody may have written to it: the next look finds it
        except FileNotFoundError:
            return
        except OSError as error:
            self._fail(name, error)

    def _fail(self, name: str, error: OSError) -> None:
        """Leave something alone, and remember why."""
        self._failed.setdefault(self._depth, set()).add(name)
        self._failures += 1
        if self._error is None:
            self._error = _told(error, self._trail.path(name))

    @property
    def _depth(self) -> int:
        return len(self._waiting) - 1


def _remove_folder(name: str, parent: int | None) -> bool:
    """Remove a folder if it is empty, and no filesystem is mounted on it: that alone makes this fail otherwise."""
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:  # POSIX allows either
            return False
        raise
    return True


def _told(error: OSError, path: str) -> OSError:
    """What is in the way, and where it lies."""
    return OSError(error.errno, _MEANINGS.get(error.errno or 0, error.strerror), path)
