"""The namespace and what its pods may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.argo.names import LIMITS
from orchestrator.catalog.loading import load_catalog
from orchestrator.model import TargetKind
from orchestrator.workflows.cell import template_name
from orchestrator.workflows.install.objects import Manifest, manifest

if TYPE_CHECKING:
    from orchestrator.config.loading import Config


def bounds(config: Config, *, shared: bool = False) -> list[Manifest]:
    """Namespace, quota, defaults for containers that ask for nothing, and how many cells may ask an API at a time.

    The quota counts memory limits, so each container must have one: ours and the scanners do, Argo's own have those
    of the controller's settings, and the LimitRange gives one to any other. It sets no upper bound: a cell that ran
    out of memory is tried again with more.

    Args:
        config: names the namespace, and says what its pods may use.
        shared: the namespace has other pods too, so that neither it nor what they may use is ours to say.
    """
    namespace = config.argo.namespace
    if shared:
        return [_turns(config)]
    space = manifest("Namespace", namespace, None)
    for mode in ("enforce", "audit", "warn"):
        space["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] = "restricted"
    quota = config.argo.quota
    hard = {
        "pods": str(quota.pods),
        "requests.cpu": quota.cpu,
        "requests.memory": quota.memory,
        "limits.memory": quota.memory_limit,
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }
    default = {"type": "Container", "default": {"memory": "512Mi"}, "defaultRequest": {"cpu": "50m", "memory": "64Mi"}}
    return [
        space,
        manifest("ResourceQuota", "scanmatrix", namespace, spec={"hard": hard}),
        manifest("LimitRange", "scanmatrix", namespace, spec={"limits": [default]}),
        _turns(config),
    ]


def _turns(config: Config) -> Manifest:
    """Online cells of a scan at a time, for Argo's semaphores."""
    online = {scan.name: scan.repository and scan.repository.online for scan in load_catalog(config).values()}
    turns = {
        template_name(scan, TargetKind.REPOSITORY, online=True): str(found.at_once)
        for scan, found in online.items()
        if found
    }
    return manifest("ConfigMap", LIMITS, config.argo.namespace, data=turns)
