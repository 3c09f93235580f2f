"""Attempts to aggregate a run, of which some were ended from outside: by the kernel for lack of memory, say.

Such an attempt can say nothing itself, so each leaves a mark in the run's results for as long as it lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.kit.removal import remove_quietly
from orchestrator.results.provisional import LEDGER, MARK, Attempts, attempts
from orchestrator.volume.layout import write_atomic


@contextmanager
def attempt(folder: Path) -> Iterator[bool]:
    """Mark a run as being aggregated; one that has no ledger gets a provisional one in the block.

    Args:
        folder: the run's results.

    Yields:
        Whether the run lacks a ledger, and one that is written now counts as provisional.
    """
    before = attempts(folder)
    lacks = not (folder / LEDGER).exists()
    provisional = before.provisional or lacks
    marked = _mark(folder, Attempts(before.number + 1, provisional))
    try:
        yield lacks and marked
    except BaseException:  # it ends by itself: it does not count, but its ledger is no other for that
        if provisional and (folder / LEDGER).exists():
            _mark(folder, Attempts(before.number, provisional))
        else:
            end_attempts(folder)
        raise
    end_attempts(folder)


def _mark(folder: Path, now: Attempts) -> bool:
    try:
        write_atomic(folder / MARK, str(now).encode())
    except OSError:  # on a full volume this attempt is the one that frees room
        return False
    return True


def end_attempts(folder: Path) -> None:
    """Say that there is no attempt, and none to come: what ledger there is counts."""
    remove_quietly(folder / MARK)
