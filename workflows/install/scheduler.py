"""The scheduler: a Deployment of `scanmatrix schedule`, which any number of replicas may be of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from orchestrator.argo import names
from orchestrator.config.file import CONFIG_FILE
from orchestrator.workflows import disk
from orchestrator.workflows.install.objects import Manifest, container_security, manifest, pod_security, resources
from orchestrator.workflows.pods import CONFIG_FOLDER
from orchestrator.workflows.settings import DOCKER_CONFIG, GIT_CREDENTIALS, SCRATCH, VOLUME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config

COMPONENT = str(names.Component.SCHEDULER)
_KUBECONFIG = "/kubeconfig"
#: Seconds until it is killed: what it has begun continues in the cluster, so there is little to wind down.
_GRACE = 30


def scheduler(config: Config, contents: Mapping[str, str], *, shared: bool = False) -> list[Manifest]:
    """The Deployment; none without a configuration in the cluster to keep fresh what that names.

    Args:
        config: names everything.
        contents: of the ConfigMap; when they change, the pods start again.
        shared: they keep their state in a ConfigMap, which is made here too.
    """
    if not contents:
        return []
    labels = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: COMPONENT}
    digest = digest_of(contents)
    template = {
        "metadata": {"labels": labels, "annotations": {names.CONFIGURATION_DIGEST: digest}},
        "spec": _pod(config, digest if shared else ""),
    }
    spec = {
        "replicas": config.argo.scheduler.replicas,
        "selector": {"matchLabels": labels},
        "template": template,
    }
    state = [manifest("ConfigMap", names.STATE, config.argo.namespace, component=names.STATE_COMPONENT)]
    return [
        manifest("Deployment", COMPONENT, config.argo.namespace, api="apps/v1", component=COMPONENT, spec=spec),
        *(state if shared else ()),
    ]


def digest_of(contents: Mapping[str, str]) -> str:
    """By which a configuration, and what it names, is known."""
    whole = "\0".join(f"{name}\0{text}" for name, text in sorted(contents.items()))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _pod(config: Config, digest: str) -> Manifest:
    """Of the Deployment; with a digest, it keeps its state, and says that it is of this configuration."""
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
    container = {
        "name": COMPONENT,
        "image": config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["scanmatrix", "schedule", "--config", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
        "args": ["--engine", "argo", "--mounted", VOLUME, *(["--state", f"{names.STATE}/{digest}"] if digest else ())],
        "env": variables,
        **(
            {"envFrom": [{"secretRef": {"name": secret}}]}
            if (secret := config.argo.scheduler.environment_secret)
            else {}
        ),
        "resources": resources("50m", "256Mi", "2Gi", scratch=scratch),
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": _name(folder), "mountPath": folder, **({} if folder in {VOLUME, SCRATCH} else {"readOnly": True})}
            for folder in mounts
        ],
    }
    return {
        "serviceAccountName": f"{config.argo.service_account}-{COMPONENT}",
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [{"name": _name(folder), **source} for folder, source in mounts.items()],
    }


def _name(folder: str) -> str:
    """Of the volume that is mounted there."""
    return folder.strip("/").replace("/", "-")
