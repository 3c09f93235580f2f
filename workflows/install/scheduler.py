"""The scheduler: a Deployment of `scanmatrix schedule`, which any number of replicas may be of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from orchestrator.argo import names
from orchestrator.config.file import CONFIG_FILE
from orchestrator.workflows.install.long_running import LongRunning, engine_of, pod_of
from orchestrator.workflows.install.objects import Manifest, manifest
from orchestrator.workflows.pods import CONFIG_FOLDER
from orchestrator.workflows.settings import VOLUME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config

COMPONENT = str(names.Component.SCHEDULER)
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
    return pod_of(
        config,
        LongRunning(
            component=COMPONENT,
            command=["scanmatrix", "schedule", "--config", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
            args=[
                "--engine",
                engine_of(config),
                "--mounted",
                VOLUME,
                *(["--state", f"{names.STATE}/{digest}"] if digest else ()),
            ],
            memory="256Mi",
            memory_limit="2Gi",
            grace=_GRACE,
            variables={},
            volumes={},
            fields={},
        ),
    )
