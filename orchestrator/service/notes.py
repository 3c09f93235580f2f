"""What the scheduler has to say: of what happened, a line each; of what is wrong, until it is right again."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.kit.retrying import Backoff

_LINES = 200


class Trouble(NamedTuple):
    """What is wrong.

    Attributes:
        again: when it is tried again, as `time.time` has it.
    """

    what: str
    why: str
    again: float


class Notes:
    """Shared by all threads.

    Args:
        out: given each line; None for nobody.
    """

    def __init__(self, out: Callable[[str], None] | None = None) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._troubles: dict[str, Trouble] = {}
        self._lines: deque[str] = deque(maxlen=_LINES)

    def tell(self, line: str) -> None:
        """Something happened."""
        with self._lock:
            self._lines.append(line)
        if self._out is not None:
            self._out(line)

    def trouble(self, what: str, why: str, pause: float) -> None:
        """Something is wrong, and will be tried again; the same is reported once.

        Args:
            what: such as `inventory`.
            why: it is wrong.
            pause: seconds until it is tried again.
        """
        with self._lock:
            known = self._troubles.get(what)
            self._troubles[what] = Trouble(what, why, time.time() + pause)
        if known is None or known.why != why:
            self.tell(f"{what}: {why}")

    def wait_out(self, what: str, error: Exception, pace: Backoff, stop: threading.Event) -> None:
        """Something is wrong: tell it, and wait as long as is its turn, or until told to stop."""
        pause = pace.pause()
        self.trouble(what, str(error), pause)
        stop.wait(pause)

    def mend(self, what: str) -> None:
        """It is right again, if it was wrong."""
        with self._lock:
            was = self._troubles.pop(what, None)
        if was is not None:
            self.tell(f"{what}: works again")

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong now."""
        with self._lock:
            return tuple(self._troubles.values())

    @property
    def lines(self) -> tuple[str, ...]:
        """What happened last, the newest at the end."""
        with self._lock:
            return tuple(self._lines)
