"""Room on the volume: which tarballs go when a part of a run has ended, and which when the next one needs their place.

A blob that no cell has a link to is a cache: the next run may want the same image. It goes when room is needed, the one
that was used longest ago first. A link count tells who uses it, whichever run that is; the inode's change time tells
since when, because linking and unlinking set it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.images.shared import forget_evicted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from orchestrator.model import Plan
    from orchestrator.volume import Volume

#: Seconds that a blob without links is left alone: it may have just been pulled, and its cells start any moment.
IDLE = 3600
_BLOCK = 512


def evict(plan: Plan, targets: Collection[str], volume: Volume) -> int:
    """Remove the blobs of some targets, and the links of this run's cells to them.

    Reports and records stay. A cell that is run again later pulls its image anew, so nothing is lost but time. A blob
    that another target of the plan needs, or a cell of another run still has a link to, stays. Doing it twice does
    nothing.

    Args:
        plan: of the run.
        targets: ids of those whose cells have all ended.
        volume: where the blobs lie.

    Returns:
        Bytes given back to the volume.
    """
    over = set(targets)
    found = plan.targets_by_id
    needed = {target.digest for id_, target in found.items() if id_ not in over}
    freed = release(plan, over, volume)
    digests = dict.fromkeys(found[id_].digest for id_ in over if id_ in found)
    blobs = [volume.blob(digest) for digest in digests if digest and digest not in needed]
    freed += sum(_remove_unused(blob) for blob in blobs)
    if blobs:
        forget_evicted(volume.layers, blobs[0].parent)
    return freed


def release(plan: Plan, targets: Collection[str], volume: Volume) -> int:
    """Remove the links of this run's cells to their tarballs; blobs that nobody else links to become a cache.

    Returns:
        Bytes given back to the volume: those of copies, where the filesystem has no links.
    """
    paths = (volume.tarball(plan.run, cell.target, cell.scan) for cell in plan.cells if cell.target in targets)
    return sum(_unlink(path) for path in paths)


def make_room(plan: Plan, wanted: Iterable[str], volume: Volume, *, now: float | None = None) -> int:
    """Remove cached blobs until those that a Workflow is about to pull fit the volume's budget.

    Args:
        plan: of the run; its limits have the budget.
        wanted: ids of the targets that are about to be pulled; their blobs stay when they are there.
        volume: where the blobs lie.
        now: seconds since 1970, instead of the clock.

    Returns:
        Bytes given back to the volume.
    """
    folder = volume.root / "blobs"
    if not plan.limits.volume_bytes or not folder.is_dir():
        return 0
    targets = [plan.targets_by_id[id_] for id_ in wanted]
    keep = {volume.blob(target.digest).name for target in targets if target.digest}
    present = {path.name: path for path in folder.glob("*.tar")}
    missing = sum(target.size or 0 for target in targets if volume.blob(target.digest).name not in present)
    taken = 0
    idle: list[tuple[float, int, Path]] = []
    for name, path in present.items():
        with suppress(FileNotFoundError):
            status = path.stat()
            taken += status.st_blocks * _BLOCK
            if name not in keep and status.st_nlink == 1 and status.st_ctime < (now or time.time()) - IDLE:
                idle.append((status.st_ctime, status.st_blocks * _BLOCK, path))
    freed = 0
    for _, size, path in sorted(idle):
        if taken + missing - freed <= plan.limits.volume_bytes:
            break
        freed += size if _remove_unused(path) else 0
    if freed:
        forget_evicted(volume.layers, folder)
    return freed


def _remove_unused(blob: Path) -> int:
    """Remove a blob that nobody has a link to; the bytes that gave back."""
    with suppress(FileNotFoundError):
        if blob.lstat().st_nlink == 1:
            return _unlink(blob)
    return 0


def _unlink(path: Path) -> int:
    """Remove a file; the bytes that gave back. What a scanner put there instead of its tarball is left alone."""
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        status = path.lstat()
        path.unlink()
        return status.st_size if status.st_nlink == 1 else 0
    return 0
