"""The design's DAG: plan, databases, images wave by wave, aggregate; and the DAG of one image.

Templates are per kind of pod and per scan, never per cell: the spec grows with images only by one small item each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from hera.workflows import DAG, Container, Script, Step, Steps, Task
from hera.workflows import models as m

from workflows import pods
from workflows.cell import cell_template, fill, retry, scanner_environment, template_name
from workflows.settings import ALLOWANCE, SCRATCH, RenderError, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.model import Database, Limits, Scan
    from workflows.settings import Settings

Template: TypeAlias = Container | Script | DAG | Steps

ENTRYPOINT = "matrix"
ON_EXIT = "end"
PLAN_PARAMETER = "plan"
#: Stands in the DAG where a Workflow's own items come; Hera would take seconds for thousands of them.
ITEMS = "items"

_ENDED = ("Succeeded", "Failed", "Errored", "Skipped")
_TARGET = "{{inputs.parameters.target}}"
_SCANS = "{{inputs.parameters.scans}}"
_STEP_TIMEOUT = 3600
_OUTPUTS = f"{SCRATCH}/outputs"


@dataclass(frozen=True)
class Shape:
    """What tells one matrix from another.

    Attributes:
        run: id of the run, or the Argo expression for it.
        scans: those that occur.
        waves: groups of images that run one after the other; 0 when there is nothing to run.
        in_cluster: True when the plan step, and not the Workflow, says which images and scans there are.
    """

    run: str
    scans: tuple[Scan, ...]
    limits: Limits
    waves: int = 1
    in_cluster: bool = False


def templates(shape: Shape, settings: Settings) -> list[Template]:
    """All templates of a matrix, the entry point first.

    Raises:
        RenderError: a scan or the layout cannot be written as a Workflow.
    """
    if settings.layout not in LAYOUTS:
        raise RenderError(f"layout: {settings.layout!r} is not supported by this version; use {' or '.join(LAYOUTS)}")
    scans = shape.scans if shape.waves else ()
    found: list[Template] = [_matrix(shape, scans)]
    if scans:
        found += LAYOUTS[settings.layout](shape, settings)
    found.append(_plan(shape, settings))
    found += [_database(scan, scan.database, shape, settings) for scan in scans if scan.database]
    found += [_evict(shape, settings)] if shape.waves > 1 else []
    found += [_aggregate(shape, settings), _end()]
    return found


def items_task(wave: int, waves: int) -> str:
    """Name of the task that runs the images of a wave (from 1)."""
    return "images" if waves == 1 else f"images-{wave}"


def _matrix(shape: Shape, scans: Sequence[Scan]) -> DAG:
    """The whole run; `parallelism` bounds the images in flight."""
    with DAG(name=ENTRYPOINT, fail_fast=False, parallelism=shape.limits.images_in_flight) as dag:
        Task(name="plan", template="plan")
        before = ["plan"]
        for scan in scans:
            if scan.database:
                name = f"database-{scan.name}"
                when = f"'{{{{tasks.plan.outputs.parameters.scans}}}}' =~ ',{scan.name},'" if shape.in_cluster else None
                Task(name=name, template=name, depends="plan", when=when)
                before.append(_ended(name))
        for wave in range(1, shape.waves + 1):
            name = items_task(wave, shape.waves)
            _images(name, before, shape)
            before = [_ended(name)]
            if wave < shape.waves:
                number = m.Parameter(name="wave", value=str(wave))
                evict = f"evict-{wave}"
                Task(name=evict, template="evict", depends=_ended(name), arguments=m.Arguments(parameters=[number]))
                before = [_ended(evict)]
        Task(name="aggregate", template="aggregate", depends=" && ".join(before))
    return dag


def _images(name: str, before: Sequence[str], shape: Shape) -> None:
    """One wave of images, each a DAG of its own."""
    values = {"target": "{{item.target}}", "scans": "{{item.scans}}"}
    arguments = m.Arguments(parameters=[m.Parameter(name=key, value=value) for key, value in values.items()])
    several: dict[str, Any] = (
        {"with_param": "{{tasks.plan.outputs.parameters.images}}"} if shape.in_cluster else {"with_items": [ITEMS]}
    )
    Task(name=name, template="image", depends=" && ".join(before), arguments=arguments, **several)


def _ended(task: str) -> str:
    """Whichever way it ended: a failed cell, image or database is the ledger's business, not the DAG's."""
    return "(" + " || ".join(f"{task}.{way}" for way in _ENDED) + ")"


def _cell_layout(shape: Shape, settings: Settings) -> list[Template]:
    """`layout: cell`: a pod pulls the image, then a pod for each cell."""
    arguments = m.Arguments(parameters=[m.Parameter(name="target", value=_TARGET)])
    with DAG(name="image", inputs=pods.parameters(["target", "scans"]), fail_fast=False) as image:
        Task(name="pull", template="pull", arguments=arguments)
        for scan in shape.scans:
            Task(
                name=scan.name,
                template=template_name(scan.name),
                arguments=arguments,
                depends="pull",
                when=f"'{_SCANS}' =~ ',{scan.name},'",
            )
    pull = Container(
        name="pull",
        inputs=pods.parameters(["target"]),
        labels=pods.labels("pull", run=shape.run, target=_TARGET),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, "pull", "--run", shape.run, "--target", _TARGET, registry=True),
    )
    return [image, pull, *(cell_template(scan, settings, run=shape.run) for scan in shape.scans)]


#: How the DAG of one image is built, by the configured layout.
LAYOUTS: dict[str, Callable[[Shape, Settings], list[Template]]] = {"cell": _cell_layout}


def _plan(shape: Shape, settings: Settings) -> Script:
    """Write the plan to the volume.

    It comes as a script's source, because that is neither copied into the node's status, as an artifact or a
    parameter is, nor bounded by the length of one argument.
    """
    arguments = ["plan"]
    outputs = None
    if shape.in_cluster:
        arguments += ["--config", f"{pods.CONFIG_FOLDER}/scanmatrix.yaml", "--run", shape.run, "--outputs", _OUTPUTS]
        paths = {name: f"{_OUTPUTS}/{name}" for name in ("images", "scans")}
        outputs = [m.Parameter(name=name, value_from=m.ValueFrom(path=path)) for name, path in paths.items()]
    step = pods.step(settings, *arguments, registry=shape.in_cluster, config_map=shape.in_cluster)
    return Script(
        name="plan",
        outputs=outputs,
        labels=pods.labels("plan", run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        source=f"{{{{workflow.parameters.{PLAN_PARAMETER}}}}}",
        **(step | {"command": [*step["command"], *step.pop("args")]}),
    )


def _database(scan: Scan, database: Database, shape: Shape, settings: Settings) -> Container:
    """Refresh a scanner's database: a folder of ours, its own command to fill it, and ours to make it the current one.

    When the command fails the pod ends there, and the database from before stays.
    """
    key = "{{workflow.name}}"
    where = f"scan {scan.name}: database"
    prepare = pods.step(settings, "database", "prepare", "--scan", scan.name, "--key", key)
    command = [fill(part, scan, where=where) for part in database.refresh]
    refresh = {
        "image": literal(scan.image, where=where),
        "image_pull_policy": "IfNotPresent",
        "command": command[:1],
        "args": command[1:],
        "env": pods.variables(scanner_environment(database.environment, scan)),
        "volume_mounts": pods.database_mounts(f"databases/{scan.name}/.incoming-{key}"),
        "security_context": pods.container_security(),
        "resources": pods.scanner_resources(scan.resources),
    }
    longest = str(scan.timeout + ALLOWANCE)
    return Container(
        name=f"database-{scan.name}",
        labels=pods.labels("database", run=shape.run, scan=scan.name),
        init_containers=pods.init_containers(("prepare", prepare), ("refresh", refresh)),
        active_deadline_seconds=database.timeout + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries, always=True),
        **pods.step(settings, "database", "commit", "--scan", scan.name, "--key", key, "--longest", longest),
    )


def _evict(shape: Shape, settings: Settings) -> Container:
    """Make room on the volume between two waves."""
    return Container(
        name="evict",
        inputs=pods.parameters(["wave"]),
        labels=pods.labels("evict", run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, "evict", "--run", shape.run, "--wave", "{{inputs.parameters.wave}}"),
    )


def _aggregate(shape: Shape, settings: Settings) -> Container:
    """End the run; fails when its policy is broken."""
    return Container(
        name="aggregate",
        labels=pods.labels("aggregate", run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, "aggregate", "--run", shape.run, memory="2Gi"),
    )


def _end() -> Steps:
    """After a run that was stopped or ran into its deadline: the ledger all the same."""
    with Steps(name=ON_EXIT) as end:
        Step(name="aggregate", template="aggregate", when="'{{workflow.status}}' != 'Succeeded'")
    return end
