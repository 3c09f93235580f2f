"""The kinds of cluster to install into, and what is installed beside; by itself, so that naming one imports nothing."""

from enum import StrEnum


class Overlay(StrEnum):
    """Folders below `argo-install/overlays/`.

    Attributes:
        SINGLE_NODE: kind, k3s, one machine; the volume is a folder of the node.
        PRODUCTION: several nodes, a ReadWriteMany volume, two controllers, an archive in Postgres.
    """

    SINGLE_NODE = "single-node"
    PRODUCTION = "production"


class InstallPart(StrEnum):
    """Optional parts, each a folder below `argo-install/`.

    Attributes:
        CONTROLLER: the definition of `ScanMatrix` resources, and their controller.
        SERVICE: the REST service and its page, beside an installation.
        WORKERS: workers of the engine `queue`, for the scans that `argo.workers` names.
        ADMISSION: the rules of `admission` for the API server, which holds every pod of the namespace to them.
    """

    CONTROLLER = "controller"
    SERVICE = "service"
    WORKERS = "workers"
    ADMISSION = "admission"
