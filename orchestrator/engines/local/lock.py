"""One engine at a time on one run."""

import fcntl
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.engines.interface import EngineError
from orchestrator.errors import TemporaryError, UsageError

#: Seconds that a lock may be held by what a killed engine left, and between two looks.
_MOMENT, _POLL = 0.5, 0.02
_HOLDER = re.compile(r"process (\d+) on (\S+)")


class RunBusy(EngineError, TemporaryError):  # noqa: N818 - the name says what happened
    """Another engine is at work on the same run."""


@contextmanager
def locked(folder: Path, run: str) -> Iterator[None]:
    """Hold the lock of a run; the kernel gives it back however the process ends.

    Args:
        folder: of the run, on the volume.
        run: its id, for the message.

    Raises:
        RunBusy: somebody else holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            _take(descriptor)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise RunBusy(f"run {run} is already active, in {holder}: wait until it ends, or stop it") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    """Take the lock; an engine that was killed while it started a process holds it until that process has its program.

    Raises:
        BlockingIOError: somebody holds it, and not only for a moment.
    """
    end = time.monotonic() + _MOMENT
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
        time.sleep(_POLL)


def interrupt_holder(folder: Path, run: str) -> str:
    """Send SIGTERM to the process that holds the lock of a run.

    Args:
        folder: of the run, on the volume.
        run: its id, for the message.

    Returns:
        The process, in words.

    Raises:
        UsageError: nobody holds it, or a process on another machine does.
    """
    path = folder / ".lock"
    try:
        with path.open("rb") as lock:
            holder = _HOLDER.search(lock.read(200).decode(errors="replace"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if holder is None or holder[2] != socket.gethostname():
            raise UsageError(f"run {run} is running elsewhere: {holder[0] if holder else 'unknown process'}") from None
        os.kill(int(holder[1]), signal.SIGTERM)
        return holder[0]
    except FileNotFoundError:
        pass
    raise UsageError(f"run {run} is not running: nobody holds {path}")
