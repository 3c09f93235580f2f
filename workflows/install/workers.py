"""Workers of the engine `queue`, as they are installed: for each scan a Deployment, and what scales it.

A pod is a container of ours that takes cells and makes them ready, and beside it the scanner's own image with nothing
but the cell at hand. What the scanner gets is made by the functions that make it for the pods of a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hera.workflows import models as m

from orchestrator.argo import beside, names
from orchestrator.argo.commands import BesideStep
from orchestrator.argo.names import FEEDER, SCANNER
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.versions import version_of
from orchestrator.config.file import CONFIG_FILE
from orchestrator.errors import UsageError
from orchestrator.kit.sources import no_such
from orchestrator.volume.layout import databases_path, worker_path
from orchestrator.workflows import disk, pods
from orchestrator.workflows.cell import scanner_environment, scanner_image
from orchestrator.workflows.install.long_running import LongRunning, pod_of
from orchestrator.workflows.install.network import policy_of_workers
from orchestrator.workflows.install.objects import Manifest, manifest
from orchestrator.workflows.install.scaling import scaled
from orchestrator.workflows.install.scheduler import digest_of
from orchestrator.workflows.pods import CONFIG_FOLDER
from orchestrator.workflows.settings import ALLOWANCE, SCRATCH, VOLUME, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Scan

COMPONENT: Final = str(names.Component.WORKER)
#: The variable that names a worker, by which both containers have its folder on the volume.
_WORKER = "WORKER"
_NAME = f"$({_WORKER})"
#: Annotation of pods: the version of their scan, by which a worker and the plans of runs know each other.
VERSION: Final = "scanmatrix/scan-version"
#: Volumes of the pod: what the worker gives, what the scanner writes, and the files of layers.
_INPUTS, _OWN, _LAYERS, _BESIDE = "inputs", "scanner", "layers", "beside"
#: Volumes of `pod_of`.
_VOLUME, _SCRATCH = VOLUME.strip("/"), SCRATCH.strip("/")
#: Seconds that a worker has at its end beside those of its cell; within them it gives the cell back.
_GRACE, _REST = ALLOWANCE, 30
_PERIOD = 10
#: Bytes of what the worker gives: a program, and text.
_GIVEN = 64 * 1024**2


def workers(config: Config, contents: Mapping[str, str]) -> list[Manifest]:
    """All that workers need beside the installation whose configuration and volume they have.

    Args:
        config: names the scans that get workers.
        contents: of the ConfigMap of that installation; when they change, the pods start again.

    Raises:
        UsageError: there is no such scan, or it is none for a worker.
    """
    catalog, found = load_catalog(config), []
    for name in dict.fromkeys(config.argo.workers.scans):
        if name not in catalog:
            raise UsageError(f"argo.workers.scans: {no_such('scan', name, catalog)}")
        scan = catalog[name]
        if scan.repository and scan.repository.online:
            raise UsageError(
                f"argo.workers.scans: {name} asks the API of git hosts with a token, which nothing beside it may"
                " have: leave it to a pod for each cell"
            )
        found += [_deployment(config, scan, contents), policy_of_workers(config, scan, name_of(config, name))]
        found += scaled(config, name_of(config, name), name, version_of(scan))
    return found


def name_of(config: Config, scan: str) -> str:
    """Of all objects of a scan's workers."""
    return f"{config.argo.service_account}-{COMPONENT}-{scan}"


def _deployment(config: Config, scan: Scan, contents: Mapping[str, str]) -> Manifest:
    labels = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: COMPONENT, names.SCAN: scan.name}
    about = {names.CONFIGURATION_DIGEST: digest_of(contents), VERSION: version_of(scan)}
    settings = config.argo.workers
    spec: Manifest = {"replicas": settings.replicas} if settings.scaling == "none" else {}
    spec |= {
        "selector": {"matchLabels": labels},
        # No pod of before is waited for, which may take as long as its cell.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}},
        "template": {"metadata": {"labels": labels, "annotations": about}, "spec": _pod(config, scan)},
    }
    name = name_of(config, scan.name)
    return manifest("Deployment", name, config.argo.namespace, api="apps/v1", component=COMPONENT, spec=spec)


