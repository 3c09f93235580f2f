"""The tarball of a target on the volume: whose it is, and whether it is sound. Nothing here reads a registry."""

from pathlib import Path

from orchestrator.errors import PermanentError
from orchestrator.images.platforms import completed
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.model import Plan, Target
from orchestrator.net.errors import ArchiveError
from orchestrator.volume.partial import STAMP


def find_target(plan: Plan, target_id: str) -> Target:
    """A target of a plan that can be pulled.

    Raises:
        PermanentError: there is none of this id, or it could not be resolved when the plan was made.
    """
    target = plan.targets_by_id.get(target_id)
    if target is None:
        raise PermanentError(f"the plan {plan.run} has no target {target_id!r}")
    if target.error or not target.digest:
        raise PermanentError(f"{target.reference}: {target.error or 'was not resolved when the plan was made'}")
    return target


def is_sound(path: Path, target: Target) -> bool:
    """Whether a tarball is there and undamaged, as far as a few reads can tell.

    Checked: that nobody wrote to it since it was finished (its modification time is always `STAMP`); the size the plan
    gives; the place and size of every member; manifest and config against their digests. Not checked: the content of
    layers, which was proven when they were pulled (`Tarball.verify` reads it all). Of a repository: its commit and its
    length, as its first header has them.
    """
    try:
        status = path.stat(follow_symlinks=False)
        if status.st_mtime_ns != STAMP or target.size not in {None, status.st_size}:
            return False
        sound = _is_repository(path, target) if target.is_repository else _is_image(path, target)
    except (ArchiveError, OSError):
        return False
    if sound and status.st_mode & 0o222:
        path.chmod(0o444)  # cut off between rename and chmod
    return sound


def _is_repository(path: Path, target: Target) -> bool:
    from orchestrator.repositories.tarball import is_whole  # noqa: PLC0415 - most targets are images

    return is_whole(path, target.commit)


def _is_image(path: Path, target: Target) -> bool:
    # Planned offline, a digest may be that of an index; the tarball then holds its image for the platform.
    with open_tarball(path, digest=target.digest if target.size is not None else "") as tarball:
        held = tarball.image
        return target.digest == held.manifest.digest or target.platform == completed(held.platform, [target.platform])
