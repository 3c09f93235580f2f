"""The cluster, as a step asks it: only within a pod that may, and what can be done without it is."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import ScanmatrixError
from orchestrator.steps.saying import complain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cluster.client import Cluster

#: Where Kubernetes puts the token of a pod that has one.
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@contextmanager
def cluster_here(namespace: str) -> Iterator[Cluster | None]:
    """The cluster, where this is a pod that may ask it; else None."""
    if not namespace or not TOKEN.exists():
        yield None
        return
    from orchestrator.cluster.client import Cluster  # noqa: PLC0415 - imports kubernetes

    with Cluster(namespace) as cluster:
        yield cluster


@contextmanager
def who_knows(namespace: str) -> Iterator[Cluster | None]:
    """The same, for what is done without it as well."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(cluster_here(namespace))
        except ScanmatrixError as error:
            complain(f"the cluster cannot be asked: {error}")
            cluster = None
        yield cluster
