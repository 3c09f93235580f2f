"""One engine at a time on one run."""

import fcntl
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestrator.engines.interface import EngineError
from orchestrator.errors import TemporaryError, UsageError
from orchestrator.volume.layout import LOCK
from orchestrator.volume.locks import LockedError, held

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
    with ExitStack() as stack:
        try:
            # An engine that was killed while it started a process holds it until that process has its program.
            stack.enter_context(held(folder / LOCK))
        except LockedError as error:
            raise RunBusy(f"run {run} is already active, in {error.holder}: wait until it ends, or stop it") from error
        yield


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
    path = folder / LOCK
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
