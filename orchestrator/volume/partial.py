"""Files that grow for minutes under a hidden name, one writer at a time, and appear under their own when whole.

The partial file is its own lock (`flock`): its holder writes, others wait. A writer that was killed leaves an
unlocked partial file, which the next one for the same file takes over with what is in it, and which any other removes
when it has not changed for an hour. Nothing but partial files is ever left behind.
"""

import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.errors import Cancelled, VolumeFullError
from orchestrator.kit.trees import BLOCK
from orchestrator.volume._linux import allocate, begin_writeback
from orchestrator.volume.layout import VolumeError
from orchestrator.volume.locks import try_lock

#: An unlocked partial file that did not change for this many seconds is nobody's.
IDLE = 3600.0
#: Modification time of every finished file, ns (1980-01-01): any other one tells that it was written to since.
STAMP = 315_532_800 * 10**9
_PATTERN = ".*.partial"
_POLL = 0.1
_STRIDE = 8 * 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Partial:
    """A partial file that is ours alone.

    Attributes:
        descriptor: open for reading and writing.
        keep: set it when what is in it is worth taking over after a failure; by default it is then removed.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.keep = False
        self._turn = threading.Lock()

    def reserve(self, size: int) -> None:
        """Give it its final size, with the space on the disk, so that a full volume is known before the first byte.

        Where no space can be taken ahead (see `allocate`), there must be enough for this file and for what the other
        partial files beside it still lack.

        Raises:
            VolumeFullError: there is not enough space at the moment.
            VolumeError: a file of this size is not allowed.
        """
        with full_volume(self.path, size):
            try:
                self._take(size)
            except OSError as error:
                if error.errno not in _FULL or not sweep(self.path.parent, idle=0):
                    raise
                self._take(size)  # what killed writers had left behind made room

    def _take(self, size: int) -> None:
        """Nobody else is to lack, not even for a moment, the space that this file does not get."""
        before, folder = os.fstat(self.descriptor), self.path.parent
        _require(folder, size - before.st_blocks * BLOCK)
        try:
            taken = allocate(self.descriptor, size)
            os.ftruncate(self.descriptor, size)  # from here on the others count with it
            if not taken:
                _require(folder, _lacking(self.path) + _spoken_for(self.path))
        except OSError:
            os.ftruncate(self.descriptor, before.st_size)  # also gives back what a filesystem took of it so far
            raise

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes at an offset; they begin their way to the disk once a few megabytes are together."""
        view = memoryview(data)
        end = offset
        while view:
            # The kernel lets one writer at a time into a file, and those who wait for it there keep a CPU busy.
            with self._turn:
                count = os.pwrite(self.descriptor, view, end)
            end += count
            view = view[count:]
        first, last = offset // _STRIDE, end // _STRIDE
        if last > first:
            begin_writeback(self.descriptor, first * _STRIDE, (last - first) * _STRIDE)

    def commit(self, final: Path) -> None:
        """Make it durable, read-only, and visible under its final name."""
        os.utime(self.descriptor, ns=(STAMP, STAMP))
        os.fsync(self.descriptor)
        self.path.replace(final)
        os.fchmod(self.descriptor, 0o444)
        folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def claim(final: Path, *, cancelled: threading.Event) -> Iterator[Partial]:
    """Become the one who writes a file, waiting for another writer to end; look for the file again once inside.

    Where the filesystem has no locks, several may write the same file, each its own partial one.

    Args:
        final: the file to be.
        cancelled: ends the wait.

    Raises:
        Cancelled: we were asked to stop.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    path = partial_path(final)
    descriptor = None
    while descriptor is None:
        path, descriptor = _open_locked(path, cancelled)
    partial = Partial(path, descriptor)
    try:
        yield partial
    except BaseException:
        if not partial.keep:
            _remove_own(partial)
        raise
    else:
        _remove_own(partial)  # nothing to remove when it was committed
    finally:
        os.close(descriptor)


def partial_path(final: Path) -> Path:
    """The hidden name under which a file grows."""
    return final.with_name(f".{final.name}.partial")


def wait_for_lock(descriptor: int, cancelled: threading.Event) -> bool:
    """Wait until the file is locked by us; False where locks are not available.

    Raises:
        Cancelled: we were asked to stop.
    """
    while (locked := try_lock(descriptor)) is False:
        if cancelled.wait(_POLL):
            raise Cancelled("stopped on request")
    return locked is True


def sweep(folder: Path, *, idle: float = IDLE, pattern: str = _PATTERN) -> int:
    """Remove unfinished files that nobody writes and that have not changed for `idle` seconds; returns how many."""
    removed = 0
    for path in folder.glob(pattern):
        with suppress(OSError):
            descriptor = _open_unfinished(path)
            try:
                # Without locks only the age tells, so nothing young is touched.
                locked = try_lock(descriptor)
                least = idle if locked else max(idle, IDLE)
                if locked is not False and time.time() - os.fstat(descriptor).st_mtime >= least:
                    path.unlink()
                    removed += 1
            finally:
                os.close(descriptor)
    return removed


@contextmanager
def full_volume(path: Path, needed: int) -> Iterator[None]:
    """Say of a full disk which one it is, and how much is needed.

    Raises:
        VolumeFullError: instead of the `OSError` of a full disk or an exhausted quota.
        VolumeError: instead of that of a file-size limit, which no waiting changes.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        kind = VolumeError if error.errno == errno.EFBIG else VolumeFullError
        others = _spoken_for(path)
        less = f", {others} of which other files here still need" if others else ""
        raise kind(
            f"{path.parent}: no space: {needed} bytes are needed, {_free(path.parent)} are free{less} "
            f"({os.strerror(error.errno).lower()}); make room, or lower the volume's budget"
        ) from error


def _open_locked(path: Path, cancelled: threading.Event) -> tuple[Path, int | None]:
    """One round: open, wait for the lock, and see whether it still is the file of this name."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        locked = wait_for_lock(descriptor, cancelled)
        if locked and _is_still(path, descriptor):
            return path, descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    if not locked:
        own = path.with_name(f"{path.name.removesuffix('.partial')}.{secrets.token_hex(8)}.partial")
        return own, os.open(own, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    return path, None


def _open_unfinished(path: Path) -> int:
    """Open for a lock: to write where that may be, because NFS gives no other lock than one of who writes."""
    how = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | how)
    except PermissionError:
        return os.open(path, os.O_RDONLY | how)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the locked file was neither finished nor removed by the one who held the lock before."""
    mine = os.fstat(descriptor)
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(mine, there) and bool(mine.st_mode & 0o200)


def _require(folder: Path, space: int) -> None:
    if _free(folder) < space:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _free(folder: Path) -> int:
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


def _spoken_for(path: Path) -> int:
    """Bytes that the other partial files beside one have no space for yet."""
    return sum(_lacking(other) for other in path.parent.glob(_PATTERN) if other != path)


def _lacking(path: Path) -> int:
    """Bytes of a partial file that it has no space for yet."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:  # finished meanwhile
        return 0
    return max(0, status.st_size - status.st_blocks * BLOCK) if stat.S_ISREG(status.st_mode) else 0


def _remove_own(partial: Partial) -> None:
    if _is_still(partial.path, partial.descriptor):
        partial.path.unlink(missing_ok=True)
