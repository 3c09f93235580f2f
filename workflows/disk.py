"""What a pod may write to the disk of its node: a bound for each folder that ends with it, and for each container.

The kubelet evicts a pod that writes more; it measures once a minute or so. What is requested is little, so that nothing
has to wait for a node with so much room: a bound is for what went wrong.
"""

from __future__ import annotations

from orchestrator.kit.quantities import write_size

#: The resource that Kubernetes counts it as.
EPHEMERAL = "ephemeral-storage"
REQUESTED = "64Mi"
_MEBIBYTE = 1024**2
_GIBIBYTE = 1024**3
#: For one of our own steps: what it unpacks or sorts on disk.
_OF_STEP = 8 * _GIBIBYTE
#: Logs, and what Argo puts into each pod: its own program has some 200 MB.
_BESIDE = 2 * _GIBIBYTE
#: For a container that has no limit: one that no node reaches. Where one has none, the kubelet evicts its pod for more
#: than the limits of its other containers together.
UNREACHED = 1024**5
#: What Argo itself puts into a pod.
OF_ARGO = "1Gi"


def of_step(repository_size: int) -> int:
    """Bytes for the temporary files of a step of ours.

    Args:
        repository_size: most bytes of a source repository; git holds its pack, its files and what is made of them.
    """
    return _OF_STEP + 4 * repository_size


def of_container(scratch: int) -> int:
    """Bytes for a container with this many for its temporary files."""
    return scratch + _BESIDE


def quantity(size: int) -> str:
    """Bytes as a Kubernetes quantity, rounded up; as Kubernetes writes it back, or each `apply` would be a change."""
    return write_size(-(-size // _MEBIBYTE) * _MEBIBYTE)
