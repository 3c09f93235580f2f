"""What runs for one image: a pod for each cell, or one pod for all its scans.

| `layout` | pods of an image | what a scan shares with the others |
|---|---|---|
| `cell` | one pulls, one for each cell | nothing |
| `image` | one: an init container pulls, then every scan in a container of its own | its pod: network and node |
"""

from __future__ import annotations

from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hera.workflows import DAG, Container, ContainerNode, ContainerSet, Resource, Script, Steps, Task

from orchestrator.argo import names
from orchestrator.argo.agreed import Exit
from orchestrator.argo.commands import PullStep
from orchestrator.argo.names import Component, TemplateName
from orchestrator.argo.parameters import Input, contains, given, set_name
from orchestrator.model import TargetKind
from orchestrator.volume.layout import cell_path
from orchestrator.workflows import folders, patches, pods
from orchestrator.workflows.cell import cell_template, keeper, retry, scanner_container, template_name
from orchestrator.workflows.settings import ALLOWANCE, LAYERS, RenderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Scan
    from orchestrator.workflows.settings import Settings
    from orchestrator.workflows.shape import Shape

Template: TypeAlias = Container | ContainerSet | Script | DAG | Steps | Resource

_TARGET = given(Input.TARGET)
_PULL_TIMEOUT = 3600
#: Where a scanner has run, what failed runs again by itself, in a pod of its own; before that, it was the pull.
_PULL_FAILED = (
    f"lastRetry.message matches '^{names.STAGE}: .*exit code {Exit.TEMPORARY}|^Pod failed before |^pod deleted$'"
)
#: Names of containers that are not scanners.
_RESERVED = names.ARGO_CONTAINERS | {names.MAIN, names.STAGE, names.KEEP}


def image_templates(shape: Shape, settings: Settings) -> list[Template]:
    """The templates of one image: one for each set of scans that is known, and one that goes by the item's own list.

    With a template for its set an image leaves no skipped nodes in the Workflow's status, which may have 1 MiB.
    """
    scans = {scan.name: scan for scan in shape.scans if scan.reads(TargetKind.IMAGE)}
    make = _image_pod if settings.layout == "image" else _image_cells
    sets: list[Template] = [
        make(names.image_template(name), [scans[each] for each in sorted(members)], shape, settings)
        for name, members in set_names(shape).items()
    ]
    return [
        *([_image(tuple(scans.values()))] if shape.others or shape.again or shape.readers else []),
        _pull(shape, settings),
        *sets,
        *(cell_template(scan, shape, settings) for scan in scans.values()),
    ]


def set_names(shape: Shape) -> dict[str, frozenset[str]]:
    """The sets of scans that have a template of their own, by name."""
    return {set_name(number): members for number, members in enumerate(shape.sets, start=1)}


def _image(scans: Sequence[Scan]) -> DAG:
    """A pod pulls the image, then a pod for each of all scans that is in the item's list."""
    with DAG(name=str(TemplateName.IMAGE), inputs=pods.parameters(Input.TARGET, Input.SCANS), fail_fast=False) as image:
        _cells(scans, when=True)
    return image


def _image_cells(name: str, scans: Sequence[Scan], shape: Shape, settings: Settings) -> DAG:  # noqa: ARG001 - as `_image_pod`
    """`layout: cell`: a pod pulls the image, then a pod for each scan of a set."""
    with DAG(name=name, inputs=pods.parameters(Input.TARGET), fail_fast=False) as image:
        _cells(scans, when=False)
    return image


def _cells(scans: Sequence[Scan], *, when: bool) -> None:
    """The tasks of an image's DAG."""
    pull, arguments = str(TemplateName.PULL), pods.passed_on(Input.TARGET)
    Task(name=pull, template=pull, arguments=arguments)
    for scan in scans:
        Task(
            name=scan.name,
            template=template_name(scan.name),
            arguments=arguments,
            depends=pull,
            when=contains(given(Input.SCANS), scan.name) if when else None,
        )


def _pull(shape: Shape, settings: Settings) -> Container:
    return Container(
        name=str(TemplateName.PULL),
        inputs=pods.parameters(Input.TARGET),
        labels=pods.labels(Component.PULL, run=shape.run, target=_TARGET),
        active_deadline_seconds=_PULL_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, PullStep(run=shape.run, target=_TARGET), registry=True),
    )


def _image_pod(name: str, scans: Sequence[Scan], shape: Shape, settings: Settings) -> ContainerSet:
    """`layout: image`: everything of an image in one pod.

    Folders on the volume must be there, with the right owner, before the kubelet mounts them into the containers; so
    an init container pulls and stages all cells, with the attempts of a pull. Once scanners have begun nothing is tried
    again here: what failed runs once more in `layout: cell`.
    """
    if taken := sorted(_RESERVED & {scan.name for scan in scans}):
        raise RenderError(
            f"layout: image: a scan cannot be called {' or '.join(taken)}; Argo has containers of that name"
        )
    unpacked = {scan.name: scan.name for scan in scans if scan.reads_layers}
    layers = Path(LAYERS) if unpacked else None
    pull = PullStep(run=shape.run, target=_TARGET, stage=tuple(scan.name for scan in scans), layers=layers)
    stage = pods.step(settings, pull, registry=True, layers=unpacked)
    scratch = {scan.name: shape.limits.disk_of(scan) for scan in scans}
    cells = {scan.name: cell_path(shape.run, _TARGET, scan.name) for scan in scans}
    scanners = {
        scan.name: scanner_container(scan, settings, cells[scan.name], scratch=scratch[scan.name], name=scan.name)
        for scan in scans
    }
    containers: list[Any] = [ContainerNode(name=name, **fields) for name, fields in scanners.items()]
    return ContainerSet(
        name=name,
        inputs=pods.parameters(Input.TARGET),
        labels=pods.labels(Component.IMAGE, run=shape.run, target=_TARGET),
        init_containers=pods.init_containers((names.STAGE, stage)),
        containers=containers,
        **keeper({scan.name: scan for scan in scans}, cells, settings, ends=True),
        # Argo adds the Workflow's own volumes to a ContainerSet's pod only where the template declares them.
        volumes=[
            *folders.volumes(settings),
            *starmap(folders.scanner_scratch, scratch.items()),
            *(folders.scan_layers(name, scratch[name]) for name in unpacked),
        ],
        pod_spec_patch=patches.of_scanners({name: fields["volume_mounts"] for name, fields in scanners.items()}),
        active_deadline_seconds=_PULL_TIMEOUT + max(scan.timeout for scan in scans) + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries, when=_PULL_FAILED),
    )
