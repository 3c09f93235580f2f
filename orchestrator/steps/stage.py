"""The stage step: a cell's folder made ready for its scanner, whole in itself.

It works the same on the first attempt, on a retry days later, and after the tarball was evicted. What a scanner may
have put into the folder meanwhile is not trusted: nothing is read out of it, and no link in it is followed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.argo.names import TemplateName
from orchestrator.errors import PermanentError
from orchestrator.images.manifests import compressions
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.kit.advice import ours
from orchestrator.kit.quantities import parse_duration
from orchestrator.kit.removal import remove
from orchestrator.model.labels import MAX_LIFETIME
from orchestrator.repositories.bounds import Bounds
from orchestrator.repositories.unpack import unpack
from orchestrator.steps.itself import why_itself
from orchestrator.steps.staging import staging
from orchestrator.steps.tarballs import find_target, is_sound
from orchestrator.upkeep.databases import pin_for
from orchestrator.upkeep.leftovers import empty
from orchestrator.upkeep.links import LINK_REFUSED
from orchestrator.volume.layout import MAX_AGE, TARBALL, Volume, VolumeError, atomic_file, write_atomic
from orchestrator.volume.partial import full_volume
from orchestrator.volume.records import Records

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from orchestrator.images.registry.client import RegistryClient
    from orchestrator.model import CellRecord, Plan, Scan, Target

_log = logging.getLogger(__name__)

#: ioctl of Linux's linux/fs.h: share all blocks of another file (Btrfs, XFS, NFS 4.2).
_FICLONE = 0x40049409
#: Times a blob is pulled that another run on the same volume evicts before it is linked.
_ATTEMPTS = 3


def stage(
    plan: Plan,
    target_id: str,
    scan: str,
    volume: Volume,
    *,
    client: RegistryClient | None = None,
    cancelled: threading.Event | None = None,
    may_pull: bool = True,
    in_image: bool = False,
    layers: Path | None = None,
) -> CellRecord:
    """Begin an attempt of a cell: its tarball and, if its scan has one, its database are there afterwards.

    The tarball is a hard link to the blob; where the filesystem refuses links, a reflink, or else a copy. A blob that
    is gone or damaged (see `orchestrator.steps.tarballs.is_sound`) is pulled again first. A repository's files are
    unpacked beside it, in a folder of the cell's own; so are the layers of an image for a scan that names their files.
    What an earlier attempt left there is removed, its report too.

    Args:
        plan: the run's plan.
        target_id: the cell's target.
        scan: name of the cell's scan.
        volume: where everything lies.
        client: shared by several calls; by default one is made when it is needed.
        cancelled: stops a pull.
        may_pull: False in a scanner's pod, which reaches no registry.
        in_image: whether the scanner runs in its image; otherwise it is a process.
        layers: folder for the files of an image's layers, where its scan reads them; None for one of the cell's own.

    Returns:
        The cell's record as it now stands on the volume: one more attempt, begun, not finished.

    Raises:
        PermanentError: the target cannot be pulled, or not be read by this scan, or the scan's image is not trusted any
            more; the record says so as well.
        TemporaryError: the registry or the repository's host failed; likewise.
    """
    found = next((each for each in plan.scans if each.name == scan), None)
    if found is None:
        raise PermanentError(f"the plan {plan.run} has no scan {scan!r}")
    note = why_itself(plan, target_id, scan, Records(volume, plan.run))
    with staging(plan, target_id, found, volume, in_image=in_image, note=note) as attempt:
        target = find_target(plan, target_id)
        if not target.is_repository:
            _check_compressions(found, target, target.compressions)
        # The link may hold the blob since it was pulled: whether it still is one, is looked at below.
        empty(attempt.folder, TARBALL)
        _write_allowance(attempt.folder / MAX_AGE, found, target)
        tarball = volume.tarball(plan.run, target_id, scan)
        for _ in range(_ATTEMPTS):
            if may_pull:
                from orchestrator.steps.pull import pull  # noqa: PLC0415 - a scanner's pod reads no registry

                blob = pull(plan, target_id, volume, client=client, cancelled=cancelled)
            else:
                blob = _find_blob(plan.run, target, volume)
            if _link(blob, tarball):
                break
        else:
            raise VolumeError(f"{blob} disappears as soon as it is there; does another run evict it? Run them in turn")
        if not target.is_repository and not target.compressions:  # planned offline
            _check_tarball(found, target, tarball)
        attempt.note(database_version=pin_for(plan, target_id, found, volume))
        _unpack(plan, target, found, volume, layers)
    return attempt.record


def _write_allowance(path: Path, scan: Scan, target: Target) -> None:
    """How old this very image may be, as its sources say, for a scan that wants to know; the strictest of its names.

    Where none says anything the file is empty: a pod mounts it, and so it must be there.

    For a name that says nothing, what the scan's parameter allows counts: what is said under one name of an image does
    not loosen the rule for others. A name that asked to be left out has no say.

    Raises:
        PermanentError: its source says something else than a duration.
    """
    remove(path)
    if not scan.limits_age:
        return
    limits = {name.labels.get(MAX_LIFETIME, "") for name in target.names if not name.skip}
    said = sorted(limits - {""})
    try:
        allowed = min(said, key=parse_duration, default="")
    except ValueError as error:
        raise PermanentError(f"{target.reference}: its {MAX_LIFETIME} cannot be understood: {error}") from error
    own = allowed and not ("" in limits and _is_stricter(scan.parameters["maxAge"], allowed))
    write_atomic(path, allowed.encode() if own else b"")


def _is_stricter(usual: str, allowed: str) -> bool:
    """Whether a scan allows less than what is said of an image; one that cannot be understood fails when it is used."""
    try:
        return parse_duration(usual) < parse_duration(allowed)
    except ValueError:
        return False


def _unpack(plan: Plan, target: Target, scan: Scan, volume: Volume, layers: Path | None) -> None:
    """The files that a scan reads beside the tarball: a repository's, or those of an image's layers."""
    cell = plan.run, target.id, scan.name
    if not target.is_repository:
        if scan.reads_layers:
            _lay_out(volume.tarball(*cell), target, layers or volume.unpacked(*cell), plan.limits.disk_of(scan))
    elif (target.id, scan.name) not in plan.online_cells:
        _check_out(plan, target, volume.tarball(*cell), volume.checkout(*cell))


def _check_out(plan: Plan, target: Target, tarball: Path, folder: Path) -> None:
    """A repository's files in a folder that appears when all are there; what an attempt before left is removed."""
    for left in folder.parent.glob(f".{folder.name}-*"):
        remove(left)
    remove(folder)
    unfinished = folder.with_name(f".{folder.name}-{secrets.token_hex(6)}")
    try:
        with full_volume(folder, tarball.stat().st_size):
            unpacked = unpack(tarball, unfinished, Bounds.of(plan.limits))
        unfinished.rename(folder)
    except BaseException:
        remove(unfinished)
        raise
    if unpacked.left_out:
        _log.info("%s: %d symbolic links that lead elsewhere are left out, such as %s",
                  target.reference, len(unpacked.left_out), unpacked.left_out[0])  # fmt: skip


