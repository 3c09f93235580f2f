"""One holder at a time of something on the volume; the kernel gives a lock back however its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from orchestrator.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What filesystems without locks answer.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
#: Seconds between two tries.
_POLL = 0.02


class LockedError(TemporaryError):
    """Somebody else holds the lock.

    Attributes:
        holder: who, in words.
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is held by {holder}")
        self.holder = holder


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file for as long as it is open; False when another holds it, None where locks are not available."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


@contextmanager
def held(path: Path, *, patience: float = 0.5, required: bool = True) -> Iterator[None]:
    """Hold a lock for the block; who holds it is written into its file.

    Args:
        path: of the lock's file; it is made, and stays.
        patience: seconds to wait for it.
        required: False to work without a lock where the filesystem has none.

    Raises:
        LockedError: somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        try:
            _take(descriptor, patience)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise LockedError(path, holder or "another process") from error
        except OSError as error:
            if required or error.errno not in NO_LOCKS:
                raise
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Say who holds a lock. On a full volume nobody can, and who would make room there needs the lock for that."""
    holder = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
    with suppress(OSError):
        written = 0
        try:
            written = os.pwrite(descriptor, holder, 0)
        finally:  # nothing stays of who held it before
            os.ftruncate(descriptor, written)


def _take(descriptor: int, patience: float) -> None:
    """Take the lock, within some seconds.

    Raises:
        BlockingIOError: somebody holds it for longer.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
        time.sleep(_POLL)
