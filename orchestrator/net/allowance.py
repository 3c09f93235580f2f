"""What is left of a budget while registries are read: requests, entries, bytes and seconds."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from orchestrator.net.errors import OverBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.model import ReadBudget


class Allowance:
    """Counts what one thing costs against its budget, and against that of the whole it is a part of; thread-safe.

    Time runs from the moment it is made.

    Args:
        budget: the most it may cost.
        key: of the configuration that sets it, for messages: `limits.lookup`.
        within: that of the whole; everything is counted there as well.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        budget: ReadBudget,
        key: str,
        within: Allowance | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget, self._key, self._within, self._clock = budget, key, within, clock
        self._ends = clock() + budget.seconds
        self._spent = dict.fromkeys(("requests", "entries", "bytes"), 0)
        self._lock = threading.Lock()

    def part(self, budget: ReadBudget, key: str) -> Allowance:
        """An allowance for a part of this whole, beginning now."""
        return Allowance(budget, key, self, clock=self._clock)

    def spend(self, *, requests: int = 0, entries: int = 0, size: int = 0) -> None:
        """Count what was, or is about to be, used.

        Raises:
            OverBudget: it is more than there is, or the time is over.
        """
        self.check()
        for name, amount in (("requests", requests), ("entries", entries), ("bytes", size)):
            if amount:
                self._count(name, amount)
        if self._within is not None:
            self._within.spend(requests=requests, entries=entries, size=size)

    def check(self) -> None:
        """See that there is time left.

        Raises:
            OverBudget: there is none, of this or of the whole.
        """
        if self._within is not None:
            self._within.check()
        if self._clock() >= self._ends:
            raise self._over("time", f"{self._budget.seconds} s")

    def seconds_left(self) -> float:
        """Until its end, or that of the whole."""
        mine = max(0.0, self._ends - self._clock())
        return mine if self._within is None else min(mine, self._within.seconds_left())

    def _count(self, name: str, amount: int) -> None:
        most = int(getattr(self._budget, name))
        with self._lock:
            self._spent[name] += amount
            spent = self._spent[name]
        if spent > most:
            raise self._over(name, f"{most} {name}")

    def _over(self, what: str, amount: str) -> OverBudget:
        return OverBudget(
            f"takes more than {amount} of registries, the budget {self._key}.{what}; look at what the registry serves, "
            "and raise that only if it is meant"
        )
