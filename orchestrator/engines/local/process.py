"""Run one scanner as a process: watched, bounded, and gone with all its children when it ends or has to."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.engines.local.guard import Guard, Guarded, Popen
from orchestrator.engines.local.output import ProcessOutput
from orchestrator.engines.local.scratch import Bound, Scratch
from orchestrator.model.endings import timed_out

#: Seconds between SIGTERM and SIGKILL.
GRACE = 3.0
#: Seconds between two looks at the clock, the report's size and the run's end.
POLL = 0.1
#: BSD's sysexits.h: "temporary failure, the user is invited to retry".
EX_TEMPFAIL = 75
#: Of errno(3), what a start fails with while there is too little of something, or its program is being replaced.
_PASSING = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY}
#: How a shell, a container runtime and Kubernetes report a process ended by a signal: 128 + its number.
SIGNAL_BASE = 128


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
        guard: how a scanner is held; None for a client of ours, such as podman's, that starts scanners elsewhere.
        bound: what may lie in its folders; None for no bound.
        folders: all that it may write to, with the working directory.
    """

    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    report: Path
    report_limit: int
    timeout: float
    from_stdout: bool = False
    success_codes: tuple[int, ...] = (0,)
    guard: Guard | None = None
    bound: Bound | None = None
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        error: why it is no success; empty when it is.
        exit_code: 128 + n for signal n; None when it could not be started, or when we stopped it.
        log: last lines it wrote to standard error (else to standard output), printable characters only.
        temporary: whether another attempt may help: only when something else than us ended it by a signal, it says so
            itself (`EX_TEMPFAIL`), or there was too little of something to start it. The same scanner with the same
            input will time out, or fail, again.
        isolation: what it was kept in, in words; empty when it was not started.
    """

    error: str = ""
    exit_code: int | None = None
    log: str = ""
    temporary: bool = False
    isolation: str = ""


def run_job(job: Job, stopped: Callable[[], str]) -> Ended:
    """Start the job, and wait for its end.

    Args:
        job: what to start.
        stopped: asked now and then; a reason makes the job end at once, with that error.
    """
    try:
        started = _start(job)
    except OSError as error:
        why = f"{job.argv[0]} cannot be started: {error.strerror or error}"
        return Ended(error=why, temporary=error.errno in _PASSING)
    process = started.process
    folders = (*(job.folders or (job.folder,)), *(job.guard.folders if job.guard else ()))
    scratch = Scratch(folders, job.bound, process.pid) if job.bound else None
    with ProcessOutput(process) as output:
        try:
            reason = _watch(process, job, output, scratch, stopped)
            if reason:
                _terminate(started, output)
        finally:
            started.end()
        output.drain()
    if reason:
        return Ended(error=reason, log=output.text())
    ended = judge(process.returncode, job, output.text())
    if not ended.error and scratch and (reason := scratch.broken(now=True)):
        return replace(ended, error=reason)
    return ended


def _start(job: Job) -> "Guarded | _Client":
    """In a session of its own: a terminal's Ctrl-C does not reach it, and its whole group can be killed."""
    with ExitStack() as stack:
        report = stack.enter_context(job.report.open("wb")) if job.from_stdout else subprocess.PIPE
        options: Popen = {
            "cwd": job.folder,
            "env": dict(job.environment),
            "stdin": subprocess.DEVNULL,
            "stdout": report,
            "stderr": subprocess.PIPE,
            "start_new_session": True,
        }
        return Guarded(job.guard, job.argv, options) if job.guard else _Client(job.argv, options)


class _Client:
    """A process of ours and its group."""

    def __init__(self, argv: tuple[str, ...], options: Popen) -> None:
        self.process = subprocess.Popen(argv, **options)

    def ask(self) -> None:
        """Let it end by itself."""
        _signal_group(self.process, signal.SIGTERM)

    def end(self) -> None:
        """End the rest of it; a group's id stays taken while any is left."""
        _signal_group(self.process, signal.SIGKILL)
        self.process.wait()


def _watch(
    process: subprocess.Popen[bytes],
    job: Job,
    output: ProcessOutput,
    scratch: Scratch | None,
    stopped: Callable[[], str],
) -> str:
    """Wait until it ends by itself, or until there is a reason to end it, which is returned."""
    end = time.monotonic() + job.timeout
    look = 0.0
    while process.poll() is None:
        _pass_time(process, output)
        if (now := time.monotonic()) < look:
            continue
        look = now + POLL
        if reason := why_end(job, end, scratch, stopped):
            return reason
    return ""


def why_end(job: Job, end: float, scratch: Scratch | None, stopped: Callable[[], str]) -> str:
    """Why a job that runs has to be ended; empty when there is no such reason.

    Args:
        job: that runs.
        end: when its time is over, by the monotonic clock.
        scratch: what it may keep on the disk.
        stopped: a reason of somebody else's.
    """
    if reason := stopped():
        return reason
    if time.monotonic() > end:
        return timed_out(job.timeout)
    if _size(job.report) > job.report_limit:
        return _too_large(job)
    return scratch.broken() if scratch else ""


def _pass_time(process: subprocess.Popen[bytes], output: ProcessOutput) -> None:
    """Wait for its output or its end, but not for long."""
    if not output.closed:
        output.read(POLL)
        return
    with suppress(subprocess.TimeoutExpired):
        process.wait(POLL)


def judge(code: int, job: Job, log: str) -> Ended:
    """What an exit code says.

    Args:
        code: of a job; negative for a signal.
        job: which has ended.
        log: last lines that it wrote.
    """
    if code < 0:
        code = SIGNAL_BASE - code
    if code in job.success_codes:
        error = _too_large(job) if _size(job.report) > job.report_limit else ""
        return Ended(error=error, exit_code=code, log=log)
    if job.guard and job.guard.group and job.guard.group.ran_out_of_memory():
        return Ended(error="killed for its memory: more than its resources.memoryLimit", exit_code=code, log=log)
    if code == SIGNAL_BASE + signal.SIGXFSZ and job.bound:
        error = f"it wrote a file of more than {job.bound.size} bytes ({job.bound.said})"
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
    """That a job's report is too large, in words."""
    return f"its report grew over the limit of {job.report_limit} bytes"


def _size(path: Path) -> int:
    """Bytes of the file itself (never of what a link points to); 0 when there is none."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _terminate(started: "Guarded | _Client", output: ProcessOutput) -> None:
    """Ask all of it to end, and read on meanwhile so that it can; not for longer than the grace."""
    started.ask()
    end = time.monotonic() + GRACE
    while started.process.poll() is None and time.monotonic() < end:
        _pass_time(started.process, output)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nothing left, or (macOS) only zombies
        os.killpg(process.pid, number)
