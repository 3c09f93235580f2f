"""What runs for one image: a pod for each cell, or one pod for all its scans.

| `layout` | pods of an image | what a scan shares with the others |
|---|---|---|
| `cell` | one pulls, one for each cell | nothing |
| `image` | one: an init container pulls, then every scan in a container of its own | its pod: network and node |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from hera.workflows import DAG, Container, ContainerNode, ContainerSet, Resource, Script, Steps, Task
from hera.workflows import models as m

from orchestrator.argo.names import PULL_TEMPLATE
from orchestrator.model import TargetKind
from workflows import pods
from workflows.cell import cell_template, retry, scanner_container, template_name
from workflows.settings import ALLOWANCE, RenderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Scan
    from workflows.matrix import Shape
    from workflows.settings import Settings

Template: TypeAlias = Container | ContainerSet | Script | DAG | Steps | Resource

_TARGET = "{{inputs.parameters.target}}"
_SCANS = "{{inputs.parameters.scans}}"
_PULL_TIMEOUT = 3600
#: Names of containers that Argo makes itself.
_RESERVED = {"init", "wait", "main", "stage"}


def image_templates(shape: Shape, settings: Settings) -> list[Template]:
    """The templates of one image: one for each set of scans that is known, and one that goes by the item's own list.

    With a template for its set an image leaves no skipped nodes in the Workflow's status, which may have 1 MiB.
    """
    scans = {scan.name: scan for scan in shape.scans if scan.reads(TargetKind.IMAGE)}
    make = _image_pod if settings.layout == "image" else _image_cells
    sets: list[Template] = [
        make(f"image-{name}", [scans[each] for each in sorted(members)], shape, settings)
        for name, members in set_names(shape).items()
    ]
    return [
        *([_image(tuple(scans.values()))] if shape.others or shape.again else []),
        _pull(shape, settings),
        *sets,
        *(cell_template(scan, settings, run=shape.run) for scan in scans.values()),
    ]


def set_names(shape: Shape) -> dict[str, frozenset[str]]:
    """The sets of scans that have a template of their own, by name."""
    return {f"set-{number}": members for number, members in enumerate(shape.sets, start=1)}


def _image(scans: Sequence[Scan]) -> DAG:
    """A pod pulls the image, then a pod for each of all scans that is in the item's list."""
    with DAG(name="image", inputs=pods.parameters(["target", "scans"]), fail_fast=False) as image:
        _cells(scans, when=True)
    return image


def _image_cells(name: str, scans: Sequence[Scan], shape: Shape, settings: Settings) -> DAG:  # noqa: ARG001 - as `_image_pod`
    """`layout: cell`: a pod pulls the image, then a pod for each scan of a set."""
    with DAG(name=name, inputs=pods.parameters(["target"]), fail_fast=False) as image:
        _cells(scans, when=False)
    return image


def _cells(scans: Sequence[Scan], *, when: bool) -> None:
    """The tasks of an image's DAG."""
    arguments = m.Arguments(parameters=[m.Parameter(name="target", value=_TARGET)])
    Task(name="pull", template=PULL_TEMPLATE, arguments=arguments)
    for scan in scans:
        Task(
            name=scan.name,
            template=template_name(scan.name),
            arguments=arguments,
            depends="pull",
            when=f"'{_SCANS}' =~ ',{scan.name},'" if when else None,
        )


def _pull(shape: Shape, settings: Settings) -> Container:
    return Container(
        name=PULL_TEMPLATE,
        inputs=pods.parameters(["target"]),
        labels=pods.labels("pull", run=shape.run, target=_TARGET),
        active_deadline_seconds=_PULL_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, "pull", "--run", shape.run, "--target", _TARGET, registry=True),
    )


def _image_pod(name: str, scans: Sequence[Scan], shape: Shape, settings: Settings) -> ContainerSet:
    """`layout: image`: everything of an image in one pod.

    Folders on the volume must be there, with the right owner, before the kubelet mounts them into the containers; so
    an init container pulls and stages all cells. Nothing is tried again here: what failed runs once more in
    `layout: cell`.
    """
    if taken := sorted(_RESERVED & {scan.name for scan in scans}):
        raise RenderError(
            f"layout: image: a scan cannot be called {' or '.join(taken)}; Argo has containers of that name"
        )
    names = ",".join(scan.name for scan in scans)
    stage = pods.step(settings, "pull", "--run", shape.run, "--target", _TARGET, "--stage", names, registry=True)
    folder = f"runs/{shape.run}/{_TARGET}"
    containers: list[Any] = [
        ContainerNode(name=scan.name, **scanner_container(scan, settings, f"{folder}/{scan.name}")) for scan in scans
    ]
    return ContainerSet(
        name=name,
        inputs=pods.parameters(["target"]),
        labels=pods.labels("image", run=shape.run, target=_TARGET),
        init_containers=pods.init_containers(("stage", stage)),
        containers=containers,
        # Argo adds the Workflow's own volumes to a ContainerSet's pod only where the template declares them.
        volumes=pods.volumes(settings),
        active_deadline_seconds=_PULL_TIMEOUT + max(scan.timeout for scan in scans) + ALLOWANCE,
    )
