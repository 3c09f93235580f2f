"""What scales the workers of a scan: KEDA by the cells that wait for them, or a HorizontalPodAutoscaler by the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.argo import names
from orchestrator.argo.names import SCANNER
from orchestrator.errors import UsageError
from orchestrator.workflows.install.objects import Manifest, manifest

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.config.queue import KafkaSection

_COMPONENT: Final = str(names.Component.WORKER)
_KEDA: Final = "keda.sh/v1alpha1"
#: Seconds between two looks at what waits, and after the last cell before all workers go.
_LOOK, _COOL = 10, 300
#: The variable of the broker's password, which workers have from their Secret; and mechanisms as KEDA calls them.
_PASSWORD: Final = "SCANMATRIX_QUEUE__KAFKA__PASSWORD"  # noqa: S105 - the name of a variable
_MECHANISMS: Final = {"SCRAM-SHA-512": "scram_sha512", "SCRAM-SHA-256": "scram_sha256", "PLAIN": "plaintext"}
#: Of the CPU that a scanner asks for, in percent.
_BUSY = 60


def scaled(config: Config, name: str, scan: str, version: str) -> list[Manifest]:
    """What scales one Deployment; nothing where nobody wants that.

    Args:
        config: says what scales it, and within which bounds.
        name: of the Deployment.
        scan: name of its scan.
        version: of that, which cells are for.

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
    if kafka := config.queue.kafka if config.queue.kind == "kafka" else None:
        return _by_lag(config, kafka, name, scan)
    if not (secret := config.argo.scheduler.store_secret):
        raise UsageError(
            "argo.workers.scaling: keda asks the store how many cells wait, and a file on the volume cannot be asked:"
            " name the Secret with the URL of a PostgreSQL in argo.scheduler.storeSecret, or scale by cpu"
        )
    login = {"secretTargetRef": [{"parameter": "connection", "name": secret, "key": "url"}]}
    asked = {"query": _query(version, settings.most), "targetQueryValue": "1", "activationTargetQueryValue": "0"}
    return _by_keda(config, name, {"type": "postgresql", "metadata": asked}, login)


def _by_keda(config: Config, name: str, trigger: Manifest, login: Manifest) -> list[Manifest]:
    settings, space = config.argo.workers, config.argo.namespace
    trigger = trigger | ({"authenticationRef": {"name": name}} if login else {})
    spec = {
        "scaleTargetRef": {"name": name},
        "minReplicaCount": 0,
        "maxReplicaCount": settings.most,
        "pollingInterval": _LOOK,
        "cooldownPeriod": _COOL,
        "triggers": [trigger],
    }
    authentication = manifest("TriggerAuthentication", name, space, api=_KEDA, component=_COMPONENT, spec=login)
    found = manifest("ScaledObject", name, space, api=_KEDA, component=_COMPONENT, spec=spec)
    return [authentication, found] if login else [found]


def _by_lag(config: Config, kafka: KafkaSection, name: str, scan: str) -> list[Manifest]:
    """By the cells that wait in the topic of a scan; the login is that of workers."""
    settings = config.argo.workers
    if kafka.partitions < settings.most:
        raise UsageError(
            f"argo.workers.most: {settings.most} workers of a scan need as many partitions, and queue.kafka.partitions"
            f" is {kafka.partitions}: a worker without one would be woken by nothing"
        )
    # Before the first worker of a group there is no offset; what was sent before that counts as well.
    asked = {
        "bootstrapServers": ",".join(kafka.servers),
        "consumerGroup": kafka.group,
        "topic": kafka.topic(scan),
        "lagThreshold": "1",
        "offsetResetPolicy": "earliest",
    }
    asked |= {"tls": "enable"} if kafka.tls else {}
    login: Manifest = {}
    if kafka.user:
        if not (secret := settings.environment_secret):
            raise UsageError(
                f"argo.workers.scaling: keda needs the login of the broker: put it into a Secret under {_PASSWORD}, and"
                " name that in argo.workers.environmentSecret"
            )
        asked |= {"sasl": _MECHANISMS[kafka.mechanism], "username": kafka.user}
        login = {"secretTargetRef": [{"parameter": "password", "name": secret, "key": _PASSWORD}]}
    return _by_keda(config, name, {"type": "kafka", "metadata": asked}, login)


def _query(version: str, most: int) -> str:
    """How many workers have something to do: cells that wait, and those that workers are at, of this very version.

    Those that workers are at count, or the last cells of a run would lose their workers. No more rows are read than
    there may be workers, however many wait.
    """
    cells = f"SELECT 1 FROM queued_cells WHERE scan_version = '{version}' AND state IN ('waiting', 'leased')"  # noqa: S608
    return f"SELECT COUNT(*) FROM ({cells} LIMIT {most}) AS cells"  # noqa: S608 - of our own digests
