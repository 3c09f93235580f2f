"""The images that a pod runs or mounts, by the digest that its node reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model import Document, Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cluster.objects import ContainerStatus, Pod, PodContainer

# `docker-pullable://` and the like, as older container runtimes put before an image id.
_SCHEME = re.compile(r"^[a-z0-9+.-]+://")
_REPOSITORY_DIGEST = re.compile(r"(?P<name>[^@\s]+)@(?P<digest>[a-z0-9]+:[0-9a-f]{32,128})")
# What containerd calls an image that was imported without a name, as `kind load` does: no registry has it.
_IMPORTED = re.compile(r"(?:docker\.io/library/)?import-\d{4}-\d{2}-\d{2}")
_TAG = re.compile(r":(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$")


class RunningImage(Document, frozen=True):
    """An image in a container of a pod, or mounted as a volume.

    Attributes:
        reference: with the digest its node reports: `docker.io/library/nginx:1.27@sha256:…`; as its pod asks for it,
            where the node knows no digest of a registry (an image that was loaded by hand).
        digest: that digest; empty where there is none.
        also_called: what the node calls it, with the digest, where that is another repository: it knows the same image
            from both, and names any of them.
        cluster: its context's name.
        namespace: of the pod.
        workload: what the pod belongs to: `Deployment/shop`.
        container: name in the pod; empty for a volume.
        pod: name of the pod.
        scans: names of scans that are asked for; empty for the default.
        owner: who answers for it.
        contact: where to reach them.
        max_lifetime: how old it may be, as a duration; empty for the default.
        volume: name of the pod's volume that it is mounted as; empty for a container.
        platform: of the node that runs it; None where that is not known, which `note` then says.
        skip: who asked that it be left out, and how; empty for nobody.
        note: what else people should know of it.
    """

    reference: str
    digest: str
    cluster: str
    namespace: str
    workload: str
    container: str
    pod: str
    scans: tuple[str, ...] = ()
    owner: str = ""
    contact: str = ""
    max_lifetime: str = ""
    volume: str = ""
    platform: Platform | None = None
    skip: str = ""
    note: str = ""
    also_called: str = ""


class PinnedName(NamedTuple):
    """A name with a digest, and another name of the same image; empty where there is none."""

    reference: str
    also_called: str = ""

    @property
    def digest(self) -> str:
        """That digest; empty where there is none."""
        return self.reference.partition("@")[2]


def images(pod: Pod) -> Iterator[tuple[str, PinnedName]]:
    """Every image that a pod's containers have been started from, each with its container's name.

    What still waits for its image is left out: nothing of it runs yet. What ran and ended (an init container) counts.
    """
    for container, found in _containers(pod):
        if found is None or not _has_started(found):
            continue
        image = pinned(container.image or found.image, found.image_id)
        if image.reference:
            yield container.name, image


def mounted(pod: Pod) -> Iterator[tuple[str, PinnedName]]:
    """Every image that is mounted as a volume (KEP-4639), each with the volume's name.

    A node mounts all volumes before it starts the first container. The digest is the one that the node reports
    (KEP-5365, Kubernetes 1.35); where it reports none, the pod's own, if it has one.
    """
    started = [found for _, found in _containers(pod) if found is not None and _has_started(found)]
    if not started:
        return
    mounts = (mount for status in started for mount in status.volume_mounts if mount.volume_status)
    reported = {mount.name: mount.volume_status.image for mount in mounts if mount.volume_status}
    for volume in pod.spec.volumes:
        if volume.image is not None and volume.image.reference.strip():
            image = reported.get(volume.name)
            yield volume.name, pinned(volume.image.reference, image.image_ref if image else "")


def waiting(pod: Pod) -> Iterator[tuple[str, str]]:
    """Containers that have not started yet, and why not in the words of Kubernetes (perhaps empty)."""
    for container, found in _containers(pod):
        if found is None or not _has_started(found):
            state = found.state.waiting if found else None
            yield container.name, state.reason if state else ""


def _containers(pod: Pod) -> Iterator[tuple[PodContainer, ContainerStatus | None]]:
    """All containers of a pod, each with its status."""
    spec, status = pod.spec, pod.status
    for containers, statuses in (
        (spec.init_containers, status.init_container_statuses),
        (spec.containers, status.container_statuses),
        (spec.ephemeral_containers, status.ephemeral_container_statuses),
    ):
        known = {each.name: each for each in statuses}
        for container in containers:
            yield container, known.get(container.name)


def _has_started(status: ContainerStatus) -> bool:
    return bool(status.image_id) or status.state.running is not None


def pinned(image: str, image_id: str) -> PinnedName:
    """An image's name with the digest that its node reports.

    A node that has pulled an image from several repositories reports it by any of them, whatever the pod asks for: the
    pod's name stays, and the node's comes with it, because one of them may lack that very manifest (a mirror that
    compresses layers again).

    Args:
        image: as the pod asks for it.
        image_id: `imageID` of the container's status: `repository@digest`, perhaps with a scheme before it; or the id
            of an image that no registry knows, which nobody could pull by.
    """
    asked = image.strip()
    found = _REPOSITORY_DIGEST.fullmatch(_SCHEME.sub("", image_id.strip()))
    if found is None or _IMPORTED.fullmatch(found["name"]):
        return PinnedName(asked)
    asked = asked.partition("@")[0]
    tag = _TAG.search(asked)
    repository, name, at = (asked[: tag.start()] if tag else asked), found["name"], f"@{found['digest']}"
    spelt_tag = tag[0] if tag else ""
    if not repository:
        return PinnedName(f"{name}{at}")
    # A short name is what the node has made of it.
    if name == repository or name.endswith(f"/{repository}"):
        return PinnedName(f"{name}{spelt_tag}{at}")
    return PinnedName(f"{repository}{spelt_tag}{at}", f"{name}{at}")
