"""Make room between two waves: remove the tarballs that no cell still to run needs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.images.shared import forget_evicted

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.model import Plan
    from orchestrator.volume import Volume


def evict(plan: Plan, wave: int, volume: Volume) -> int:
    """Remove blobs, and the links of cells to them, of all waves up to this one.

    Reports and records stay. A cell that is run again later pulls its image anew, so nothing is lost but time. Doing
    it twice does nothing.

    Args:
        plan: of the run.
        wave: index in `plan.waves` of the last wave that has ended, from 0.
        volume: where the blobs lie.

    Returns:
        Bytes given back to the volume; a blob that another run still has links to gives nothing back yet.
    """
    over = {target for group in plan.waves[: wave + 1] for target in group}
    pending = {target for group in plan.waves[wave + 1 :] for target in group} - over
    digests = {id_: target.digest for id_, target in plan.targets_by_id.items()}
    needed = {digests[target] for target in pending}
    blobs = [volume.blob(digest) for digest in {digests[target] for target in over} if digest and digest not in needed]
    freed = sum(_unlink(volume.tarball(plan.run, cell.target, cell.scan)) for cell in plan.cells if cell.target in over)
    freed += sum(_unlink(blob) for blob in blobs)
    if blobs:
        forget_evicted(volume.layers, blobs[0].parent)
    return freed


def _unlink(path: Path) -> int:
    """Remove a file; the bytes that gave back. What a scanner put there instead of its tarball is left alone."""
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        status = path.lstat()
        path.unlink()
        return status.st_size if status.st_nlink == 1 else 0
    return 0
