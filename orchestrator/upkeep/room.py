"""Room on the volume: the cache of blobs within its budget, room for a pull on a full volume, and for the results.

The blob that was used longest ago goes first. An inode's change time tells when that was: linking and unlinking set it,
and unlike its access time no mount option turns it off. Where links are refused it tells when the blob was pulled.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import PermanentError
from orchestrator.images.tarball.shared import forget_evicted
from orchestrator.kit.removal import remove_quietly
from orchestrator.kit.trees import TreeSize, measure
from orchestrator.model import Plan
from orchestrator.model.documents import read
from orchestrator.upkeep.claims import claims
from orchestrator.upkeep.leftovers import clear_cut_off
from orchestrator.upkeep.links import evict, release, remove_unused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from orchestrator.volume.layout import Volume

#: Seconds that a blob without links is left alone: it may have just been pulled, and its cells start any moment.
IDLE = 3600.0
#: The same when the volume is full: the run that pulled it has had the time to link it.
_URGENT = 60.0
_BLOCK = 512
#: Bytes kept for a run's results: in proportion to its cells, within bounds.
_OF_CELL = 64 * 1024
_LONGEST_RUN = 3 * 86400
_LEAST, _MOST = 8 * 1024 * 1024, 64 * 1024 * 1024
FULL = {errno.ENOSPC, errno.EDQUOT}


class _Cached(NamedTuple):
    """A blob that nobody has a link to, or a copy."""

    used: float
    size: int
    path: Path


def make_room(plan: Plan, wanted: Iterable[str], volume: Volume, *, now: float | None = None) -> int:
    """Remove cached blobs until those that a run is about to pull fit the volume and its budget.

    Copies of what lies elsewhere on this machine (`kept/`) count, too, and go where the blobs are not enough.

    Args:
        plan: of the run; its limits have the budget. Copies that it reads stay.
        wanted: ids of the targets that are about to be pulled; their blobs stay when they are there.
        volume: where the blobs lie.
        now: seconds since 1970, instead of the clock.

    Returns:
        Bytes given back to the volume.
    """
    targets = [plan.targets_by_id[id_] for id_ in wanted]
    keep = {volume.blob(target.digest).name for target in targets if target.digest}
    taken, cached = _look(volume, keep)
    present = {name for name in keep if (_folder(volume) / name).exists()}
    sizes = {target.digest: target.size or 0 for target in targets if target.digest}
    missing = sum(size for digest, size in sizes.items() if volume.blob(digest).name not in present)
    budget = plan.limits.volume_bytes
    copied, copies = _look_at_copies(plan, volume)
    short = max(taken + copied + missing - budget if budget else 0, missing - _free(volume))
    before = (now or time.time()) - IDLE
    freed = _remove(volume, cached, short, before=before)
    return freed + _remove_copies(volume, copies, short - freed, before=before)


def reclaim(plan: Plan, needed: int, volume: Volume) -> int:
    """Make room on a full volume.

    First goes what the scanners of runs left that were cut off, then cached blobs, then copies of what lies elsewhere
    on this machine, then the blobs of this run's images whose cells all ended well.

    Args:
        plan: of the run that needs room.
        needed: bytes.
        volume: where the blobs lie.

    Returns:
        Bytes given back to the volume.
    """
    from orchestrator.upkeep.left import unsound_cells  # noqa: PLC0415 - reads reports; a pull seldom needs that

    freed = clear_cut_off(volume, besides=plan.run)
    if freed and freed >= needed:
        return freed
    held = {target.id for target in plan.targets if target.digest and volume.blob(target.digest).exists()}
    waiting = {target for target, _ in unsound_cells(plan, volume, held)}
    keep = {volume.blob(plan.targets_by_id[id_].digest).name for id_ in waiting}
    freed += _remove(volume, _look(volume, keep)[1], needed - freed, before=time.time() - _URGENT)
    freed += _remove_copies(volume, _look_at_copies(plan, volume)[1], needed - freed, before=time.time() - IDLE)
    return freed if freed >= needed else freed + evict(plan, held - waiting, volume)


def spare(volume: Volume) -> bool:
    """Remove the cached blob that was used longest ago, from a full volume; False when there is none."""
    return _remove(volume, _look(volume, ())[1], 1, before=_urgent()) > 0


def clear(plan: Plan, volume: Volume) -> int:
    """Give back all that a run which has ended can spare: its reserve, its links, and the blobs nobody links to.

    Returns:
        Bytes given back to the volume, those of the reserve left out.
    """
    spend(plan.run, volume)
    freed = release(plan, plan.targets_by_id.keys(), volume)
    mine = {volume.blob(target.digest).name for target in plan.targets if target.digest}
    cached = _look(volume, ())[1]
    most = sum(each.size for each in cached)
    own = [each for each in cached if each.path.name in mine]
    return freed + _remove(volume, own, most, before=time.time()) + _remove(volume, cached, most, before=_urgent())


def lay_by(plan: Plan, volume: Volume) -> bool:
    """Keep room for the results of a run while it lasts; False when there is none to keep.

    What runs that were cut off days ago kept goes.
    """
    path = volume.reserve(plan.run)
    for left in volume.root.glob(f"runs/*/{path.name}"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - _LONGEST_RUN:
                left.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    size = min(max(len(plan.cells) * _OF_CELL, _LEAST), _MOST)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        _allocate(descriptor, size)
    except OSError:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
    return True


def _allocate(descriptor: int, size: int) -> None:
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, size)
        return
    for _ in range(0, size, _LEAST):  # macOS: what is not written is not allocated
        if os.write(descriptor, bytes(_LEAST)) < _LEAST:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def spend(run: str, volume: Volume) -> None:
    """Give the room kept for the results of a run to them; what cannot be given is missed where they are written."""
    with suppress(OSError):
        volume.reserve(run).unlink(missing_ok=True)


def _look(volume: Volume, keep: Collection[str]) -> tuple[int, list[_Cached]]:
    """Bytes of all blobs, and those that are a cache, the one used longest ago first."""
    taken, cached = 0, []
    for entry in _blobs(volume):
        with suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            size = status.st_blocks * _BLOCK
            taken += size
            if entry.name not in keep and status.st_nlink == 1:
                cached.append(_Cached(status.st_ctime, size, _folder(volume) / entry.name))
    return taken, sorted(cached)


def _blobs(volume: Volume) -> Iterator[os.DirEntry[str]]:
    """Finished tarballs; one that is being pulled has another name."""
    with suppress(FileNotFoundError), os.scandir(_folder(volume)) as entries:
        yield from (entry for entry in entries if entry.name.endswith(".tar") and not entry.name.startswith("."))


def _remove(volume: Volume, cached: Iterable[_Cached], needed: int, *, before: float) -> int:
    """Remove blobs not used since a moment, until as many bytes are free as are needed."""
    freed = 0
    for each in cached:
        if freed >= needed:
            break
        if each.used < before and remove_unused(each.path):
            freed += each.size
    if freed:
        forget_evicted(volume.layers, _folder(volume))
    return freed


def _look_at_copies(plan: Plan, volume: Volume) -> tuple[int, list[_Cached]]:
    """Bytes of all copies, and those that a plan does not read, the one used longest ago first."""
    read = _copies_of(plan)
    taken, found = 0, []
    with suppress(FileNotFoundError):
        for path in volume.kept.iterdir():
            with suppress(FileNotFoundError):
                status = path.lstat()
                size = status.st_blocks * _BLOCK
                if stat.S_ISDIR(status.st_mode):
                    size += measure([path], TreeSize(sys.maxsize, sys.maxsize)).disk
                taken += size
                if path.name not in read and not path.name.startswith("."):
                    found.append(_Cached(status.st_mtime, size, path))
    return taken, sorted(found)


def _copies_of(plan: Plan) -> set[str]:
    """Names of the copies that a plan reads, and of other things."""
    return {PurePosixPath(target.pull).name for target in plan.targets}


def _copies_in_use(volume: Volume) -> set[str]:
    """Names of the copies that runs at work read: these may come to them hours after they were planned."""
    found = set[str]()
    for claim in claims(volume):
        with suppress(PermanentError, OSError):  # what has no plan that can be read does not continue
            found |= _copies_of(read(volume.plan(claim.run), Plan))
    return found


def _remove_copies(volume: Volume, copies: Sequence[_Cached], needed: int, *, before: float) -> int:
    """Remove copies not used since a moment, until as many bytes are free as are needed."""
    freed = 0
    old = [each for each in copies if each.used < before] if needed > 0 else []
    used = _copies_in_use(volume) if old else ()
    for each in old:
        if freed >= needed:
            break
        if each.path.name not in used:
            remove_quietly(each.path)
            freed += 0 if os.path.lexists(each.path) else each.size
    return freed


def _folder(volume: Volume) -> Path:
    return volume.root / "blobs"


def _free(volume: Volume) -> int:
    space = os.statvfs(volume.root)
    return space.f_bavail * space.f_frsize


def _urgent() -> float:
    return time.time() - _URGENT
