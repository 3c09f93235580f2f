"""Kubernetes objects as plain data: what all of them have in common."""

from __future__ import annotations

from typing import Any, TypeAlias

from orchestrator.argo import names
from orchestrator.workflows import disk

Manifest: TypeAlias = dict[str, Any]

#: The user of all our containers, as `orchestrator.workflows.pods` has it.
USER = 65532


def manifest(
    kind: str, name: str, namespace: str | None, *, api: str = "v1", component: str = "", **fields: Any
) -> Manifest:
    """An object with the labels by which everything of ours is found.

    Args:
        kind: such as `ConfigMap`.
        name: of the object.
        namespace: None for objects of the whole cluster.
        api: its apiVersion.
        component: what it is a part of; empty for nothing in particular.
        fields: everything else, such as `spec`.
    """
    labels = {names.PART_OF: names.SCANMATRIX} | ({names.COMPONENT: component} if component else {})
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **place, "labels": labels}, **fields}


def resources(cpu: str, memory: str, memory_limit: str, *, scratch: int = 0) -> Manifest:
    """Requests and limits of a container.

    Args:
        cpu: requested.
        memory: requested.
        memory_limit: the limit.
        scratch: most bytes that it keeps on the disk of its node.
    """
    return {
        "requests": {"cpu": cpu, "memory": memory, disk.EPHEMERAL: disk.REQUESTED},
        "limits": {"memory": memory_limit, disk.EPHEMERAL: disk.quantity(disk.of_container(scratch))},
    }


def container_security() -> Manifest:
    """As every container of ours: nothing but its own files."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod_security() -> Manifest:
    """As every pod of ours: never root."""
    return {
        "fsGroup": USER,
        "runAsGroup": USER,
        "runAsNonRoot": True,
        "runAsUser": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
