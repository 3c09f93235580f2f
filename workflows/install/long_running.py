"""What the pods of long-running services have in common: configuration, volume, store, and the Secrets they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo import names
from orchestrator.workflows import disk
from orchestrator.workflows.install.objects import Manifest, container_security, pod_security, resources
from orchestrator.workflows.pods import CONFIG_FOLDER
from orchestrator.workflows.settings import DOCKER_CONFIG, GIT_CREDENTIALS, SCRATCH, VOLUME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.config.loading import Config

_KUBECONFIG = "/kubeconfig"


class LongRunning(NamedTuple):
    """A service that runs until it is stopped.

    Attributes:
        component: name of its container, and end of the name of its account.
        command: that starts it.
        args: of the command.
        memory: requested.
        memory_limit: the limit.
        grace: seconds that it gets to end.
        variables: of its environment, beside those that every service has.
        volumes: that it has beside those of every service, by the folder in which it reads them.
        fields: further ones of its container: ports, probes.
    """

    component: str
    command: Sequence[str]
    args: Sequence[str]
    memory: str
    memory_limit: str
    grace: int
    variables: Mapping[str, str]
    volumes: Mapping[str, Manifest]
    fields: Manifest


def engine_of(config: Config) -> str:
    """The engine of services in a cluster: that of the configuration, unless it is meant for people's machines."""
    return config.engine if config.engine == "queue" else "argo"


def pod_of(config: Config, service: LongRunning) -> Manifest:
    """The specification of its pods.

    Args:
        config: names everything.
        service: whose pods they are.
    """
    scratch = disk.of_step(config.limits.repository_size)
    mounts: dict[str, Manifest] = {
        VOLUME: {"persistentVolumeClaim": {"claimName": config.volume.claim}},
        SCRATCH: {"emptyDir": {"sizeLimit": disk.quantity(scratch)}},
        CONFIG_FOLDER: {"configMap": {"name": names.CONFIG_MAP}},
    }
    variables: list[Manifest] = [{"name": name, "value": SCRATCH} for name in ("HOME", "TMPDIR")]
    secrets = {
        DOCKER_CONFIG: (config.argo.registry_secret, "DOCKER_CONFIG", DOCKER_CONFIG),
        GIT_CREDENTIALS: (config.argo.git_secret, "SCANMATRIX_GIT_CREDENTIALS", GIT_CREDENTIALS),
        _KUBECONFIG: (config.argo.scheduler.kubeconfig_secret, "KUBECONFIG", f"{_KUBECONFIG}/kubeconfig"),
    }
    for folder, (secret, variable, value) in secrets.items():
        if secret:
            items = [{"key": ".dockerconfigjson", "path": "config.json"}] if folder == DOCKER_CONFIG else None
            mounts[folder] = {"secret": {"secretName": secret, **({"items": items} if items else {})}}
            variables.append({"name": variable, "value": value})
    if store := config.argo.scheduler.store_secret:
        url = {"secretKeyRef": {"name": store, "key": "url"}}
        variables.append({"name": "SCANMATRIX_STORE__URL", "valueFrom": url})
    variables += [{"name": name, "value": value} for name, value in service.variables.items()]
    mounts |= service.volumes
    environment = config.argo.scheduler.environment_secret
    container = {
        "name": service.component,
        "image": config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(service.command),
        "args": list(service.args),
        "env": variables,
        **({"envFrom": [{"secretRef": {"name": environment}}]} if environment else {}),
        **service.fields,
        "resources": resources("50m", service.memory, service.memory_limit, scratch=scratch),
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": _name(folder), "mountPath": folder, **({} if folder in {VOLUME, SCRATCH} else {"readOnly": True})}
            for folder in mounts
        ],
    }
    return {
        "serviceAccountName": f"{config.argo.service_account}-{service.component}",
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": service.grace,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [{"name": _name(folder), **source} for folder, source in mounts.items()],
    }


def _name(folder: str) -> str:
    """Of the volume that is mounted there."""
    return folder.strip("/").replace("/", "-")
