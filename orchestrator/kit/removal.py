"""Remove what a stranger may have left: however deep, whatever its modes, and never through a symbolic link.

`shutil.rmtree` calls itself once a level, and names what it removes by its whole path: a tree of some thousand levels
ends it with RecursionError or ENAMETOOLONG. Here every folder that lies in a folder is first moved up to the top, which
takes two open folders at a time, one rename for each folder, and no path that could be too long.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: Path) -> None:
    """Remove a file, link or folder with all that is in it; nothing happens when there is none.

    Raises:
        OSError: something in it is another user's, or the filesystem refuses.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        with _opened(path) as top:
            _empty(top)
        path.rmdir()


def remove_quietly(path: Path) -> None:
    """Remove as much of it as can be."""
    with suppress(OSError):
        remove(path)


def _empty(top: int) -> None:
    """Leave nothing in a folder; what its folders hold is moved up into it first, so that none is ever deep."""
    while entries := _list(top):
        for name, is_folder in entries:
            if is_folder:
                _flatten(name, top)
                os.rmdir(name, dir_fd=top)
            else:
                os.unlink(name, dir_fd=top)


def _flatten(name: str, top: int) -> None:
    """Leave nothing in a folder of the top; its own folders become the top's, under names that nobody can guess."""
    with _opened(name, top) as folder:
        for below, is_folder in _list(folder):
            if not is_folder:
                os.unlink(below, dir_fd=folder)
                continue
            with _opened(below, folder):  # moving a folder takes the right to write to it
                os.rename(below, f".{secrets.token_hex(12)}", src_dir_fd=folder, dst_dir_fd=top)


@contextmanager
def _opened(name: str | Path, parent: int | None = None) -> Iterator[int]:
    """A folder, open, which we may then read and write whatever its mode was."""
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        # There is no way to make it readable that is sure of not following a link; what made it has ended.
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    try:
        with suppress(PermissionError):  # another user's, who may have left it open to us
            os.fchmod(descriptor, 0o700)
        yield descriptor
    finally:
        os.close(descriptor)


def _list(folder: int) -> list[tuple[str, bool]]:
    """Names in a folder, and which are folders themselves (no links)."""
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
