"""The keep step: beside scanners, in their pod, it puts their reports onto the volume once they have ended.

A scanner writes into a folder of its pod, whose size the kubelet bounds, and nothing on the volume. This container sees
that folder read-only, and may write the cell's folder, where it puts one file: the report, as far as it may be read.
What makes a report unsound stays visible: one that is too large is cut to a byte more than is accepted, and in the
place of what is no file stands something else that is none.

How a scanner ended is nothing to it, so that the report of one that failed, or was asked to end, is kept as well.

Where several scanners share a pod, whose deadline is that of all of them, it also ends each one that takes longer than
it may: by the file in which Argo itself tells the first process of a container to send what it runs a signal. That file
lies in a folder that the scanner may write. One that keeps it from being written runs on until its pod's deadline.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import signal
import stat
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.argo.agreed import OF_CONTAINERS
from orchestrator.errors import ScanmatrixError, TemporaryError, UsageError
from orchestrator.kit.copying import copy_at_most
from orchestrator.volume.layout import TIMED_OUT, atomic_file, write_atomic
from orchestrator.volume.partial import full_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from orchestrator.argo.commands import KeepStep

_log = logging.getLogger(__name__)

#: In the folder that Argo has for a container, as soon as what it runs has ended.
ENDED = "exitcode"
#: Likewise, the number of a signal that is to be sent to it; Argo looks for it every two seconds, and removes it.
SIGNAL = "signal"
POLL = 0.2
#: Seconds after which the signal is sent again to a scanner that has not ended.
_AGAIN = 10.0
#: Seconds in which scanners should end that were asked to, as we were. Kubernetes gives a pod 30 of them.
GRACE = 3.0
#: Pauses before further attempts, in seconds, of all reports together: a scan that took an hour is worth a wait.
PAUSES = (1.0, 3.0, 6.0)
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_UNREADABLE = {errno.EACCES, errno.EPERM}


class UnkeptError(TemporaryError):
    """A report could not be put onto the volume, so its scan has to run again."""


def keep(step: KeepStep) -> Iterator[str]:
    """Wait for the end of each scanner, and keep its report; yields a line for each.

    Raises:
        UnkeptError: reports could not be kept; those of the other scanners were.
        UsageError: a limit is not a number.
    """
    with listening() as told:
        yield from _keep(step, told)


@contextmanager
def listening() -> Iterator[Collection[int]]:
    """Listen for the signal that asks us to end; what is yielded is empty until it has come."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    try:
        yield told
    finally:
        # Python gives a signal it listens for back to the kernel while it ends, and would be killed by it then: Argo
        # asks at just that time, and how this container ended says whether the reports were kept.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _keep(step: KeepStep, told: Collection[int]) -> Iterator[str]:
    pauses = iter(PAUSES)
    limits = {container: _number(step.limit.get(container, ""), "--limit", "bytes") for container in step.report}
    failed = []
    for container in _ended(step, told, _Deadlines(step)):
        report, limit = step.report[container], limits[container]
        try:
            opening = partial(os.open, step.scanned / container, FOLDER)
            size = keep_one(opening, step.kept / container, report, limit, pauses)
        except (ScanmatrixError, OSError) as error:
            failed.append(f"the report of {container} could not be kept: {error}")
            continue
        yield f"{container}: {'no report' if size is None else f'{size} bytes of its report are kept'}"
    if failed:
        raise UnkeptError("; ".join(failed))


def _ended(step: KeepStep, told: Collection[int], deadlines: _Deadlines) -> Iterator[str]:
    """The containers, each once it has ended; all that are left some seconds after we were asked to end."""
    left, until = dict.fromkeys(step.report), None
    while left:
        for container in tuple(left):
            # Whatever a scanner makes of this name is the end of its own report only.
            if os.path.lexists(step.executor / OF_CONTAINERS / container / ENDED):
                del left[container]
                yield container
            else:
                deadlines.look(container)
        if until is not None and time.monotonic() > until:
            yield from left
            return
        if until is None and told:
            until = time.monotonic() + GRACE
        time.sleep(POLL)


