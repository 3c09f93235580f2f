"""The kinds of cluster to install into; by itself, so that naming one imports nothing."""

from enum import StrEnum


class Overlay(StrEnum):
    """Folders below `argo-install/overlays/`.

    Attributes:
        SINGLE_NODE: kind, k3s, one machine; the volume is a folder of the node.
        PRODUCTION: several nodes, a ReadWriteMany volume, two controllers, an archive in Postgres.
    """

    SINGLE_NODE = "single-node"
    PRODUCTION = "production"
