"""Steps that are done again and again: trouble with one is logged once, and ends neither it nor another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import to_thread

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import CapacityLimiter

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Trying:
    """Does steps in threads."""

    def __init__(self) -> None:
        self._trouble: dict[str, str] = {}

    async def do(self, what: str, step: Callable[[], T], *, limiter: CapacityLimiter | None = None) -> T | None:
        """Do a step once.

        Args:
            what: it does, for the log.
            step: what is done.
            limiter: of threads; for what may hang one of its own, so that it keeps no thread from anything else.

        Returns:
            What it returns; None where it failed, whatever the reason.
        """
        try:
            # What has a limit of its own may hang, and is given up when the service ends; the rest is brief.
            abandon = limiter is not None
            found = await to_thread.run_sync(self._guarded, what, step, limiter=limiter, abandon_on_cancel=abandon)
        except (ScanmatrixError, OSError) as error:
            if str(error) != self._trouble.get(what):
                _log.warning("%s: %s", what, error)
            self._trouble[what] = str(error)
            return None
        self._trouble.pop(what, None)
        return found

    @staticmethod
    def _guarded(what: str, step: Callable[[], T]) -> T:
        with guarded(what):
            return step()

    async def repeat(self, pause: float, what: str, step: Callable[[], object]) -> None:
        """Do it until it is cancelled, with a pause of some seconds after each time."""
        while True:
            await self.do(what, step)
            await anyio.sleep(pause)
