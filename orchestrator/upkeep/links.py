"""Which tarballs may go when a part of a run has ended, and which are held until then.

A blob stays while a cell of any run has a link to it: its link count tells. The pull step makes these links, before any
cell is staged, so that no other run takes a blob away between a pull and its cells. When a run ends all its links go,
those of failed cells too: a retry pulls again what is no longer there. A blob without links is a cache; how that is
kept within its bounds is `orchestrator.upkeep.room`.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.images.tarball.shared import forget_evicted
from orchestrator.kit.removal import remove_quietly
from orchestrator.model import Decision
from orchestrator.upkeep.leftovers import clear, make_accessible

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from orchestrator.model import Plan
    from orchestrator.volume.layout import Volume

#: Filesystems that have no hard links, that allow no more of them, or that keep them within a folder or a device.
LINK_REFUSED = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES}


def hold(plan: Plan, target_id: str, volume: Volume) -> bool:
    """Give the cells of a target that will run their links to its tarball, so that nobody removes it meanwhile.

    Where the filesystem refuses links nothing is held; a blob younger than an hour is then left alone all the same.

    Returns:
        False when the tarball has gone; pull it again.
    """
    blob = volume.blob(plan.targets_by_id[target_id].digest)
    for cell in plan.cells_by_target.get(target_id, ()):
        if not cell.runs or cell.source is not None:
            continue
        link = volume.tarball(plan.run, cell.target, cell.scan)
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.hardlink_to(blob)
        except FileExistsError:
            continue  # of an attempt before; `stage` looks at what it is
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in LINK_REFUSED:
                raise
            return True
    return True


def evict(plan: Plan, targets: Collection[str], volume: Volume) -> int:
    """Remove the blobs of some targets, and the links of this run's cells to them.

    Reports and records stay. A cell that is run again later pulls its image again, so nothing is lost but time. A blob
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
    freed += sum(remove_unused(blob) for blob in blobs)
    if blobs:
        forget_evicted(volume.layers, blobs[0].parent)
    return freed


def release(plan: Plan, targets: Collection[str], volume: Volume) -> int:
    """Remove the links of this run's cells to their tarballs; blobs that nobody else links to become a cache.

    What was unpacked of a repository for a cell goes as well, and what its scanner left beside its report.

    Returns:
        Bytes given back to the volume: those of copies, where the filesystem has no links, and of files left over.
    """
    freed, scans = 0, {scan.name: scan for scan in plan.scans}
    for target in targets:
        for cell in plan.cells_by_target.get(target, ()):
            folder = volume.cell(plan.run, cell.target, cell.scan)
            if not make_accessible(folder):
                continue
            freed += _unlink(volume.tarball(plan.run, cell.target, cell.scan))
            if plan.targets_by_id[cell.target].is_repository:
                remove_quietly(volume.checkout(plan.run, cell.target, cell.scan))
            remove_quietly(volume.unpacked(plan.run, cell.target, cell.scan))
            if cell.decision is Decision.RUN and (scan := scans.get(cell.scan)):
                freed += clear(folder, scan.report, scan.report_limit)
    return freed


def remove_unused(blob: Path) -> int:
    """Remove a blob unless somebody has a link to it; the bytes that gave back."""
    with suppress(OSError):
        if blob.lstat().st_nlink == 1:
            return _unlink(blob)
    return 0


def _unlink(path: Path) -> int:
    """Remove a file; the bytes that gave back. What a scanner put there instead of its tarball is left alone.

    So is what cannot be removed: a run must not end for the sake of room.
    """
    with suppress(OSError):
        status = path.lstat()
        path.unlink()
        return status.st_size if status.st_nlink == 1 else 0
    return 0