class _Deadlines:
    """Ends containers that have not ended by themselves after as long as they may run."""

    def __init__(self, step: KeepStep) -> None:
        self._step = step
        self._most = {container: _number(text, "--timeout", "seconds") for container, text in step.timeout.items()}
        self._ends: dict[str, float] = {}
        self._late: set[str] = set()

    def look(self, container: str) -> None:
        """See to a container that has not ended: its time begins when it has its folder, which the kubelet makes."""
        if container not in self._most or not (own := self._step.executor / OF_CONTAINERS / container).is_dir():
            return
        now = time.monotonic()
        if now < self._ends.setdefault(container, now + self._most[container]):
            return
        self._ends[container] = now + _AGAIN
        with suppress(OSError):  # a full volume, or what its scanner put there
            if container not in self._late:
                _log.warning("%s: took longer than %d s, and is ended", container, self._most[container])
                write_atomic(self._step.kept / container / TIMED_OUT, b"")
                self._late.add(container)
        with suppress(OSError):
            _kill(own)


def _kill(own: Path) -> None:
    """Have Argo kill what a container runs, by its folder, in which its scanner may have put anything."""
    folder = os.open(own, FOLDER)
    try:
        name = f".{secrets.token_hex(8)}"
        descriptor = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder
        )
        try:
            os.write(descriptor, str(int(signal.SIGKILL)).encode())
        finally:
            os.close(descriptor)
        try:
            os.replace(name, SIGNAL, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(name, dir_fd=folder)
            raise
    finally:
        os.close(folder)


def keep_one(opening: Callable[[], int], kept: Path, report: str, limit: int, pauses: Iterator[float]) -> int | None:
    """Keep a report, in as many attempts as there are pauses left.

    Args:
        opening: opens the folder in which its scanner wrote it.
        kept: the folder of its cell.
        report: its name, in both.
        limit: most bytes of it.
        pauses: seconds before further attempts.

    Returns:
        Its size, one byte more than the limit for a larger one, 0 for what is no file; None where there is none.

    Raises:
        ScanmatrixError, OSError: it could not be kept.
    """
    for pause in pauses:
        try:
            return _copy(opening, kept, report, limit)
        except (ScanmatrixError, OSError) as error:
            _log.warning("%s: its report cannot be kept yet: %s", kept, error)
            time.sleep(pause)
    return _copy(opening, kept, report, limit)


def _copy(opening: Callable[[], int], kept: Path, report: str, limit: int) -> int | None:
    folder = opening()
    try:
        descriptor = _open(folder, report, kept / report)
    finally:
        os.close(folder)
    if descriptor is None:
        return 0 if os.path.lexists(kept / report) else None
    try:
        most = min(os.fstat(descriptor).st_size, limit) + 1  # it may be longer than it was, and is then cut off
        with full_volume(kept / report, most), atomic_file(kept / report) as file:
            return copy_at_most(descriptor, file, limit)
    finally:
        os.close(descriptor)


def _open(folder: int, report: str, kept: Path) -> int | None:
    """Open a report; None where it is none that can be read, which something of its kind then says in its place."""
    mode = stat.S_IFREG
    try:
        mode = os.stat(report, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            descriptor = os.open(report, FILE, dir_fd=folder)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _UNREADABLE | {errno.ELOOP, errno.ENXIO}:
            raise
    _stand_in(kept, mode)
    return None


def _stand_in(kept: Path, mode: int) -> None:
    """Something that is no report for the same reason; it leads nowhere and holds nothing."""
    with suppress(FileExistsError):
        if stat.S_ISLNK(mode):
            kept.symlink_to(kept.name)
        elif stat.S_ISREG(mode):
            os.close(os.open(kept, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0))
        else:
            kept.mkdir()


def _number(text: str, option: str, of: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"{option}: {text!r} is not a number of {of}")
    return int(text)
