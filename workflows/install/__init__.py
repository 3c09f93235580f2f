"""What a cluster needs beside Argo, as plain objects: rights, network rules, caches, volume, WorkflowTemplate, schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.install import access, caches, network, storage
from workflows.manifests import Manifest, to_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config import Config

__all__ = ["files", "objects", "render"]


def render(config: Config, *, contents: Mapping[str, str]) -> str:
    """Everything of a configuration as one YAML stream, as `kubectl apply --server-side -f -` takes it."""
    found: list[Manifest] = [each for group in objects(config, contents=contents).values() for each in group]
    return to_yaml(found)


def files(config: Config, *, contents: Mapping[str, str]) -> dict[str, str]:
    """The same as files of a kustomization, by name."""
    groups = objects(config, contents=contents)
    found = {f"{name}.yaml": to_yaml(group) for name, group in groups.items() if group}
    kustomization: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(found),
    }
    return found | {"kustomization.yaml": to_yaml([kustomization])}


def objects(config: Config, *, contents: Mapping[str, str]) -> dict[str, list[Manifest]]:
    """All objects by the file they belong in, in the order in which they are applied.

    Args:
        config: names namespace, caches, limits, schedule.
        contents: files of the ConfigMap from which runs are planned in the cluster, by name; none for no ConfigMap.
    """
    from workflows.install import runs  # noqa: PLC0415 - imports hera

    return {
        "namespace": access.namespace(config),
        "access": access.accounts(config),
        "limits": access.quotas(config),
        "network": network.policies(config),
        "caches": caches.caches(config),
        "volume": storage.claims(config),
        "configuration": runs.configuration(config, contents),
        "workflows": runs.workflows(config),
    }
