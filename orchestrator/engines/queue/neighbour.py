"""The container beside a worker, which its supervisor keeps running; see `orchestrator.argo.supervisor`."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo.beside import INPUTS, LAYERS, LIFE, OUTPUTS, OWN, STUCK, USED
from orchestrator.argo.supervisor import (
    BEGUN,
    BELL,
    CLOCK,
    END,
    FILES,
    HELD,
    READY,
    REQUEST,
    RESULT,
    START,
    STATE,
    WORD_BYTES,
    CellResult,
    read_result,
    request_words,
)
from orchestrator.engines.local.output import LOG_BYTES
from orchestrator.errors import TemporaryError
from orchestrator.steps.keep import FILE, FOLDER
from orchestrator.upkeep.leftovers import empty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

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


class ServerOrder(NamedTuple):
    """A server that stays running in the container beside.

    Attributes:
        start: text of the file that says how it is started.
        ready: the same of what it is asked by.
        files: names and texts of what it reads.
    """

    start: str
    ready: str
    files: tuple[tuple[str, str], ...] = ()


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
        self._inputs, self._life = folder / INPUTS, folder / LIFE
        #: There from the first cell on, until the container has begun again; no scanner sees it.
        self._used = folder / USED
        self._number, self._is_mine = 0, False
        #: Open as long as this worker is there: the supervisor ends when it is not.
        self._held = -1
        self._server: ServerOrder | None = None
        #: Servers that did not become ready.
        self._failed: set[ServerOrder] = set()

    def close(self) -> None:
        """Have it end, whatever it does; Kubernetes starts it again as long as there is this pod."""
        self._end()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

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
        self._wait(lambda: self._state() == "ready" or self._is_unready(), why_end, _PATIENCE, waits)
        if self._is_unready() and self._server:
            _log.warning("cells are run without the server of their scan: %s", self._state())
            self._failed.add(self._server)
            self._want(None)
            self._renew(why_end)
            self._wait(lambda: self._state() == "ready", why_end, _PATIENCE, waits)
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
        self._number = max(self._number, _number(self._text(BEGUN))) + 1
        self._put(REQUEST, request_words(self._number, words, environment, timeout=timeout, printed=printed))
        _ring(self._inputs / BELL)
        reason, until, look = "", time.monotonic() + timeout + _ANSWERS, 0.0
        while (result := self._result()) is None:
            now = time.monotonic()
            if now > until:
                self._let_go()
                return OrderEnd(None, reason or "the scanner's container does not answer, and is started again", True)
            if not reason and now > look and (reason := why_end()):
                until = now + _ANSWERS
                _ring(self._inputs / CLOCK)
            look = now + _LOOK if now > look else look
            time.sleep(_POLL)
        (self._inputs / REQUEST).unlink(missing_ok=True)
        if reason or result.how == "stopped":
            return OrderEnd(None, reason)
        return OrderEnd(None, _ENDED, True) if result.how == "lost" else OrderEnd(result.code)

    def read(self, folder: str, name: str, most: int = LOG_BYTES) -> bytes:
        """The end of a file that the scanner, or its supervisor, wrote; empty where it is none."""
        with suppress(OSError):
            descriptor = os.open(self.own / folder, FOLDER)
            try:
                file = os.open(name, FILE, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            try:
                return os.pread(file, most, max(0, os.fstat(file).st_size - most))
            finally:
                os.close(file)
        return b""

    def _renew(self, why_end: Callable[[], str]) -> None:
        """Have the container of before begin again, which empties its folders; that of a new pod is as good as new."""
        if self._used.exists():
            self._end()
            self._wait(self._has_ended, why_end, _ANSWERS, "")
            self._used.unlink(missing_ok=True)
        if self._held < 0:
            self._held = os.open(self._inputs / HELD, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        for name in (REQUEST, END, STUCK):
            (self._inputs / name).unlink(missing_ok=True)

    def _want(self, order: ServerOrder | None) -> None:
        """Say which server is to run from the next start of the container on."""
        self._server, self._is_mine = order, False
        self._used.touch()
        for name in (START, READY):
            (self._inputs / name).unlink(missing_ok=True)
        empty(self._inputs / FILES)
        if order:
            for name, text in order.files:
                (self._inputs / FILES / name).write_text(text)
            self._put(READY, order.ready)
            self._put(START, order.start)

    def _is_unready(self) -> bool:
        return self._server is not None and self._state().startswith("unready")

    def _end(self) -> None:
        self._put(END, "")
        for pipe in (CLOCK, BELL):
            _ring(self._inputs / pipe)
        self._is_mine = False

    def _has_ended(self) -> bool:
        return self._state().startswith(("ended", "unready"))

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
        (self._inputs / STUCK).touch()
        self._is_mine = False

    def _state(self) -> str:
        return self._text(STATE)

    def _result(self) -> CellResult | None:
        found = read_result(self._text(RESULT))
        return found if found and found.id == self._number else None

    def _text(self, name: str) -> str:
        return self.read(OUTPUTS, name, WORD_BYTES).decode(errors="replace").strip()

    def _put(self, name: str, text: str) -> None:
        """A file that appears whole; it need not outlive this pod."""
        unfinished = self._inputs / ".unfinished"
        unfinished.write_text(text)
        unfinished.rename(self._inputs / name)


def _ring(pipe: Path) -> None:
    """Wake what reads a pipe; nothing has to."""
    with suppress(OSError):
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"\n")
        finally:
            os.close(descriptor)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 12 else 0  # noqa: PLR2004 - as `read_result` takes it
