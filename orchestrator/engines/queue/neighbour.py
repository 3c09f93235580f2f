"""The container beside a worker, which its supervisor keeps running; see `orchestrator.argo.supervisor`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo.beside import INPUTS, LAYERS, LIFE, OUTPUTS, OWN, STUCK, USED
from orchestrator.argo.feeder import Feeder
from orchestrator.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.argo.feeder import ServerOrder

_log = logging.getLogger(__name__)
#: Seconds between two looks at what was answered, and at what may end a cell.
_POLL, _LOOK = 0.02, 0.1
#: Seconds in which a supervisor answers; and those in which Kubernetes starts its container again, whose pause after
#: several ends is five minutes.
_ANSWERS, _PATIENCE = 20.0, 900.0
_ENDED = "the scanner's container ended while it ran: more memory than its resources.memoryLimit?"


class NeighbourGoneError(TemporaryError):
    """The scanner's container does not answer."""


class OrderEnd(NamedTuple):
    """How a cell ended in the container beside.

    Attributes:
        code: exit code of its command; None where it had to be ended, or its container ended.
        reason: why; empty where it ended by itself.
        lost: whether its container ended.
    """

    code: int | None
    reason: str = ""
    lost: bool = False


class Neighbour:
    """Has cells run in the container beside this one.

    Args:
        folder: what is shared with it.

    Attributes:
        own: the folders that its scanners write.
        layers: the folder of the files of layers.
    """

    def __init__(self, folder: Path) -> None:
        self.own, self.layers = folder / OWN, folder / LAYERS
        self._feeder = Feeder(folder / INPUTS, self.own / OUTPUTS)
        self._life, self._stuck = folder / LIFE, folder / INPUTS / STUCK
        #: There from the first cell on, until the container has begun again; no scanner sees it.
        self._used = folder / USED
        self._is_mine = False
        self._server: ServerOrder | None = None
        #: Servers that did not become ready.
        self._failed: set[ServerOrder] = set()

    def close(self) -> None:
        """Have it end, whatever it does; Kubernetes starts it again as long as there is this pod."""
        self._end()
        self._feeder.close()

    def log(self) -> bytes:
        """The end of what the scanner of the last cell said."""
        return self._feeder.log()

    def show_life(self) -> None:
        """Say that this worker is there, to the probe of its own container."""
        self._life.touch()

    def make_ready(self, why_end: Callable[[], str]) -> None:
        """Make sure of one that has worked for nobody else, and waits for a cell.

        Raises:
            NeighbourGoneError: there is none, or something ends the wait.
        """
        if not self._is_mine or self._has_ended():
            self._renew(why_end)
        waits = "the scanner's container has not begun"
        self._wait(lambda: self._feeder.state() == "ready" or self._is_unready(), why_end, _PATIENCE, waits)
        if self._is_unready() and self._server:
            _log.warning("cells are run without the server of their scan: %s", self._feeder.state())
            self._failed.add(self._server)
            self._want(None)
            self._renew(why_end)
            self._wait(lambda: self._feeder.state() == "ready", why_end, _PATIENCE, waits)
        self._is_mine = True

    def serve(self, order: ServerOrder, why_end: Callable[[], str]) -> bool:
        """Make sure of a server; False where it does not become ready, so that cells are run without it.

        Raises:
            NeighbourGoneError: there is no container.
        """
        if order != self._server and order not in self._failed:
            self._want(order)
        self.make_ready(why_end)
        return self._server == order

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        timeout: int,
        printed: str,
        why_end: Callable[[], str],
    ) -> OrderEnd:
        """Run a cell, and wait for its end.

        Args:
            words: its command.
            environment: its variables, beside those of the container.
            timeout: seconds that it may take.
            printed: path of the report where it prints it; else empty.
            why_end: asked now and then; a reason ends it at once.

        Raises:
            NeighbourGoneError: there is no container.
        """
        self.make_ready(why_end)
        self._used.touch()
        self._feeder.ask(words, environment, timeout=timeout, printed=printed)
        reason, until, look = "", time.monotonic() + timeout + _ANSWERS, 0.0
        while (result := self._feeder.result()) is None:
            now = time.monotonic()
            if now > until:
                self._let_go()
                return OrderEnd(None, reason or "the scanner's container does not answer, and is started again", True)
            if not reason and now > look and (reason := why_end()):
                until = now + _ANSWERS
                self._feeder.stop_cell()
            look = now + _LOOK if now > look else look
            time.sleep(_POLL)
        self._feeder.withdraw()
        if reason or result.how == "stopped":
            return OrderEnd(None, reason)
        return OrderEnd(None, _ENDED, True) if result.how == "lost" else OrderEnd(result.code)

    def _renew(self, why_end: Callable[[], str]) -> None:
        """Have the container of before begin again, which empties its folders; that of a new pod is as good as new."""
        if self._used.exists():
            self._end()
            self._wait(self._has_ended, why_end, _ANSWERS, "")
            self._used.unlink(missing_ok=True)
        self._feeder.hold()
        self._feeder.withdraw()
        self._stuck.unlink(missing_ok=True)

    def _want(self, order: ServerOrder | None) -> None:
        """Say which server is to run from the next start of the container on."""
        self._server, self._is_mine = order, False
        self._used.touch()
        self._feeder.serve(order)

    def _is_unready(self) -> bool:
        return self._server is not None and self._feeder.state().startswith("unready")

    def _end(self) -> None:
        self._feeder.end()
        self._is_mine = False

    def _has_ended(self) -> bool:
        return self._feeder.state().startswith(("ended", "unready"))

    def _wait(self, done: Callable[[], bool], why_end: Callable[[], str], patience: float, otherwise: str) -> None:
        """Wait for something; when it has not happened in time, for what Kubernetes does about that."""
        until = time.monotonic() + patience
        while not done():
            late = time.monotonic() > until
            if why := why_end() or (otherwise if late else ""):
                raise NeighbourGoneError(why)
            if late:
                self._let_go()
                return
            time.sleep(_LOOK)

    def _let_go(self) -> None:
        """Have Kubernetes start its container again."""
        _log.warning("the scanner's container does not answer, and is started again")
        self._stuck.touch()
        self._is_mine = False
