"""What each node of a Workflow is an attempt of: the one reader of nodes' templates and parameters."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo.names import TemplateName, database_of, is_image_template, sboms_scan_of, scan_of
from orchestrator.argo.parameters import Input

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.cluster.objects import Node


class AttemptKind(StrEnum):
    """What an attempt is about.

    Attributes:
        CELL: a cell, in a pod of its own.
        CONTAINER: a cell, in a container of the pod of its image.
        SBOMS: a batch of cells that read stored SBOMs; their records say how each of them went.
        PULL: the tarball of a target.
        IMAGE: the pod of an image: its tarball, and all its cells as containers.
        TARGET: no attempt: the DAG of a target.
        DATABASE: a scanner's database, fetched or loaded.
        SHARD: the Workflow of a shard.
        PLAN: the plan.
        OTHER: nothing of the above.
    """

    CELL = "cell"
    CONTAINER = "container"
    SBOMS = "sboms"
    PULL = "pull"
    IMAGE = "image"
    TARGET = "target"
    DATABASE = "database"
    SHARD = "shard"
    PLAN = "plan"
    OTHER = "other"


#: What finds the name of a scan in that of its template.
_OF_SCANS: Mapping[AttemptKind, Callable[[str], str]] = {
    AttemptKind.CELL: scan_of,
    AttemptKind.SBOMS: sboms_scan_of,
    AttemptKind.DATABASE: database_of,
}
_OF_TEMPLATES = {
    TemplateName.PULL: AttemptKind.PULL,
    TemplateName.FETCH: AttemptKind.PULL,
    TemplateName.SHARD: AttemptKind.SHARD,
    TemplateName.PLAN: AttemptKind.PLAN,
}


class Attempt(NamedTuple):
    """What a node is about.

    Attributes:
        kind: of what it is about.
        target: id of the target; empty for what has none.
        scan: name of the scan, of a cell, a batch or a database.
        shard: number of the shard that it starts.
        batch: number of the batch.
        parent: of a container, the node of its pod.
    """

    kind: AttemptKind
    target: str = ""
    scan: str = ""
    shard: str = ""
    batch: str = ""
    parent: Node | None = None


def attempt_of(node: Node, found: Mapping[str, Node]) -> Attempt:
    """What a node is an attempt of.

    Args:
        node: the node.
        found: all nodes of its Workflow, by id.
    """
    target = node.parameter(Input.TARGET)
    if node.type == "Container" and (parent := found.get(node.boundary_id)) is not None:
        return Attempt(AttemptKind.CONTAINER, parent.parameter(Input.TARGET), node.display_name, parent=parent)
    if node.type == "DAG" and target:
        return Attempt(AttemptKind.TARGET, target)
    if node.type != "Pod":
        return Attempt(AttemptKind.OTHER)
    for kind, named_in in _OF_SCANS.items():
        if scan := named_in(node.template_name):
            return Attempt(kind, target, scan, batch=node.parameter(Input.BATCH))
    return Attempt(_kind(node.template_name), target, shard=node.parameter(Input.SHARD))


def _kind(template: str) -> AttemptKind:
    """Of a pod whose template belongs to no scan."""
    if is_image_template(template):
        return AttemptKind.IMAGE
    return next((kind for name, kind in _OF_TEMPLATES.items() if name == template), AttemptKind.OTHER)
