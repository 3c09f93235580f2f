"""Log lines of our programs: one for each message, without secrets, and with all that is hidden in it made visible."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TextIO

from orchestrator.kit.masking import mask
from orchestrator.kit.text import visible_lines, visible_message

#: Environment variable that has the command `scanmatrix` show the traceback of what nobody foresaw.
DEBUG_VARIABLE = "SCANMATRIX_DEBUG"
#: Innermost calls that are shown of a traceback: a recursion has a thousand.
_CALLS = -20


def write_to_stderr(program: str, *, tracebacks: bool, hint: str = "") -> None:
    """Write log messages from warnings up to stderr.

    Args:
        program: begins each message.
        tracebacks: whether those of exceptions are written too.
        hint: otherwise ends the message of an exception: how to see its traceback.
    """
    handler = _StderrHandler()
    handler.setFormatter(_Formatter(program, tracebacks=tracebacks, hint=hint))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is now: while bars are drawn, that puts lines above them."""

    @property
    def stream(self) -> TextIO:
        """Where the next line is written."""
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        """Nothing else can be set."""


class _Formatter(logging.Formatter):
    def __init__(self, program: str, *, tracebacks: bool, hint: str) -> None:
        super().__init__()
        self._program = program
        self._tracebacks = tracebacks
        self._hint = hint

    def format(self, record: logging.LogRecord) -> str:
        """The message; whatever others have made of its exception is not used."""
        line = f"{self._program}: {visible_message(mask(record.getMessage()))}"
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return line
        if not self._tracebacks:
            return f"{line} ({self._hint})" if self._hint else line
        trace = traceback.format_exception(type(error), error, error.__traceback__, limit=_CALLS)
        return f"{line}\n  {visible_lines(mask(''.join(trace).rstrip()))}"
