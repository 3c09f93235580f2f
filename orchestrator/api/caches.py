"""What a pull-through cache holds, removed so that it is read from the upstream again.

    for line in drop(config):                                  # whatever is damaged, of every cache in the cluster
    for line in drop(config, ["docker.io/library/debian:12"])  # all that was read of this repository
    for line in drop(config, everything=True)                  # the caches start again, empty

A cache checks nothing that it serves, so a pull through it fails in the same way until the blob is gone.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from orchestrator.argo import names
from orchestrator.cluster.errors import ForbiddenError
from orchestrator.config.cache import service_name
from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError, UsageError
from orchestrator.images.digests import DIGEST
from orchestrator.images.reference import is_host, parse
from orchestrator.images.registry.cache import repository_in
from orchestrator.images.registry.stored import StoredCache, require_cache
from orchestrator.kit.advice import ours
from orchestrator.workflows.install.caches import dropper, installed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import ContainerState
    from orchestrator.config.cache import CacheSection
    from orchestrator.config.loading import Config
    from orchestrator.images.reference import Reference

#: Seconds for one cache; it may have to read all that it holds.
_PATIENCE = 1800.0
#: A multiple of what the step may say (`MOST_DROPS` of `orchestrator.argo.commands`).
_LOG_LIMIT = 16 * 1024 * 1024
#: Why a container waits that will never start (kubelet).
_NEVER = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
_RIGHTS = (
    "dropping takes the rights to patch pods/ephemeralcontainers and to delete pods, which the installation grants to"
    " nobody: do it as an administrator of the namespace"
)


class CacheDropError(PermanentError):
    """Something could not be dropped from a cache in the cluster."""


class _Wanted(NamedTuple):
    """What to remove; with neither, whatever is damaged."""

    digests: tuple[str, ...]
    repositories: tuple[str, ...]


def drop(
    config: Config, what: Sequence[str] = (), *, everything: bool = False, folder: Path | None = None
) -> Iterator[str]:
    """Remove content from the caches that this configuration installed, or from a cache's folder on this machine.

    Args:
        config: names the caches, and the namespace they are in.
        what: digests of blobs or manifests, and images, whose repositories are meant; without any, whatever is not what
            its digest promises.
        everything: all content instead. In the cluster the caches' pods are replaced, which is the way out also when
            one does not start any more.
        folder: `rootdirectory` of a cache on this machine.

    Yields:
        A line for each thing that was removed.

    Raises:
        UsageError: there is no such cache, or what is named is neither digest nor image.
        CacheDropError: the cluster did not do it, for these caches; the others were dropped from.
    """
    if everything and what:
        raise UsageError("--all drops everything: name nothing beside it")
    if folder is not None:
        yield from _drop_here(config, what, folder, everything=everything)
        return
    plan = _by_cache(config, what)
    from orchestrator.cluster.client import Cluster

    failed: list[ScanmatrixError] = []
    with Cluster(config.argo.namespace) as cluster:
        for cache, wanted in plan.items():
            name = service_name(cache.upstream)
            try:
                lines = _replace(cluster, name) if everything else _drop(cluster, config, name, wanted)
                for line in lines:
                    yield f"{name}: {line}"
            except ForbiddenError as error:
                raise ForbiddenError(f"{error}; {_RIGHTS}") from error
            except ScanmatrixError as error:  # the other caches are none the worse for it
                failed.append(error)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise CacheDropError("; ".join(map(str, failed)))


def _drop_here(config: Config, what: Sequence[str], folder: Path, *, everything: bool) -> Iterator[str]:
    require_cache(folder)
    stored, wanted = StoredCache(folder), _wanted(what, config.cache)
    yield from map(str, stored.drop_all() if everything else stored.drop_wanted(wanted.digests, wanted.repositories))


def _wanted(what: Sequence[str], caches: Sequence[CacheSection]) -> _Wanted:
    """The repository of an image has the name that its cache has for it, or else its upstream's."""
    digests, images = _read(what)
    found: list[str] = []
    for written, image in images.items():
        meant = _meant(written, image, caches)
        found += _repositories(caches, meant) or [image.repository]
    return _Wanted(digests, tuple(found))


def _read(what: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Reference]]:
    """The digests, and the images as they are written."""
    digests = tuple(each for each in what if DIGEST.fullmatch(each))
    return digests, {each: parse(each) for each in what if not DIGEST.fullmatch(each)}