def _pod(config: Config, scan: Scan) -> Manifest:
    limits = config.limits.document(config.volume.budget)
    room = limits.disk_of(scan)
    found = pod_of(
        _of_workers(config),
        LongRunning(
            component=FEEDER,
            command=["scanmatrix", "worker", "--config", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
            args=_arguments(config, scan),
            memory="192Mi",
            memory_limit="1Gi",
            grace=scan.timeout + _GRACE,
            variables={},
            volumes={},
            fields={"livenessProbe": _probe(beside.worker_probe(), failures=3)},
        ),
    )
    [feeder] = found["containers"]
    feeder["env"] = [_worker(), *feeder["env"]]
    feeder["volumeMounts"] += [
        {"name": _BESIDE, "mountPath": str(beside.BESIDE)},
        *({"name": name, "mountPath": f"{beside.BESIDE}/{name}"} for name in (_INPUTS, _OWN, _LAYERS)),
    ]
    found |= {
        # Neither container asks the Kubernetes API.
        "serviceAccountName": config.argo.service_account,
        "automountServiceAccountToken": False,
        "initContainers": [_first(config, scan, feeder["volumeMounts"])],
        "containers": [feeder, _scanner(config, scan, room)],
        "volumes": [
            *found["volumes"],
            _folder(_BESIDE, _GIVEN),
            _folder(_INPUTS, _GIVEN),
            _folder(_OWN, 3 * room),
            _folder(_LAYERS, 2 * room),
        ],
    }
    return found


def _of_workers(config: Config) -> Config:
    """A configuration with their own Secrets in the place of those of other services."""
    own = {"kubeconfig_secret": None, "environment_secret": config.argo.workers.environment_secret}
    scheduler = config.argo.scheduler.model_copy(update=own)
    return config.model_copy(update={"argo": config.argo.model_copy(update={"scheduler": scheduler})})


def _arguments(config: Config, scan: Scan) -> list[str]:
    settings = config.argo.workers
    return [
        "--volume", VOLUME, "--scan", scan.name, "--scan-version", version_of(scan), "--name", _NAME,
        "--beside", str(beside.BESIDE), "--cells", str(settings.cells), "--hours", f"{settings.age / 3600:g}",
        "--grace", str(scan.timeout + _GRACE - _REST),
    ]  # fmt: skip


def _first(config: Config, scan: Scan, mounts: list[Manifest]) -> Manifest:
    """What makes the folders."""
    step = BesideStep(scan=scan.name, worker=_NAME, to=beside.BESIDE)
    found = _plain("folders", pods.step(settings_of(config), step))
    wanted = {_VOLUME, _SCRATCH, _BESIDE, _INPUTS, _OWN, _LAYERS}
    found["volumeMounts"] = [mount for mount in mounts if mount["name"] in wanted]
    found["env"] = [_worker(), *found["env"]]
    return found


def _scanner(config: Config, scan: Scan, room: int) -> Manifest:
    """The scanner's own image; of the volume it sees the cell of its worker and its databases."""
    settings = settings_of(config)
    found = _plain(
        SCANNER,
        pods.scanner(
            scanner_image(scan, settings, where=f"scan {scan.name}: image"),
            beside.scanner_command(scan.warm.ready_within if scan.warm else 1),
            scanner_environment({}, scan),
            _mounts(scan),
            pods.scanner_resources(scan.resources, 3 * room),
        ),
    )
    found["env"] = [_worker(), *found["env"]]
    found["lifecycle"] = {"preStop": {"exec": {"command": beside.scanner_stop()}}}
    found["livenessProbe"] = _probe(beside.scanner_probe(), failures=1) | {"terminationGracePeriodSeconds": 1}
    return found


def _mounts(scan: Scan) -> list[m.VolumeMount]:
    own = [m.VolumeMount(name=_OWN, mount_path=place, sub_path=name) for name, place in beside.OWN_AT.items()]
    return [
        m.VolumeMount(name=_INPUTS, mount_path=beside.INPUTS_AT, read_only=True),
        m.VolumeMount(name=_LAYERS, mount_path=beside.LAYERS_AT, read_only=True),
        *own,
        m.VolumeMount(name=_VOLUME, mount_path=beside.CELL_AT, sub_path_expr=worker_path(_NAME), read_only=True),
        m.VolumeMount(name=_VOLUME, mount_path=beside.DATABASES_AT, sub_path=databases_path(scan.name), read_only=True),
    ]


def _probe(command: list[str], *, failures: int) -> Manifest:
    return {"exec": {"command": command}, "periodSeconds": _PERIOD, "timeoutSeconds": 10, "failureThreshold": failures}


def _worker() -> Manifest:
    return {"name": _WORKER, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def _folder(name: str, size: int) -> Manifest:
    return {"name": name, "emptyDir": {"sizeLimit": disk.quantity(size)} if size else {}}


def _plain(name: str, fields: Mapping[str, Any]) -> Manifest:
    """A container as plain data."""
    found: Manifest = m.Container(name=name, **fields).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"name": name, **found}
