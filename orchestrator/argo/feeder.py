"""What is beside a supervisor and asks it for one cell after the other; see `orchestrator.argo.supervisor`."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo.supervisor import (
    BEGUN,
    BELL,
    CELL,
    CLOCK,
    END,
    FILES,
    HELD,
    LOG,
    LOG_BYTES,
    PIPES,
    PROGRAM_NAME,
    READY,
    REQUEST,
    RESULT,
    SERVER_LOG,
    START,
    STATE,
    WORD_BYTES,
    CellResult,
    command_words,
    read_result,
    request_words,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: What a scanner of any user may read, and the pipes that it may write, in a folder that nobody else sees.
_READ, _LOOK, _PIPE, _RUN = 0o644, 0o755, 0o666, 0o755


class ServerOrder(NamedTuple):
    """A server that a supervisor keeps running.

    Attributes:
        start: its command.
        ready: that which ends with 0 once it answers.
        environment: of both.
        files: names and texts of what it reads.
    """

    start: tuple[str, ...]
    ready: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...] = ()


class Feeder:
    """The folders of one supervisor, from our side.

    Args:
        inputs: the folder that the scanner may only read.
        outputs: that in which the supervisor says how things stand.
    """

    def __init__(self, inputs: Path, outputs: Path) -> None:
        self._inputs, self._outputs = inputs, outputs
        self._held = -1
        self._number = 0

    @property
    def cell(self) -> Path:
        """The folder for what the next cell reads."""
        return self._inputs / CELL

    def prepare(self, program: Path) -> None:
        """Make the folder of inputs; nothing is started yet.

        Args:
            program: a static busybox.
        """
        for folder in (self._inputs, self._inputs / FILES, self.cell):
            folder.mkdir(exist_ok=True)
            with suppress(PermissionError):  # in a pod it is a volume, which is not ours and open to its containers
                folder.chmod(_LOOK)
        shutil.copyfile(program, self._inputs / PROGRAM_NAME)
        (self._inputs / PROGRAM_NAME).chmod(_RUN)
        for name in PIPES:
            pipe = self._inputs / name
            with suppress(FileExistsError):
                os.mkfifo(pipe)
            pipe.chmod(_PIPE)

    def hold(self) -> None:
        """Have the supervisor end when this process does, however that ends."""
        if self._held < 0:  # both ends of it, so that this waits for nobody
            self._held = os.open(self._inputs / HELD, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self, order: ServerOrder | None) -> None:
        """Have the supervisor start a server before anything else, from its next start on; or none."""
        for path in (self._inputs / START, self._inputs / READY, *(self._inputs / FILES).iterdir()):
            path.unlink(missing_ok=True)
        if order:
            for name, text in order.files:
                self._write(f"{FILES}/{name}", text)
            environment = dict(order.environment)
            self._write(READY, command_words(order.ready, environment))
            self._write(START, command_words(order.start, environment))

    def ask(self, words: Sequence[str], environment: Mapping[str, str], *, timeout: int, printed: str = "") -> None:
        """Ask for a cell, which reads what is in the folder for it; see `request_words`."""
        # A supervisor that starts again goes by what was asked last.
        self._number = max(self._number, _number(self._read(BEGUN))) + 1
        self._write(REQUEST, request_words(self._number, words, environment, timeout=timeout, printed=printed))
        self._ring(BELL)

    def result(self) -> CellResult | None:
        """How the cell ended that was asked for last; None while it has not."""
        found = read_result(self._read(RESULT))
        return found if found and found.id == self._number else None

    def stop_cell(self) -> None:
        """Have the cell ended that runs; its supervisor ends, too."""
        self._ring(CLOCK)

    def state(self) -> str:
        """How the supervisor says that it stands."""
        return self._read(STATE).strip()

    def log(self, *, of_server: bool = False) -> bytes:
        """The end of what the scanner of the last cell said, or of what the server did before it ended."""
        return self._bytes(SERVER_LOG, WORD_BYTES) if of_server else self._bytes(LOG, LOG_BYTES)

    def withdraw(self) -> None:
        """Nothing is asked for any more, neither a cell nor the end."""
        for name in (REQUEST, END):
            (self._inputs / name).unlink(missing_ok=True)

    def end(self) -> None:
        """Have the supervisor end, whatever it does."""
        self._write(END, "")
        for pipe in (CLOCK, BELL):
            self._ring(pipe)

    def close(self) -> None:
        """Let go of the supervisor, which ends by that."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def _write(self, name: str, text: str) -> None:
        final = self._inputs / name
        unfinished = final.with_name(f".{final.name}.new")
        unfinished.write_text(text, encoding="utf-8", errors="surrogateescape")
        unfinished.chmod(_READ)
        unfinished.replace(final)

    def _ring(self, name: str) -> None:
        try:
            pipe = os.open(self._inputs / name, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody listens: what is to be seen is there
                raise
            return
        try:
            with suppress(BlockingIOError):
                os.write(pipe, b"\n")
        finally:
            os.close(pipe)

    def _read(self, name: str) -> str:
        return self._bytes(name, WORD_BYTES).decode(errors="replace")

    def _bytes(self, name: str, most: int) -> bytes:
        """A file that a scanner may have made: no link, no pipe, and no more of it than there should be."""
        try:
            descriptor = os.open(self._outputs / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            return os.read(descriptor, most)
        except OSError:
            return b""
        finally:
            os.close(descriptor)


def _number(text: str) -> int:
    word = text.strip()
    # One digit less than a result may have, for the next number.
    return int(word) if word.isascii() and word.isdigit() and len(word) < 12 else 0  # noqa: PLR2004
