"""Put the WorkflowTemplate and the schedule into the cluster: the end of an install, from within.

`kubectl apply` refuses objects of a kind that it is only just creating. So that one command installs everything, these
come in a ConfigMap, and a Job of ours creates them once Argo's kinds are there.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.cluster.errors import ObjectNotFoundError
from orchestrator.errors import TemporaryError
from orchestrator.kit.retrying import Backoff, Patience

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.cluster.client import Cluster

_KINDS = {"WorkflowTemplate": "workflowtemplates", "CronWorkflow": "cronworkflows"}


class NotReadyError(TemporaryError):
    """Argo is not in the cluster yet."""


def install(folder: Path, cluster: Cluster, *, patience: float = 300.0, pause: float = 2.0) -> list[str]:
    """Create or replace the objects of a folder's files.

    Args:
        folder: of YAML files, one object each.
        cluster: the namespace they go to.
        patience: seconds to wait for Argo's kinds.
        pause: seconds between two attempts.

    Returns:
        The objects, as `kind/name`.

    Raises:
        NotReadyError: they were not there in time.
    """
    deadline = time.monotonic() + patience
    done = []
    for path in sorted(folder.glob("*.yaml")):
        manifest = yaml.safe_load(path.read_bytes())
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        waiting = Patience(None, backoff=Backoff(pause, pause), left=lambda: deadline - time.monotonic())
        waiting.retry(partial(_put, cluster, manifest, name))
        done.append(name)
    return done


def _put(cluster: Cluster, manifest: dict[str, Any], name: str) -> None:
    try:
        cluster.put(_KINDS[manifest["kind"]], manifest)
    except ObjectNotFoundError as error:
        raise NotReadyError(f"{name}: {error}; install Argo Workflows (argo-install/argo)") from error
