"""The ledger of a run whose results are not put together: it stands in for another, or until somebody does so.

The step that makes the results writes it before everything else, because what follows may be killed. As long as the
mark of such an attempt says that, nobody who wants results takes it for one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import PermanentError
from orchestrator.volume.records import read_small

if TYPE_CHECKING:
    from pathlib import Path

LEDGER = "ledger.json"
"""Name of the ledger's file; the last one is written last: where it is not provisional, the results are whole."""
#: The file that an attempt leaves if it does not come to its end.
MARK = ".aggregating"
_PROVISIONAL = "provisional"


class Attempts(NamedTuple):
    """Attempts to put the results of a run together that have begun, and none of which has ended.

    Attributes:
        number: of them.
        provisional: whether the ledger is of the first of them.
    """

    number: int = 0
    provisional: bool = False

    def __str__(self) -> str:
        return f"{self.number}{f' {_PROVISIONAL}' if self.provisional else ''}\n"


def attempts(folder: Path) -> Attempts:
    """What the mark in a run's results says; of one that cannot be read, that there was an attempt."""
    try:
        number, _, what = read_small(folder / MARK)[:80].decode("ascii", "replace").strip().partition(" ")
    except (PermanentError, OSError):
        return Attempts(int((folder / MARK).exists()))
    with suppress(ValueError):
        return Attempts(max(0, int(number)), what == _PROVISIONAL)
    return Attempts(1)


def is_whole(folder: Path) -> bool:
    """Whether the results of a run are there: a ledger that is not provisional."""
    return (folder / LEDGER).exists() and not attempts(folder).provisional
