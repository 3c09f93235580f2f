"""One engine at a time on one run; and how that is asked to end it.

runs/<run>/.lock      held by who is at work on it
runs/<run>/.cancel    somebody wants it to end: its engine, which may carry others, ends this run alone
"""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from orchestrator.engines.interface import EngineError
from orchestrator.errors import TemporaryError, UsageError
from orchestrator.volume.layout import CANCEL, LOCK, write_atomic
from orchestrator.volume.locks import LockedError, held

# Seconds between two looks for a wish that a run be cancelled, and for whether it was heard.
_LISTEN, _POLL = 0.5, 0.05


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


@contextmanager
def heeding_cancel(folder: Path, interrupt: Callable[[], None]) -> Iterator[None]:
    """Within the block, somebody who asks for the end of this run, and of no other of this process, is heard.

    Args:
        folder: of the run, on the volume, whose lock is held.
        interrupt: called once, in a thread of its own.
    """
    wish, ended = folder / CANCEL, threading.Event()
    wish.unlink(missing_ok=True)  # of an earlier call, which has ended without hearing it

    def listen() -> None:
        """Until it is asked for, or the block ends."""
        while not ended.wait(_LISTEN):
            with suppress(OSError):  # a volume that is away for a moment
                wish.unlink()
                interrupt()
                return

    threading.Thread(target=listen, name="scanmatrix.cancel", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def cancel_run(folder: Path, run: str, *, patience: float = 10.0) -> str:
    """Have the process that is at work on a run end that run, wherever it is.

    Args:
        folder: of the run, on the volume.
        run: its id, for the message.
        patience: seconds for it to hear.

    Returns:
        The process, in words.

    Raises:
        UsageError: nobody is at work on it, or who is does not hear.
    """
    if (holder := _holder(folder)) is None:
        raise UsageError(f"run {run} is not running: nobody holds {folder / LOCK}")
    write_atomic(folder / CANCEL, b"")
    end = time.monotonic() + patience
    while (folder / CANCEL).exists():
        if _holder(folder) is None:
            break  # it has ended by itself
        if time.monotonic() > end:
            (folder / CANCEL).unlink(missing_ok=True)
            raise UsageError(f"run {run} does not end: {holder} has not heard within {patience:g} s; is it stopped?")
        time.sleep(_POLL)
    (folder / CANCEL).unlink(missing_ok=True)
    return holder


def _holder(folder: Path) -> str | None:
    """Who holds the lock of a run, in words; None for nobody."""
    try:
        with (folder / LOCK).open("rb") as lock:
            said = lock.read(200).decode(errors="replace").strip()
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return said or "another process"
    except FileNotFoundError:
        pass
    return None