def _meant(written: str, image: Reference, caches: Sequence[CacheSection]) -> list[Reference]:
    """The images of a name: without its registry it is Docker Hub's, or else that of every registry with a cache."""
    if _repositories(caches, [image]) or is_host(written.partition("/")[0]) or not caches:
        return [image]
    path = image.repository if written.startswith("library/") else image.repository.removeprefix("library/")
    return [replace(image, registry=cache.upstream, repository=path) for cache in caches]


def _repositories(caches: Iterable[CacheSection], images: Iterable[Reference]) -> list[str]:
    """What caches call the repositories of the images that are read through them."""
    return [name for image in images for cache in caches if (name := repository_in(cache, image)) is not None]


def _by_cache(config: Config, what: Sequence[str]) -> dict[CacheSection, _Wanted]:
    """What to remove from which of the installed caches."""
    caches = installed(config)
    if not caches:
        raise UsageError(
            "this configuration installs no cache (an entry of `cache` without `url`); for a cache of your own, run"
            f" {ours('cache', 'drop', '--folder', 'FOLDER', *what)} on its machine"
        )
    digests, images = _read(what)
    meant: list[Reference] = []
    for written, image in images.items():
        meant += _meant(written, image, caches)
        if not _repositories(caches, meant[-1:]):
            raise UsageError(f"{written}: this configuration installs no cache of {image.registry}")
    found = {cache: _Wanted(digests, tuple(_repositories([cache], meant))) for cache in caches}
    return {cache: wanted for cache, wanted in found.items() if not what or any(wanted)}


def _replace(cluster: Cluster, name: str) -> Iterator[str]:
    """Delete a cache's pod; the next one has an empty folder."""
    for pod in _pods(cluster, name):
        cluster.delete_pod(pod)
        yield f"pod {pod} deleted; the next one starts with nothing"


def _drop(cluster: Cluster, config: Config, name: str, wanted: _Wanted) -> Iterator[str]:
    """Have a container in the cache's own pod remove it."""
    for pod in _pods(cluster, name):
        container = f"drop-{secrets.token_hex(4)}"
        cluster.add_container(pod, dropper(config, container, *wanted))
        status = _await_end(cluster, name, pod, container)
        text = cluster.log(pod, container=container, limit=_LOG_LIMIT)
        if status:
            last = text.strip().rpartition("\n")[2]
            raise CacheDropError(f"{name}: container {container} of pod {pod} ended with status {status}: {last}")
        yield from text.splitlines()


def _pods(cluster: Cluster, name: str) -> list[str]:
    found = [pod.metadata.name for pod in cluster.pods(f"{names.CACHE}={name}", fields="status.phase=Running")]
    if not found:
        raise CacheDropError(
            f"{name} has no running pod in the namespace {cluster.namespace}, so nothing was dropped from it:"
            f" `kubectl -n {cluster.namespace} get pods` shows why; a new pod starts with nothing"
        )
    return found


def _await_end(cluster: Cluster, name: str, pod: str, container: str) -> int:
    """The exit status of an ephemeral container.

    Raises:
        CacheDropError: it cannot start, or its pod is gone.
        TemporaryError: it does not end.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        state = _state(cluster, name, pod, container)
        if state is not None and state.terminated is not None:
            return state.terminated.exit_code
        if state is not None and state.waiting is not None and state.waiting.reason in _NEVER:
            waiting = state.waiting
            raise CacheDropError(
                f"{name}: a container with our own image cannot start in pod {pod}: {waiting.reason}:"
                f" {waiting.message}; {ours('cache', 'drop', '--all')} needs none"
            )
        time.sleep(0.5)
    raise TemporaryError(
        f"{name}: container {container} of pod {pod} has not ended within {_PATIENCE / 60:.0f} minutes"
    )


def _state(cluster: Cluster, name: str, pod: str, container: str) -> ContainerState | None:
    for found in cluster.pods(f"{names.CACHE}={name}"):
        if found.metadata.name == pod:
            statuses = found.status.ephemeral_container_statuses
            return next((each.state for each in statuses if each.name == container), None)
    raise CacheDropError(f"{name}: pod {pod} ended meanwhile, and the next one starts with nothing")
