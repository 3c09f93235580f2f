"""The pull step: a target's tarball on the volume, read once however many ask for it.

An image comes through its cache, a repository from its host.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestrator.errors import TemporaryError, VolumeFullError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.images.tarball.fill import Progress, fill
from orchestrator.images.tarball.shared import SharedBlobs
from orchestrator.images.tarball.sources import BlobSource, RegistryBlobs
from orchestrator.model import Plan, Target
from orchestrator.repositories import clones
from orchestrator.steps.tarballs import find_target, is_sound
from orchestrator.upkeep.links import hold
from orchestrator.upkeep.room import reclaim
from orchestrator.volume.layout import Volume
from orchestrator.volume.partial import claim, sweep

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
    clones.sweep(final.parent)
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
            from orchestrator.repositories.bounds import Bounds  # noqa: PLC0415
            from orchestrator.repositories.fetch import WantedCommit, fetch_commit  # noqa: PLC0415 - git is for repositories only

            limits = plan.limits
            wanted = WantedCommit(target.pull, target.commit, Bounds.of(limits), limits.repository_time, limits.retries)
            fetch_commit(wanted, partial, final, cancelled=cancelled, progress=progress)
        else:
            with _open_source(plan, target, client, cancelled) as source:
                image, manifest = source.image(target.digest, target.platform)
                shared = SharedBlobs(volume.layers, final)
                fill(partial, final, image, manifest, source, shared=shared, progress=progress, cancelled=cancelled)
            # Of an index's images planning reads no config. One that readers would read in two ways goes to no scanner;
            # the tarball stays, so that it is not pulled again for every cell.
            with open_tarball(final):
                pass


@contextmanager
def _open_source(
    plan: Plan, target: Target, client: RegistryClient | None, cancelled: threading.Event
) -> Iterator[BlobSource]:
    if target.pull.startswith(_LOCAL):
        from orchestrator.images.local.archives import LocalSource  # noqa: PLC0415 - most pulls read a registry

        with LocalSource(Path(target.pull.removeprefix(_LOCAL))) as local:
            yield local
        return
    with ExitStack() as stack:
        if client is None:
            client = stack.enter_context(RegistryClient(insecure=plan.insecure, retries=plan.limits.retries))
        yield RegistryBlobs(client, target.pull, cancelled)