def _lay_out(tarball: Path, target: Target, folder: Path, most: int) -> None:
    """The files of an image's layers; what an attempt before left is removed, and so is what could not be finished."""
    from orchestrator.images.content.unpack import unpack_layers  # noqa: PLC0415 - few scans read them

    folder.mkdir(parents=True, exist_ok=True)
    empty(folder)
    try:
        with full_volume(folder, most), open_tarball(tarball) as opened:
            count = unpack_layers(opened, folder, most)
    except BaseException:
        empty(folder)
        raise
    _log.info("%s: %d files of its layers unpacked", target.reference, count)


def _find_blob(run: str, target: Target, volume: Volume) -> Path:
    """The tarball that a pull pod has made."""
    blob = volume.blob(target.digest)
    if not is_sound(blob, target):
        raise PermanentError(
            f"{target.reference}: its tarball is no longer on the volume, or damaged, and a scanner's pod may not pull;"
            f" run it again by {ours('retry', run)}, or by `argo retry {run} --restart-successful --node-field-selector"
            f" templateName={TemplateName.FETCH if target.is_repository else TemplateName.PULL}`"
        )
    return blob


def _check_compressions(scan: Scan, target: Target, used: tuple[str, ...]) -> None:
    unreadable = sorted(set(used) - set(scan.compressions))
    if unreadable:
        raise PermanentError(
            f"{target.reference}: has layers compressed with {', '.join(unreadable)}, which the scan {scan.name} "
            f"cannot read; it reads {', '.join(scan.compressions) or 'nothing'}"
        )


def _check_tarball(scan: Scan, target: Target, tarball: Path) -> None:
    """The same by the tarball itself; a tarball that its scan cannot read does not keep the blob on the volume."""
    try:
        with open_tarball(tarball) as opened:
            _check_compressions(scan, target, compressions(opened.image))
    except PermanentError:
        tarball.unlink(missing_ok=True)
        raise


def _link(blob: Path, tarball: Path) -> bool:
    """Give a cell its tarball, whatever lies under that name; False when the blob was evicted meanwhile."""
    if _is_same(blob, tarball):
        return True
    remove(tarball)
    try:
        tarball.hardlink_to(blob)
    except FileNotFoundError:
        return False
    except FileExistsError:  # another stage of the same cell was faster
        return _is_same(blob, tarball)
    except OSError as error:
        if error.errno not in LINK_REFUSED:
            raise
        _copy(blob, tarball)
    return True


def _copy(blob: Path, tarball: Path) -> None:
    size = blob.stat().st_size
    with full_volume(tarball, size), blob.open("rb") as source, atomic_file(tarball, mode=0o444) as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, source.fileno())
        except OSError:
            shutil.copyfileobj(source, copy, 1 << 20)


def _is_same(blob: Path, tarball: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(blob.stat(), tarball.stat(follow_symlinks=False))
    return False
