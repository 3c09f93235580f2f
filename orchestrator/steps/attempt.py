"""Whether an earlier attempt to aggregate a run was ended from outside: by the kernel for want of memory, say.

Such an attempt can say nothing itself, so each leaves a mark in the run's results for as long as it lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.kit.removal import remove_quietly

_MARK = ".aggregating"


def was_ended_early(folder: Path) -> bool:
    """Whether the last attempt to aggregate a run did not come to its end.

    Args:
        folder: the run's results.
    """
    return (folder / _MARK).exists()


@contextmanager
def attempt(folder: Path) -> Iterator[bool]:
    """Mark a run as being aggregated.

    Args:
        folder: the run's results.

    Yields:
        Whether an attempt before this one did not come to its end.
    """
    mark = folder / _MARK
    ended_early = was_ended_early(folder)
    with suppress(OSError):  # on a full volume this attempt is the one that frees room
        mark.touch()
    try:
        yield ended_early
    finally:
        remove_quietly(mark)
