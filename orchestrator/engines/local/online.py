"""Cells that ask the API of a repository's host: their token, and how many of them ask at a time."""

from __future__ import annotations

import os
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from orchestrator.engines.local.process import POLL
from orchestrator.errors import PermanentError
from orchestrator.git.url import project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orchestrator.model import Online, Target


class TokenMissing(PermanentError):  # noqa: N818 - the name says what happened
    """A cell was planned to ask the API of a host, and there is no token for that here."""


def token(online: Online, target: Target, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The token for a repository's host, by the variable in which the scanner wants it.

    Args:
        online: how the scan asks.
        target: the repository.
        environment: instead of the process's own.

    Raises:
        TokenMissing: there is none.
    """
    host = project(target.pull).partition("/")[0]
    variable = online.tokens.get(host, "")
    value = (os.environ if environment is None else environment).get(variable, "")
    if not value:
        raise TokenMissing(
            f"{target.reference}: was planned to ask the API of {host}, and {variable or 'its token'} is not set here;"
            " set it, or plan a new run, which then reads the files alone"
        )
    return {variable: value}


class Turns:
    """This many online cells of a scan at the same time, for the hosts count their requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_scan: dict[str, BoundedSemaphore] = {}

    @contextmanager
    def taken(self, scan: str, most: int, stopped: Callable[[], str]) -> Iterator[str]:
        """Wait for a turn, which ends with the block; gives why there is none when the run is asked to end."""
        with self._lock:
            turns = self._by_scan.setdefault(scan, BoundedSemaphore(most))
        while not turns.acquire(timeout=POLL):
            if reason := stopped():
                yield reason
                return
        try:
            yield ""
        finally:
            turns.release()
