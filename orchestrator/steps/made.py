"""A database that a scanner's own command made in a folder of its pod: put onto the volume, within a bound.

The command writes nothing on the volume. The kubelet ends it when it keeps more than `limits.databaseDisk` in its pod,
but looks only now and then; so what it leaves is counted here again while it is copied, as the bytes that it is on the
volume, where a file with several names or with holes takes more.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from orchestrator.kit.copying import copy_at_most
from orchestrator.kit.removal import remove
from orchestrator.kit.trees import walk
from orchestrator.model.database import DEEPEST
from orchestrator.model.plan import MOST_FILES
from orchestrator.upkeep.databases import DatabaseError
from orchestrator.volume.partial import full_volume

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.kit.trees import TreeEntry

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def put_on_volume(made: Path, folder: Path, scan: str, *, most: int) -> int:
    """Copy what a command made; its bytes are returned. What was copied of too much is removed again.

    Args:
        made: the folder in the pod; nothing writes to it any more.
        folder: on the volume, empty.
        scan: name of the scan.
        most: bytes that it may have; 0 for no limit.

    Raises:
        DatabaseError: it has more, or something else than files, folders and links in folders that are not deep.
        VolumeFullError: the volume has no room for it.
    """
    try:
        return _copy_all(made, folder, scan, most or sys.maxsize)
    except BaseException:
        remove(folder)
        raise


def _copy_all(made: Path, folder: Path, scan: str, most: int) -> int:
    size = 0
    for number, entry in enumerate(walk(made), 1):
        if number > MOST_FILES:
            raise DatabaseError(f"database of {scan}: its command made more than {MOST_FILES:,} files")
        if entry.depth >= DEEPEST:
            raise DatabaseError(f"database of {scan}: its command made folders more than {DEEPEST} deep")
        size += _copy_one(entry, folder / entry.relative, most - size, scan)
        if size > most:
            raise DatabaseError(
                f"database of {scan}: its command wrote more than {most} bytes (limits.databaseDisk); the version from "
                "before stays. Raise the limit if its database is that large"
            )
    return size


def _copy_one(entry: TreeEntry, path: Path, left: int, scan: str) -> int:
    """Copy one thing, of a file no more than a byte beyond what is left; the bytes that were."""
    if entry.is_folder:
        path.mkdir()
        return 0
    if entry.is_link:
        path.symlink_to(os.readlink(entry.name, dir_fd=entry.trail.descriptor))
        return 0
    if not entry.is_file:
        raise DatabaseError(
            f"database of {scan}: its command made {entry.relative!r}, neither file nor folder nor link"
        )
    try:
        source = os.open(entry.name, _FILE, dir_fd=entry.trail.descriptor)
    except PermissionError as error:
        raise DatabaseError(f"database of {scan}: {entry.relative!r} of it may not be read") from error
    try:
        with full_volume(path, min(entry.status.st_size, left)):
            return _copy_file(source, path, entry.status, left)
    finally:
        os.close(source)


def _copy_file(source: int, path: Path, status: os.stat_result, left: int) -> int:
    target = os.open(path, _NEW, 0o600)
    try:
        with os.fdopen(target, "wb", closefd=False) as file:
            size = copy_at_most(source, file, left)
        os.fchmod(target, stat.S_IMODE(status.st_mode) & 0o777 | 0o600)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(target)
    finally:
        os.close(target)
    return size
