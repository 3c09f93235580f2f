"""Built-in scans in the engine's own process: to start Python and a sandbox costs more than most of them do.

They are our own code, read nothing but a tarball whose structure is proven, and every cost of it is bounded; staging
reads the same bytes in this process, too. An image that unfolds to much, has many names, or takes long gets a process
of its own, which is killed at its timeout and at its memory limit, and runs beside others.
"""

import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.argo.agreed import PROGRAM, Exit
from orchestrator.argo.command_line import parse
from orchestrator.argo.commands import CheckStep
from orchestrator.engines.local.process import Ended, Job
from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.kit.guarding import in_words
from orchestrator.model.endings import timed_out

ISOLATION = "the engine's own process, as our own code"
#: Most bytes of a tarball, and most that are unfolded of it here, or that its names take.
LARGEST = 128 * 1024**2
MOST_UNFOLDED = 512 * 1024**2
#: Most seconds that a check takes from whatever else this process does.
LONGEST = 20.0


class _TooLarge(PermanentError):  # noqa: N818 - no failure: the check begins again in a process
    """More is unfolded than is to be read here."""


class _Stopped(PermanentError):  # noqa: N818 - the name says what happened
    """There is a reason to end the check."""


class _Watch:
    """Looks, whenever a piece of a layer was read or a name kept, whether the check may continue."""

    def __init__(self, timeout: float, stopped: Callable[[], str]) -> None:
        self._timeout, self._stopped = timeout, stopped
        self._began = time.monotonic()
        self._left = MOST_UNFOLDED

    def __call__(self, size: int) -> None:
        self._left -= size
        if reason := self._stopped():
            raise _Stopped(reason)
        took = time.monotonic() - self._began
        if took > self._timeout:
            raise _Stopped(timed_out(self._timeout))
        if self._left < 0 or took > LONGEST:
            raise _TooLarge(f"more than {MOST_UNFOLDED:,} bytes or {LONGEST:g} s")


def run_here(argv: tuple[str, ...], tarball: Path, job: Job, stopped: Callable[[], str]) -> Ended | None:
    """Run a built-in scan here.

    Args:
        argv: its command, placeholders filled in.
        tarball: of the cell.
        job: its timeout counts.
        stopped: as for `run_job`.

    Returns:
        How it ended; None where it is to be run as a process.
    """
    step = _step(argv)
    if step is None or tarball.stat().st_size > LARGEST:
        return None
    # With what reads images, for those who have such a scan.
    from orchestrator.steps.entry import exit_of, run_check  # noqa: PLC0415

    try:
        count = run_check(step, _Watch(job.timeout, stopped))
    except _TooLarge:
        return None
    except _Stopped as error:
        return Ended(error=str(error), isolation=ISOLATION)
    except (ScanmatrixError, OSError) as error:
        code = exit_of(error)
        return Ended(in_words(error), exit_code=code, temporary=code is Exit.TEMPORARY, isolation=ISOLATION)
    return Ended(exit_code=Exit.DONE, log=f"{step.name}: {count} findings", isolation=ISOLATION)


def _step(argv: tuple[str, ...]) -> CheckStep | None:
    """The scan that a command means; None where it means something else, or a process has to say what is wrong."""
    if argv[:2] != (PROGRAM, CheckStep.command):
        return None
    try:
        step = parse(argv[1:])
    except SystemExit:
        return None
    return step if isinstance(step, CheckStep) else None
