"""Run one scanner as a process: watched, bounded, and gone with all its children when it ends or has to."""

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

#: Bytes of a scanner's last output that go into the cell's record.
LOG_BYTES = 4096
#: Seconds between SIGTERM and SIGKILL.
GRACE = 3.0
#: Seconds between two looks at the clock, the report's size and the run's end.
POLL = 0.1
#: BSD's sysexits.h: "temporary failure, the user is invited to retry".
EX_TEMPFAIL = 75
#: How a shell, a container runtime and Kubernetes report a process ended by a signal: 128 + its number.
SIGNAL_BASE = 128

_CHUNK = 1 << 16
_MOST_AFTER_EXIT = 1 << 20
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Job:
    """One start of a scanner.

    Attributes:
        argv: program and arguments; no shell reads them.
        folder: working directory.
        environment: all that the process gets; nothing of ours is added.
        report: file the scanner writes, watched for its size.
        report_limit: bytes at which the scanner is stopped.
        from_stdout: whether its standard output is the report.
        timeout: seconds.
        success_codes: exit codes that mean that it ran.
    """

    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    report: Path
    report_limit: int
    timeout: float
    from_stdout: bool = False
    success_codes: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        error: why it is no success; empty when it is.
        exit_code: 128 + n for signal n; None when it could not be started, or when we stopped it.
        log: last lines it wrote to standard error (for want of any, to standard output), printable characters only.
        temporary: whether another attempt may help: only when something else than us ended it by a signal, or it
            says so itself (`EX_TEMPFAIL`). The same scanner with the same input will time out, or fail, again.
    """

    error: str = ""
    exit_code: int | None = None
    log: str = ""
    temporary: bool = False


def run_job(job: Job, stopped: Callable[[], str]) -> Ended:
    """Start the job, and wait for its end.

    Args:
        job: what to start.
        stopped: asked now and then; a reason makes the job end at once, with that error.
    """
    try:
        process = _start(job)
    except OSError as error:
        return Ended(error=f"{job.argv[0]} cannot be started: {error.strerror or error}")
    with _Output(process) as output:
        try:
            reason = _watch(process, job, output, stopped)
            if reason:
                _terminate(process, output)
        finally:
            _signal_group(process, signal.SIGKILL)  # the rest of it; a group's id stays taken while any is left
            process.wait()
        output.drain()
    if reason:
        return Ended(error=reason, log=output.text())
    return _judge(process.returncode, job, output.text())


def _start(job: Job) -> subprocess.Popen[bytes]:
    """In a session of its own: a terminal's Ctrl-C does not reach it, and its whole group can be killed."""
    with ExitStack() as stack:
        report = stack.enter_context(job.report.open("wb")) if job.from_stdout else subprocess.PIPE
        return subprocess.Popen(
            job.argv,
            cwd=job.folder,
            env=dict(job.environment),
            stdin=subprocess.DEVNULL,
            stdout=report,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


class _Output:
    """Reads all that a process prints as it comes, and keeps the end of it; the pipes end with the block."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._pipes = [pipe for pipe in (process.stderr, process.stdout) if pipe]
        self._kept = dict.fromkeys((pipe.fileno() for pipe in self._pipes), b"")
        self._selector = selectors.DefaultSelector()
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can come any more."""
        return not self._selector.get_map()

    def read(self, timeout: float) -> int:
        """Wait for output, and take in some; the number of bytes."""
        taken = 0
        for key, _ in self._selector.select(timeout):
            data = os.read(key.fd, _CHUNK)
            if not data:
                self._selector.unregister(key.fileobj)
            self._kept[key.fd] = (self._kept[key.fd] + data)[-LOG_BYTES:]
            taken += len(data)
        return taken

    def drain(self) -> None:
        """Take in what is left; a child that escaped and goes on printing must not keep us."""
        taken = 0
        while taken < _MOST_AFTER_EXIT and (length := self.read(0)):
            taken += length

    def text(self) -> str:
        """The last whole lines of standard error, or for want of any of standard output; printable characters only."""
        kept = next((kept for kept in self._kept.values() if kept.strip()), b"")
        text = kept.decode(errors="replace")
        if len(kept) == LOG_BYTES and "\n" in text[:-1]:
            text = text.partition("\n")[2]
        return _ESCAPES.sub("", text).strip()


def _watch(process: subprocess.Popen[bytes], job: Job, output: _Output, stopped: Callable[[], str]) -> str:
    """Wait until it ends by itself, or until there is a reason to end it, which is returned."""
    end = time.monotonic() + job.timeout
    look = 0.0
    while process.poll() is None:
        _pass_time(process, output)
        if (now := time.monotonic()) < look:
            continue
        look = now + POLL
        if reason := stopped():
            return reason
        if now > end:
            return f"timed out after {job.timeout:g} s: raise the scan's timeout"
        if _size(job.report) > job.report_limit:
            return _too_large(job)
    return ""


def _pass_time(process: subprocess.Popen[bytes], output: _Output) -> None:
    """Wait for its output or its end, but not for long."""
    if not output.closed:
        output.read(POLL)
        return
    with suppress(subprocess.TimeoutExpired):
        process.wait(POLL)


def _judge(code: int, job: Job, log: str) -> Ended:
    """What an exit code says."""
    if code < 0:
        code = SIGNAL_BASE - code
    if code in job.success_codes:
        error = _too_large(job) if _size(job.report) > job.report_limit else ""
        return Ended(error=error, exit_code=code, log=log)
    last = log.rpartition("\n")[2]
    error = f"{_spell_code(code)}: {last}" if last else _spell_code(code)
    return Ended(error=error, exit_code=code, log=log, temporary=code > SIGNAL_BASE or code == EX_TEMPFAIL)


def _spell_code(code: int) -> str:
    """The exit code in words; a process killed for its memory ends by SIGKILL."""
    if code <= SIGNAL_BASE:
        return f"exit code {code}"
    try:
        name = signal.Signals(code - SIGNAL_BASE).name
    except ValueError:
        return f"exit code {code}"
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _too_large(job: Job) -> str:
    return f"its report grew over the limit of {job.report_limit} bytes"


def _size(path: Path) -> int:
    """Bytes of the file itself (never of what a link points to); 0 when there is none."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _terminate(process: subprocess.Popen[bytes], output: _Output) -> None:
    """Ask the whole group to end, and read on meanwhile so that it can; not for longer than the grace."""
    _signal_group(process, signal.SIGTERM)
    end = time.monotonic() + GRACE
    while process.poll() is None and time.monotonic() < end:
        _pass_time(process, output)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nothing left, or (macOS) only zombies
        os.killpg(process.pid, number)
