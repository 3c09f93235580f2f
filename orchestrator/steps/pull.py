"""The pull step: a target's tarball on the volume, read once however many ask for it.

An image comes through its cache, a repository from its host.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestrator.errors import PermanentError, TemporaryError, VolumeFullError
from orchestrator.images.platforms import completed
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.images.tarball.fill import Progress, fill
from orchestrator.images.tarball.shared import SharedBlobs
from orchestrator.images.tarball.sources import RegistrySource, Source
from orchestrator.model import Plan, Target
from orchestrator.net.errors import ArchiveError
from orchestrator.repositories.fetch import Wanted, fetch
from orchestrator.repositories.fetch import sweep as sweep_clones
from orchestrator.repositories.interface import Bounds
from orchestrator.repositories.tarball import is_whole
from orchestrator.upkeep.links import hold
from orchestrator.upkeep.room import reclaim
from orchestrator.volume.layout import Volume
from orchestrator.volume.partial import STAMP, claim, sweep

_LOCAL = "file:"
#: Times a blob is pulled that another run on the same volume removes before it is linked.
_ATTEMPTS = 3


def pull(
    plan: Plan,
    target_id: str,
    volume: Volume,
    *,
    client: RegistryClient | None = None,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
) -> Path:
    """Make sure that a target's tarball is on the volume.

    One that is there and looks sound (see `is_sound`) is left alone. Otherwise the target is read by its digest from
    the location the plan gives, and from nowhere else; processes that pull the same digest at once read it once.

    Args:
        plan: the run's plan.
        target_id: one of its targets.
        volume: where the tarball goes, `Volume.blob(digest)`, mode 0444.
        client: shared by several pulls; by default one is made from the plan.
        progress: told bytes done and bytes in all, of the image's blobs or of the repository's tarball.
        cancelled: stops the pull; it then raises `Cancelled`, and nothing is left.

    Returns:
        Path of the tarball.

    Raises:
        PermanentError: no such target, one that could not be resolved, or one that cannot be pulled.
        VolumeFullError: the volume is full, even without what can be spared of it.
        TemporaryError: the registry, or the repository's host, failed for longer than the plan's retries last.
    """
    target = find_target(plan, target_id)
    cancelled = cancelled or threading.Event()
    final = volume.blob(target.digest)
    if is_sound(final, target):
        return final
    sweep(final.parent)
    sweep_clones(final.parent)
    try:
        _pull(plan, target, volume, client=client, progress=progress, cancelled=cancelled)
    except VolumeFullError:
        # How large a repository is, nobody knows before.
        needed = target.size or (plan.limits.repository_size if target.is_repository else 0)
        if not reclaim(plan, needed, volume):
            raise
        _pull(plan, target, volume, client=client, progress=progress, cancelled=cancelled)
    return final


def pull_held(plan: Plan, target_id: str, volume: Volume) -> Path:
    """Make sure of a target's tarball as `pull` does, and that it stays until the run's cells have ended.

    Raises:
        TemporaryError: other runs remove it as soon as it is there.
    """
    for _ in range(_ATTEMPTS):
        blob = pull(plan, target_id, volume)
        if hold(plan, target_id, volume):
            return blob
    raise TemporaryError(f"{blob} disappears as soon as it is there; does another run need its room? Run them in turn")


def _pull(
    plan: Plan,
    target: Target,
    volume: Volume,
    *,
    client: RegistryClient | None,
    progress: Progress | None,
    cancelled: threading.Event,
) -> None:
    """Write the tarball, unless somebody else does so first."""
    final = volume.blob(target.digest)
    with claim(final, cancelled=cancelled) as partial:
        if is_sound(final, target):
            return  # somebody else pulled it while we waited
        if target.is_repository:
            limits = plan.limits
            wanted = Wanted(target.pull, target.commit, Bounds.of(limits), limits.repository_time, limits.retries)
            fetch(wanted, partial, final, cancelled=cancelled, progress=progress)
        else:
            with _open_source(plan, target, client, cancelled) as source:
                image, manifest = source.image(target.digest, target.platform)
                shared = SharedBlobs(volume.layers, final)
                fill(partial, final, image, manifest, source, shared=shared, progress=progress, cancelled=cancelled)
            # Of an index's images planning reads no config. One that readers would read in two ways goes to no scanner;
            # the tarball stays, so that it is not pulled again for every cell.
            with open_tarball(final):
                pass


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
        sound = is_whole(path, target.commit) if target.is_repository else _is_image(path, target)
    except (ArchiveError, OSError):
        return False
    if sound and status.st_mode & 0o222:
        path.chmod(0o444)  # cut off between rename and chmod
    return sound


def _is_image(path: Path, target: Target) -> bool:
    # Planned offline, a digest may be that of an index; the tarball then holds its image for the platform.
    with open_tarball(path, digest=target.digest if target.size is not None else "") as tarball:
        held = tarball.image
        return target.digest == held.manifest.digest or target.platform == completed(held.platform, [target.platform])


@contextmanager
def _open_source(
    plan: Plan, target: Target, client: RegistryClient | None, cancelled: threading.Event
) -> Iterator[Source]:
    if target.pull.startswith(_LOCAL):
        from orchestrator.images.local.archives import LocalSource  # noqa: PLC0415 - most pulls read a registry

        with LocalSource(Path(target.pull.removeprefix(_LOCAL))) as local:
            yield local
        return
    with ExitStack() as stack:
        if client is None:
            client = stack.enter_context(RegistryClient(insecure=plan.insecure, retries=plan.limits.retries))
        yield RegistrySource(client, target.pull, cancelled)
