"""The claim of the shared volume, as large as its budget asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.install.access import meta

if TYPE_CHECKING:
    from orchestrator.config import Config
    from workflows.manifests import Manifest

#: Room for databases, reports and results beside the tarballs that the budget is about.
_BESIDE = 20 * 1024**3
_GIB = 1024**3


def claims(config: Config) -> list[Manifest]:
    """The claim that all pods of a run mount; which volume it gets is the cluster's business, see `pv/`."""
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": config.volume.storage_class or "",
        "resources": {"requests": {"storage": quantity(config.volume.budget + _BESIDE)}},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": meta(config, config.volume.claim),
            "spec": spec,
        }
    ]


def quantity(size: int) -> str:
    """Bytes as Kubernetes writes them, rounded up to whole gibibytes."""
    return f"{-(-size // _GIB)}Gi"
