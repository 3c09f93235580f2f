"""Why a run should end before its cells have: somebody asked for it, or its deadline is over."""

import threading
from types import TracebackType
from typing import Self

#: Reason of what ends because somebody asked for it.
INTERRUPTED = "interrupted"


class Stop:
    """Shared by all threads of a run, which begins and ends with its block.

    Args:
        deadline: seconds that the run may take.
        left: how many of them are left; None for all.

    Attributes:
        event: set as soon as there is a reason to stop.
    """

    def __init__(self, deadline: float, *, left: float | None = None) -> None:
        self.event = threading.Event()
        self._interrupted = False
        self._seconds = deadline
        self._timer = threading.Timer(min(deadline if left is None else left, threading.TIMEOUT_MAX), self.event.set)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked to end at once, leaving what is not done for the next call."""
        return self._interrupted

    def interrupt(self) -> None:
        """End at once."""
        self._interrupted = True
        self.event.set()

    def reason(self) -> str:
        """Why nothing more may be started and what runs must end; empty when there is no such reason."""
        if self._interrupted:
            return INTERRUPTED
        if self.event.is_set():
            return f"deadline: the run's {self._seconds:.0f} s (limits.deadline) were over"
        return ""

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until there is a reason to stop; whether there is one."""
        return self.event.wait(seconds)
