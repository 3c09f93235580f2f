"""How long to keep trying: retries with backoff, and the other side's wishes honoured."""

import math
import random
import threading
from collections.abc import Callable

from orchestrator.errors import Cancelled, TemporaryError

#: Longest wait a registry may ask of us, seconds. Asked for more, we give up at once and pass its wish on, because
#: coming back earlier would only be refused again.
WAIT_LIMIT = 120.0
_BACKOFF_LIMIT = 30.0


class Patience:
    """Counts the failures of one thing that is being tried.

    Args:
        retries: further attempts after the first.
        backoff: seconds before the second attempt; doubled each time, up to 30 s, with a random fifth taken off.
        cancelled: ends any wait at once.
        left: seconds that may still be waited; None for any number.
    """

    def __init__(
        self,
        retries: int,
        *,
        backoff: float = 0.5,
        cancelled: threading.Event | None = None,
        left: Callable[[], float] | None = None,
    ) -> None:
        self._retries, self._backoff = retries, backoff
        self._cancelled = cancelled or threading.Event()
        self._failures = 0
        self._left = left or (lambda: math.inf)

    def progressed(self) -> None:
        """It went on: failures so far do not count any more."""
        self._failures = 0

    def check(self) -> None:
        """Stop here if we were told to.

        Raises:
            Cancelled: we were.
        """
        if self._cancelled.is_set():
            raise Cancelled("stopped on request")

    def pause(self, error: TemporaryError) -> None:
        """Wait before the next attempt, as long as the other side asked or the backoff says.

        Raises:
            TemporaryError: `error` itself, when this was the last attempt or the wait would be too long.
            Cancelled: we were told to stop.
        """
        self._failures += 1
        backoff = min(_BACKOFF_LIMIT, self._backoff * 2 ** (self._failures - 1)) * random.uniform(0.8, 1)  # noqa: S311
        wait = backoff if error.retry_after is None else error.retry_after
        if self._failures > self._retries or wait > min(WAIT_LIMIT, self._left()):
            raise error
        self._cancelled.wait(wait)
        self.check()
