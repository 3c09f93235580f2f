"""The pod of a batch: cells of one scan that read stored SBOMs, one after the other, instead of a pod for each.

One of our containers puts the SBOMs into a folder of the pod, the scanner reads them there with nothing else but its
database, and another one of ours keeps each report as soon as it is there. That one fails where cells are left; their
images are then scanned themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hera.workflows import Container, Task

from orchestrator.argo import names
from orchestrator.argo.commands import KeepSbomsStep, StageSbomsStep
from orchestrator.argo.names import Component, TemplateName, sboms_template
from orchestrator.argo.parameters import Input, given, item, output
from orchestrator.argo.sbom_batches import MOST_CELLS
from orchestrator.argo.sbom_loop import MOST_TOGETHER, loop
from orchestrator.model import TargetKind
from orchestrator.volume.layout import batch_folder, cell_path
from orchestrator.volume.sboms import MOST_BYTES
from orchestrator.workflows import folders, patches, pods
from orchestrator.workflows.cell import fill, retry, scanner_environment, scanner_image
from orchestrator.workflows.settings import ALLOWANCE, CELL, SCRATCH, SHARED_MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Scan
    from orchestrator.workflows.settings import Settings
    from orchestrator.workflows.shape import Shape

_BATCH = given(Input.BATCH)
#: The SBOMs of a batch, the last one of which is counted when it is there, and a program of 2 MB.
_DISK = MOST_TOGETHER + 2 * MOST_BYTES


def sbom_template(scan: Scan, shape: Shape, settings: Settings) -> Container:
    """The template of the batches of one scan; its input is the number of the batch."""
    run, folder = shape.run, cell_path(shape.run, batch_folder(_BATCH), scan.name)
    staged = StageSbomsStep(run=run, part=shape.part, scan=scan.name, batch=_BATCH)
    kept = KeepSbomsStep(run=run, part=shape.part, scan=scan.name, batch=_BATCH)
    stage = pods.step(settings, staged)
    stage["volume_mounts"].append(folders.sboms_mount(names.MAIN, read_only=None))
    scratch = _scratch_of(scan, shape)
    scanner = pods.scanner(
        scanner_image(scan, settings, where=f"scan {scan.name}: image"),
        _command(scan),
        scanner_environment(scan.environment, scan),
        folders.batch_mounts(names.MAIN, folder, database=scan.database is not None),
        pods.scanner_resources(scan.resources, scratch),
    )
    retries = max(scan.retries, shape.limits.retries)
    memory = patches.more_memory(scan.resources.memory_limit, retries)
    return Container(
        name=sboms_template(scan.name),
        inputs=pods.parameters(Input.BATCH),
        labels=pods.labels(Component.SCAN, run=run, scan=scan.name),
        init_containers=pods.init_containers((names.STAGE, stage)),
        **scanner,
        **pods.sidecar(names.KEEP, _keeper(settings, kept)),
        volumes=[folders.scanner_scratch(names.MAIN, scratch), folders.scan_sboms(names.MAIN, _DISK)],
        active_deadline_seconds=min(shape.limits.deadline, scan.timeout * MOST_CELLS + ALLOWANCE),
        retry_strategy=retry(retries),
        pod_spec_patch=patches.of_scanners({names.MAIN: scanner["volume_mounts"]}, memory=memory),
    )


def sbom_task(scan: str, depends: Sequence[str], items: Sequence[str] | None) -> str:
    """The task of all batches of a scan; its name is returned.

    Args:
        scan: name of the scan.
        depends: what the task depends on.
        items: what stands for the Workflow's own items; None for the output parameter of the plan step.
    """
    name = sboms_template(scan)
    several = {"with_param": output(TemplateName.PLAN, name)} if items is None else {"with_items": list(items)}
    Task(
        name=name,
        template=name,
        depends=" && ".join(depends),
        arguments=pods.arguments(**{Input.BATCH: item("batch")}),
        **several,
    )
    return name


def _command(scan: Scan) -> list[str]:
    """The scanner's command for an SBOM, once for each of the batch."""
    where = f"scan {scan.name}: sbom"
    return loop(
        [fill(word, scan, where=where) for word in scan.command_for(TargetKind.IMAGE, sbom=True)],
        timeout=scan.timeout,
        report=f"{CELL}/{scan.report}",
        printed=scan.report_from_stdout,
        temporary=(SCRATCH, SHARED_MEMORY),
    )


def _keeper(settings: Settings, step: KeepSbomsStep) -> dict[str, Any]:
    """The container beside the scanner; of the volume it writes the run's own folder."""
    found = pods.step(settings, step, writes=f"runs/{step.run}")
    mounts = [*found["volume_mounts"], folders.sboms_mount(names.MAIN), folders.scanned_mount(names.MAIN)]
    return pods.beside(settings, step, mounts) | {"resources": pods.resources("10m", "64Mi", "512Mi", scratch=1)}


def _scratch_of(scan: Scan, shape: Shape) -> int:
    """Bytes that a scanner may keep in its pod: those for one cell, and the reports of all; 0 for no limit."""
    one = shape.limits.disk_of(scan)
    return one + MOST_CELLS * scan.report_limit if one else 0
