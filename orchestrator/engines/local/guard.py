"""Start a scanner's process so that it gets nothing of ours, and end all that it started.

What a scanner must not have is given up by the warden, a small process of its own between us and the scanner; what
only we can do for it, we do while any scanner runs: we are not dumpable, so that no other process of our user reads our
variables, memory and open files out of /proc.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypedDict

from orchestrator.engines.local import warden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engines.local.cgroups import Group

#: Seconds in which the warden ends when all that it watches has been ended.
_PATIENCE = 2.0
#: A limit that nobody uses here, lowered by one for scanners: none of theirs can raise it again, so it marks them.
_MARK = "MSGQUEUE"

_lock = threading.Lock()
_living: set[int] = set()
_was_dumpable = True


class Popen(TypedDict):
    """What `subprocess.Popen` is given."""

    cwd: Path
    env: dict[str, str]
    stdin: int
    stdout: IO[bytes] | int
    stderr: int
    start_new_session: bool


@dataclass(frozen=True)
class Guard:
    """How a scanner's process is held.

    Attributes:
        sandbox: the command line of bubblewrap, up to the program's own; empty where there is none.
        group: its control group; None where there is none.
        limits: of `resource`, without `RLIMIT_`.
        umask: of the scanner; None leaves ours.
        folders: what it may write to beside the folders of its job: the temporary ones of its sandbox.
    """

    sandbox: tuple[str, ...] = ()
    group: Group | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    umask: int | None = 0o077
    folders: tuple[Path, ...] = ()


class Guarded:
    """A scanner's process under its guard, from its start to `end`.

    Args:
        guard: how it is held.
        argv: program and arguments.
        options: of `subprocess.Popen`.

    Attributes:
        process: the warden; it ends as the scanner ends, with 128 + n for signal n.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(self, guard: Guard, argv: tuple[str, ...], options: Popen) -> None:
        self._guard = guard
        if guard.sandbox and not os.access(argv[0], os.X_OK):
            raise FileNotFoundError(2, os.strerror(2), argv[0])
        self._inner: _First | None = None
        reads, self._lifeline = os.pipe()
        failure, fails = os.pipe()
        info, informs = os.pipe()
        try:
            command = self._command(argv, reads, fails, informs)
            with _lock:
                passed = (reads, fails, informs) if guard.sandbox else (reads, fails)
                self.process = subprocess.Popen(command, pass_fds=passed, **options)
                _enter(self.process.pid, supervised=not guard.sandbox)
        except BaseException:
            for descriptor in (self._lifeline, failure, info):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (reads, fails, informs):
                os.close(descriptor)
        with open(failure, "rb") as said:  # noqa: PTH123 - a descriptor; ends when the program is started, or is not
            number = said.read(16)
        with open(info, "rb") as said:  # noqa: PTH123 - likewise
            self._inner = _first_process(said.read(1 << 10)) if guard.sandbox else None
        if number:
            self.end()
            for pipe in filter(None, (self.process.stdout, self.process.stderr)):
                pipe.close()
            raise OSError(int(number), os.strerror(int(number)), argv[0])

    def ask(self) -> None:
        """Let it end by itself: the warden passes that on; bubblewrap would end at once, so what is in it is asked."""
        asked = [self.process.pid]
        if self._guard.sandbox:
            asked = warden.family(self._inner.pid) if self._inner and not self._inner.has_ended() else []
        for pid in asked:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)

    def end(self) -> None:
        """End whatever is left of it, however it tries to stay."""
        if self.process.poll() is None:
            warden.sweep(self.process.pid)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)
            self.process.kill()
        os.close(self._lifeline)
        self.process.wait()
        if self._inner is not None:
            self._inner.end()
        with _lock:
            if self.process.returncode < 0:  # not by its own will: what it watched is ours now
                _sweep_orphans()
            _leave(self.process.pid)

    def _command(self, argv: tuple[str, ...], lifeline: int, failure: int, info: int) -> list[str]:
        guard = self._guard
        # bwrap(1): it says there which process is the first of the namespace, and closes it.
        sandbox = (*guard.sandbox[:1], "--info-fd", str(info), *guard.sandbox[1:]) if guard.sandbox else ()
        limits = dict(guard.limits)
        if mark := _mark():
            limits[_MARK] = mark
        options = [f"limit={name}:{most}" for name, most in limits.items()]
        options += [f"join={path}" for path in (guard.group.joins if guard.group else ())]
        options += [f"umask={guard.umask:o}"] if guard.umask is not None else []
        options += [f"info={info}"] if guard.sandbox else []
        start = [sys.executable, "-I", "-S", str(Path(warden.__file__).resolve()), str(lifeline), str(failure)]
        return [*start, *options, "--", *sandbox, *argv]


class _First:
    """The first process of a namespace, with which the namespace ends."""

    _descriptor: int

    def __init__(self, pid: int) -> None:
        self.pid = pid
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "namespaces are Linux's")
        self._descriptor = os.pidfd_open(pid)

    def has_ended(self, seconds: float = 0) -> bool:
        """Whether it has, or does within this time."""
        return bool(select.select([self._descriptor], [], [], seconds)[0])

    def end(self) -> None:
        """End it, and wait for that: bubblewrap itself ends a moment before."""
        try:
            if sys.platform == "linux":
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            self.has_ended(_PATIENCE)
        finally:
            os.close(self._descriptor)


def _first_process(said: bytes) -> _First | None:
    """By what bubblewrap says; None when it did not get that far."""
    try:
        return _First(int(json.loads(said)["child-pid"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _enter(pid: int, *, supervised: bool) -> None:
    """The first scanner makes us a process that nobody looks into; without a sandbox orphans come to us, too."""
    global _was_dumpable  # noqa: PLW0603 - the process has this once
    if not _living:
        _was_dumpable = warden.is_dumpable()
        warden.set_dumpable(dumpable=False)
    if supervised:  # a namespace ends by itself; its first process would be ours then, and stay as a zombie
        warden.set_subreaper(subreaper=True)
    _living.add(pid)


def _leave(pid: int) -> None:
    _living.discard(pid)
    if not _living:
        warden.set_subreaper(subreaper=False)
        warden.set_dumpable(dumpable=_was_dumpable)


def _mark() -> int:
    """The limit that marks scanners; 0 where there is no such limit."""
    kind = getattr(resource, f"RLIMIT_{_MARK}", None)
    if kind is None:
        return 0
    hard = resource.getrlimit(kind)[1]
    return 819_199 if hard == resource.RLIM_INFINITY else max(hard - 1, 0)


def _sweep_orphans() -> None:
    """End the processes that came to us because their warden was killed, and no other child of ours."""
    most = _mark()
    while orphans := [pid for pid in warden.family(os.getpid(), skip=_living) if 0 < _marked(pid) <= most]:
        for pid in orphans:
            warden.sweep(pid)
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _marked(pid: int) -> int:
    """The limit by which scanners are known; 0 for what has ended."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines():
            if line.startswith("Max msgqueue size"):
                hard = line.split()[4]
                return 1 << 62 if hard == "unlimited" else int(hard)
    return 0
