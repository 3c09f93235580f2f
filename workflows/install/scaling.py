"""What scales the workers of a scan: KEDA by the cells that wait for them, or a HorizontalPodAutoscaler by the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.argo import names
from orchestrator.argo.names import SCANNER
from orchestrator.errors import UsageError
from orchestrator.workflows.install.objects import Manifest, manifest

if TYPE_CHECKING:
    from orchestrator.config.loading import Config

_COMPONENT: Final = str(names.Component.WORKER)
_KEDA: Final = "keda.sh/v1alpha1"
#: Seconds between two looks at what waits, and after the last cell before all workers go.
_LOOK, _COOL = 10, 300
#: Of the CPU that a scanner asks for, in percent.
_BUSY = 60


def scaled(config: Config, name: str, version: str) -> list[Manifest]:
    """What scales one Deployment; nothing where nobody wants that.

    Args:
        config: says what scales it, and within which bounds.
        name: of the Deployment.
        version: of its scan, which cells are for.

    Raises:
        UsageError: nothing that could be asked says how many cells wait.
    """
    settings, space = config.argo.workers, config.argo.namespace
    if settings.scaling == "cpu":
        busy = {"container": SCANNER, "name": "cpu", "target": {"type": "Utilization", "averageUtilization": _BUSY}}
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": settings.replicas,
            "maxReplicas": settings.most,
            "metrics": [{"type": "ContainerResource", "containerResource": busy}],
        }
        kind, api = "HorizontalPodAutoscaler", "autoscaling/v2"
        return [manifest(kind, name, space, api=api, component=_COMPONENT, spec=spec)]
    if settings.scaling == "none":
        return []
    if not (secret := config.argo.scheduler.store_secret):
        raise UsageError(
            "argo.workers.scaling: keda asks the store how many cells wait, and a file on the volume cannot be asked:"
            " name the Secret with the URL of a PostgreSQL in argo.scheduler.storeSecret, or scale by cpu"
        )
    login = {"secretTargetRef": [{"parameter": "connection", "name": secret, "key": "url"}]}
    asked = {"query": _query(version, settings.most), "targetQueryValue": "1", "activationTargetQueryValue": "0"}
    spec = {
        "scaleTargetRef": {"name": name},
        "minReplicaCount": 0,
        "maxReplicaCount": settings.most,
        "pollingInterval": _LOOK,
        "cooldownPeriod": _COOL,
        "triggers": [{"type": "postgresql", "metadata": asked, "authenticationRef": {"name": name}}],
    }
    return [
        manifest("TriggerAuthentication", name, space, api=_KEDA, component=_COMPONENT, spec=login),
        manifest("ScaledObject", name, space, api=_KEDA, component=_COMPONENT, spec=spec),
    ]


def _query(version: str, most: int) -> str:
    """How many workers have something to do: cells that wait, and those that workers are at, of this very version.

    Those that workers are at count, or the last cells of a run would lose their workers. No more rows are read than
    there may be workers, however many wait.
    """
    cells = f"SELECT 1 FROM queued_cells WHERE scan_version = '{version}' AND state IN ('waiting', 'leased')"  # noqa: S608
    return f"SELECT COUNT(*) FROM ({cells} LIMIT {most}) AS cells"  # noqa: S608 - of our own digests
