"""What a scanner left in the folder of its cell: nothing is kept for its next attempt, and its report for the results.

A scanner owns what lies there and may have made it as large, as deep and as hard to read as it could. Its user is ours,
so that nothing needs another one's rights.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.removal import remove_quietly
from orchestrator.kit.trees import BLOCK, TreeSize, measure
from orchestrator.upkeep.claims import read_claim
from orchestrator.volume.layout import ATTEMPT, TEMPORARY, TIMED_OUT, UNPACKED
from orchestrator.volume.locks import held
from orchestrator.volume.partial import sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from orchestrator.volume.layout import Volume

#: Seconds after which the folder of a worker that nobody knows goes: one that has just begun makes itself known.
_GONE = 3600.0
_OWNER = stat.S_IRWXU
#: What only the local engine has in the folders of cells, and only while it scans.
_OF_ATTEMPTS = (f"*/*/{ATTEMPT}*", f"*/*/{UNPACKED}")
#: Entries that are removed before a folder is read again, so that one of a million takes no memory.
_AT_ONCE = 1000
#: Entries that cannot be removed, after which a folder is given up.
_MOST_STUCK = 1000


def make_accessible(folder: Path) -> bool:
    """Undo what keeps us, its owner, out of a cell's folder; False when there is none."""
    with suppress(OSError):
        mode = folder.lstat().st_mode
        if stat.S_ISDIR(mode):
            if mode & _OWNER != _OWNER:
                folder.chmod(stat.S_IMODE(mode) | _OWNER)
            return True
    return False


def clear_cut_off(volume: Volume, *, besides: str) -> int:
    """Remove what attempts of runs of the local engine left that were cut off; their reports stay.

    Such a run begins these attempts again when it is resumed. One at which an engine is at work is left alone, and so
    are runs of the cluster: their pods say nothing on the volume while they run.

    Args:
        volume: where they lie.
        besides: id of the run that asks.

    Returns:
        Bytes given back to the volume.
    """
    freed = 0
    for folder in sorted((volume.root / "runs").glob("[!.]*")):
        if folder.name != besides and any(_of_attempts(folder)):
            with suppress(ScanmatrixError, OSError):
                claim = read_claim(folder.name, "", volume)
                if claim is None or not (claim.workflow or claim.queued):
                    with held(volume.lock(folder.name), patience=0):
                        freed += clear_attempts(folder.name, volume)
    return freed


def clear_workers(volume: Volume, present: Collection[str]) -> None:
    """Remove the folders of workers that are gone, whose links would hold their tarballs.

    Args:
        volume: where they lie.
        present: names of workers that are there.
    """
    for folder in (volume.root / "workers").glob("[!.]*"):
        with suppress(OSError):
            if folder.name not in present and folder.lstat().st_mtime < time.time() - _GONE:
                remove_quietly(folder)


def clear_attempts(run: str, volume: Volume) -> int:
    """Remove the folders of attempts at the cells of a run, of which none is active; the bytes that gave back."""
    freed = 0
    for left in _of_attempts(volume.run(run)):
        size = measure([left], TreeSize(sys.maxsize, sys.maxsize)).disk
        remove_quietly(left)
        freed += 0 if left.exists() else size
    return freed


def _of_attempts(run: Path) -> Iterator[Path]:
    return (path for pattern in _OF_ATTEMPTS for path in run.glob(pattern))


def clear_unfinished(run: str, volume: Volume) -> int:
    """Remove the files of a run that somebody was killed over while they were written, within the run's lock.

    What others share, such as when findings were first seen, goes when it is an hour old.

    Returns:
        How many.
    """
    folder = volume.run(run)
    targets = _folders(folder)
    own = [volume.results(run), folder, *targets, *(cell for target in targets for cell in _folders(target))]
    named = [volume.plan(run), volume.claim(run)]
    shared = [volume.plan(run).parent, volume.running, volume.kept]
    shared += [volume.root / "ages", volume.suppression / "first-used"]
    return (
        sum(sweep(each, idle=0, pattern=TEMPORARY) for each in own)
        + sum(sweep(path.parent, idle=0, pattern=f".{path.name}{TEMPORARY[1:]}") for path in named)
        + sum(sweep(each, pattern=TEMPORARY) for each in shared)
    )


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [folder / each.name for each in entries if each.is_dir(follow_symlinks=False)]
    except OSError:  # a scanner has seen to that, or there is none
        return []


def clear(folder: Path, report: str, limit: int) -> int:
    """Leave a cell's folder with nothing but its report, and the empty file that says that its scanner was ended.

    Nothing in it keeps a run from its end.

    What makes a report unsound stays visible: one that is too large is cut to a byte more than is accepted, and a
    folder of its name is emptied.

    Args:
        folder: of the cell; its scanner has ended.
        report: its name in there.
        limit: most bytes of it that are accepted.

    Returns:
        Bytes given back to the volume, without what lay in folders.
    """
    marked = (TIMED_OUT,) if _is_mark(folder / TIMED_OUT) else ()
    return empty(folder, report, *marked) + _shorten(folder / report, limit)


def _is_mark(path: Path) -> bool:
    with suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and not status.st_size
    return False


def empty(folder: Path, *but: str) -> int:
    """Remove what lies in a folder, as far as it can be.

    Args:
        folder: the folder.
        but: names of what stays.

    Returns:
        Bytes given back to the volume, without what lay in folders.
    """
    freed, stay = 0, set(but)
    with suppress(OSError):
        while len(stay) <= _MOST_STUCK:
            with os.scandir(folder) as entries:
                removable = (folder / each.name for each in entries if each.name not in stay)
                some = list(islice(removable, _AT_ONCE))
            if not some:
                break
            freed += sum(map(_remove, some))
            stay |= {path.name for path in some if os.path.lexists(path)}
    return freed


def _remove(path: Path) -> int:
    """Remove one entry; the bytes that gave back where it was a file of no other name."""
    with suppress(OSError):
        status = path.lstat()
        remove_quietly(path)
        return status.st_blocks * BLOCK if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0
    return 0


def _shorten(path: Path, limit: int) -> int:
    """Keep of a report as much as shows that it is too large; the bytes that gave back."""
    with suppress(OSError):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            make_accessible(path)
            empty(path)
        elif stat.S_ISREG(status.st_mode) and status.st_size > limit + 1:
            path.chmod(stat.S_IMODE(status.st_mode) | stat.S_IWUSR)
            os.truncate(path, limit + 1)
            return max(0, status.st_blocks * BLOCK - limit - 1)
    return 0
