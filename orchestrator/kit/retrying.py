"""The one policy for what fails for now (`TemporaryError`): how often it is attempted again, and after which pauses.

Whatever reaches over a network goes through `Patience`. Its attempts are counted once: an error that used them up says
so (`TemporaryError.is_worth_retrying`), wherever it is caught, and is retried neither by an outer `Patience`, nor by a
cell's own retries, nor by Argo (`orchestrator.steps` ends with another exit status).

tenacity runs the loop. stamina, which stands on it, has no way to end a pause early, as a run that is stopped must.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from orchestrator.errors import Cancelled, TemporaryError, may_help_again

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tenacity import RetryCallState

#: Longest pause the other side may ask of us, in seconds. If it asks for more, its answer is passed on at once, because
#: coming back earlier would only be refused again.
WAIT_LIMIT: Final = 120.0
_LONGEST: Final = 30.0
#: A pause from here on, in seconds, is always logged: people would think that it hangs.
_NOTABLE: Final = 10.0

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Backoff:
    """Pauses that double from the first to the longest.

    Each is up to a fifth shorter than that, at random, so that several that fail together do not come back together.

    Args:
        first: seconds.
        longest: seconds.
    """

    def __init__(self, first: float, longest: float = _LONGEST) -> None:
        self._first = self._next = first
        self._longest = longest

    def reset(self) -> None:
        """It went well: begin with the first pause again."""
        self._next = self._first

    def pause(self) -> float:
        """Seconds to wait now; the next time it is twice as long."""
        now = min(self._next, self._longest)
        self._next = 2 * now
        return now * random.uniform(0.8, 1)  # noqa: S311 - nothing secret


class Patience:
    """How often and how long one thing is attempted; for use in one thread.

    Args:
        retries: further attempts after the first, of all calls together; None for any number within the time, which
            leaves it to the caller whether there is more.
        backoff: pauses between them; a number of seconds is the first one, of pauses that double up to 30 s.
        cancelled: ends any pause at once.
        left: seconds that may still be waited; None for any number.
        kinds: failures that are worth another attempt.
        loud: whether each failure is logged as a warning.
    """

    def __init__(
        self,
        retries: int | None,
        *,
        backoff: float | Backoff = 0.5,
        cancelled: threading.Event | None = None,
        left: Callable[[], float] | None = None,
        kinds: tuple[type[TemporaryError], ...] = (TemporaryError,),
        loud: bool = False,
    ) -> None:
        self._retries = math.inf if retries is None else retries
        self._backoff = backoff if isinstance(backoff, Backoff) else Backoff(backoff)
        self._cancelled = cancelled or threading.Event()
        self._left = left or (lambda: math.inf)
        self._kinds, self._loud = kinds, loud
        self._failures = 0
        self._seen: Counter[type[TemporaryError]] = Counter()

    def retry(self, attempt: Callable[[], T]) -> T:
        """Attempt something until it succeeds, fails for good, or no attempts or time are left.

        Args:
            attempt: one attempt; it raises a `TemporaryError` where another may help.

        Returns:
            What the attempt returns.

        Raises:
            TemporaryError: of the last attempt; no longer worth retrying.
            Cancelled: stopped on request.
        """
        try:
            return self._attempt(attempt)
        except TemporaryError as error:
            failed = [error]
        import tenacity  # noqa: PLC0415 - most pods meet no failure, and need not load it

        def again() -> T:
            if failed:
                raise failed.pop()
            return self._attempt(attempt)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._may_help),
            wait=self._wait,
            stop=self._is_over,
            sleep=self._sleep,
            reraise=True,
        )(again)

    async def retry_async(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The same for what is awaited; pauses are awaited, too, so a task that is cancelled ends them.

        Args:
            attempt: as for `retry`.

        Returns:
            What the attempt returns.

        Raises:
            TemporaryError: of the last attempt; no longer worth retrying.
            Cancelled: stopped on request.
        """
        import tenacity  # noqa: PLC0415 - as above

        async def again() -> T:
            with self._counting():
                return await attempt()

        return await tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._may_help), wait=self._wait, stop=self._is_over, reraise=True
        )(again)

    def progressed(self) -> None:
        """It got on: failures so far do not count any more."""
        self._failures = 0
        self._backoff.reset()

    def check(self) -> None:
        """Stop here if that was requested.

        Raises:
            Cancelled: it was.
        """
        if self._cancelled.is_set():
            raise Cancelled("stopped on request")

    def _attempt(self, attempt: Callable[[], T]) -> T:
        with self._counting():
            return attempt()

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Around one attempt."""
        self.check()
        try:
            yield
        except TemporaryError as error:
            self.check()  # whatever was cut off by the request looks broken
            self._failures += 1
            self._seen[type(error)] += 1
            raise

    def _may_help(self, error: BaseException) -> bool:
        return may_help_again(error) and isinstance(error, self._kinds) and not isinstance(error, Cancelled)

    def _wait(self, state: RetryCallState) -> float:
        asked, own = _error(state).retry_after, self._backoff.pause()
        if asked is None or (self._retries == math.inf and asked < own):  # "at once" without end would flood it
            return own
        return asked

    def _is_over(self, state: RetryCallState) -> bool:
        error, pause, patience = _error(state), state.upcoming_sleep, min(WAIT_LIMIT, self._left())
        most = math.inf if error.most_retries is None else error.most_retries
        over = self._failures > self._retries or self._seen[type(error)] > most or pause > patience
        if not over:
            if self._loud or pause >= _NOTABLE:
                _log.warning("%s; trying again in %.1f s", error, pause)
            return False
        if error.retry_after is not None and error.retry_after > max(0.0, patience):
            error.args = (f"{error}; it asks to wait {error.retry_after:.0f} s, longer than we do",)
        if self._retries < math.inf:
            error.given_up = True
        return True

    def _sleep(self, seconds: float) -> None:
        self._cancelled.wait(seconds)


def _error(state: RetryCallState) -> TemporaryError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, TemporaryError)  # noqa: S101 - nothing else is retried
    return error
