"""How long a loop waits when it has nothing to do, or when what it does goes wrong: ever longer, until it goes well."""

from __future__ import annotations

import random


class Pace:
    """Pauses that double from the first to the longest.

    Each is up to a fifth shorter than that, by chance, so that replicas which fail together do not try again together.

    Args:
        first: seconds.
        longest: seconds.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def reset(self) -> None:
        """It went well: begin with the first pause again."""
        self._next = self._first

    def pause(self) -> float:
        """Seconds to wait now; the next time it is twice as long."""
        now = self._next
        self._next = min(2 * now, self._longest)
        return now * random.uniform(0.8, 1.0)  # noqa: S311 - nothing secret
