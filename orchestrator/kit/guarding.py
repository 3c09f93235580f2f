"""The one place where what nobody foresaw becomes a failure of the thing at hand.

Errors raised on purpose say which thing failed, and borders (a target that is looked up, a cell that runs, a report
that is read, a destination that is sent to) turn them into a row of the plan or the ledger. Everything else that a
hostile input may provoke (`RecursionError`, `MemoryError`, `UnicodeError`, `KeyError`, …) would pass those borders and
end the whole plan or run. `guarded` stands at each border and gives it the same form.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.kit.masking import mask

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

#: Most characters of an exception's own message: it may quote its input, and that may be of any size.
_LONGEST = 200
_MARK = "internal error while "


class InternalError(PermanentError):
    """Something failed in a way that nobody foresaw; the message names the thing, the exception and what to do."""


@contextmanager
def guarded(what: str, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Within the block, an exception of a kind that nobody foresaw is raised as an `InternalError`.

    Errors that are raised on purpose pass, and so do those of the operating system (`OSError`), for which borders have
    words of their own, and interrupts and exits (they are no `Exception`). The traceback goes to the log.

    Args:
        what: is being done to which thing, such as `reading the report of app:1 × virus`.
        passing: further exceptions that pass, because the caller foresees them.

    Raises:
        InternalError: in place of what was raised in the block.
    """
    foreseen: tuple[type[Exception], ...] = (ScanmatrixError, OSError, *passing)
    try:
        yield
    except foreseen:
        raise
    except Exception as error:
        message = _describe(what, error)
        _log.exception("%s", message)
        raise InternalError(message) from error


def in_words(error: Exception) -> str:
    """What a border says of a failure that `guarded` let pass: errors of the operating system name no culprit."""
    return f"the volume failed: {error}" if isinstance(error, OSError) else str(error)


def is_internal(reason: str) -> bool:
    """Whether the reason of a failure is one that nobody foresaw: a run with such a cell did not work as it should."""
    return _MARK in reason


def _describe(what: str, error: Exception) -> str:
    """What happened, in text that every encoding and every column can take, and without secrets."""
    try:
        said = mask(str(error).encode("utf-8", "backslashreplace").decode())
    except Exception:  # noqa: BLE001 - an exception whose message cannot be made is still an exception
        said = ""
    said = said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
    name = type(error).__name__
    return (
        f"{_MARK}{what}: {name}{f': {said}' if said else ''}; nobody foresaw this, so please report it as a bug of "
        "scanmatrix"
    )
