"""The design's DAG: plan, databases, images, shards, aggregate; what one image is made of is in `workflows.layouts`.

Templates are per kind of pod and per scan, never per cell: the spec grows with images only by one small item each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from hera.workflows import DAG, Container, Resource, Script, Step, Steps, Task
from hera.workflows import models as m

from orchestrator.argo import names as labels
from orchestrator.argo.items import REPOSITORIES
from workflows import pods
from workflows.cell import retry
from workflows.databases import database_tasks, database_templates
from workflows.layouts import Template, image_templates, set_names
from workflows.repositories import REPOSITORY, repository_templates
from workflows.secrets import refuse_in_scans
from workflows.settings import ALLOWANCE, SCRATCH, TEMPLATE, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Limits, Scan
    from workflows.settings import Settings

ENTRYPOINT = "matrix"
ON_EXIT = "end"
PLAN_PARAMETER = "plan"
RESULTS = "results"
#: Stands in the DAG where a Workflow's own items come; Hera would take seconds for thousands of them.
ITEMS = "items"

_ENDED = ("Succeeded", "Failed", "Errored", "Skipped")
_STEP_TIMEOUT = 3600
_OUTPUTS = f"{SCRATCH}/outputs"
_WRITABLE_TMP = {
    "initContainers": [{"name": "init", "volumeMounts": [{"name": "tmp", "mountPath": SCRATCH}]}],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}
_SHARD = "{{workflow.parameters.shard}}"
_WHOLE_RUN = f"'{_SHARD}' == ''"
_ONE_SHARD = f"'{_SHARD}' != ''"
_WORKFLOW = "--workflow={{workflow.name}}"


@dataclass(frozen=True)
class Shape:
    """What tells one matrix from another.

    Attributes:
        run: id of the run, or the Argo expression for it.
        scans: those that occur.
        waves: groups of targets that run one after the other; 0 when there is nothing to run.
        sets: of names of scans, each of which has a template for the images that want just these.
        others: False when every image wants one of the sets.
        idle: names of tasks left out because they have no image to run.
        again: True when what failed runs once more, in `layout: cell`.
        in_cluster: True when the plan step, and not the Workflow, says which images, scans and shards there are.
        repositories: True when there are source repositories, or may be.
        images: the same of images.
    """

    run: str
    scans: tuple[Scan, ...]
    limits: Limits
    waves: int = 1
    sets: tuple[frozenset[str], ...] = ()
    others: bool = True
    idle: frozenset[str] = frozenset()
    again: bool = False
    in_cluster: bool = False
    repositories: bool = False
    images: bool = True


def templates(shape: Shape, settings: Settings) -> list[Template]:
    """All templates of a matrix, the entry point first.

    Raises:
        RenderError: a scan cannot be written as a Workflow, or has a secret in it.
    """
    scans = shape.scans if shape.waves else ()
    refuse_in_scans(scans)
    found: list[Template] = [_matrix(shape, scans)]
    if scans and shape.images:
        found += image_templates(shape, settings)
    if scans and shape.repositories:
        found += repository_templates(shape, settings)
    found.append(_plan(shape, settings))
    refreshed = [(scan, scan.database) for scan in scans if scan.database]
    found += [each for scan, database in refreshed for each in database_templates(scan, database, shape, settings)]
    found += [_shards(shape), _shard(shape, settings), _results(shape, settings)] if shape.in_cluster else []
    found += [_left(shape, settings)] if shape.again and scans else []
    found += [_evict(shape, settings)] if shape.waves > 1 or shape.in_cluster else []
    found += [_aggregate(shape, settings), _end(shape)]
    return found


def items_task(wave: int, waves: int, name: str = "") -> str:
    """Name of the task that runs the images of a wave (from 1), or those of them with a set of scans."""
    task = "images" if waves == 1 else f"images-{wave}"
    return f"{task}-{name}" if name else task


def repositories_task(wave: int, waves: int) -> str:
    """Name of the task that runs the repositories of a wave (from 1)."""
    return REPOSITORIES if waves == 1 else f"{REPOSITORIES}-{wave}"


def _matrix(shape: Shape, scans: Sequence[Scan]) -> DAG:
    """The whole run; `parallelism` bounds the images in flight."""
    with DAG(name=ENTRYPOINT, fail_fast=False, parallelism=shape.limits.images_in_flight) as dag:
        Task(name="plan", template="plan")
        before = ["plan"]
        before += [database_tasks(scan, in_cluster=shape.in_cluster) for scan in scans if scan.database]
        for wave in range(1, shape.waves + 1):
            before = _wave(shape, wave, before)
        if shape.in_cluster:
            shards = "{{tasks.plan.outputs.parameters.shards}}"
            # Not `when` there are any: Argo takes the quotes within the JSON for the end of the text.
            Task(name="shards", template="shards", depends=" && ".join(before),
                 arguments=_arguments(run=shape.run, shards=shards))  # fmt: skip
            # Never both run, yet one after the other: a skipped last task is as failed as what was before it.
            number = _arguments(wave="", shard=_SHARD)
            Task(name="evict", template="evict", depends=_ended("shards"), when=_ONE_SHARD, arguments=number)
            before = [_ended("evict")]
        when = _WHOLE_RUN if shape.in_cluster else None
        Task(name="aggregate", template="aggregate", depends=" && ".join(before), when=when)
    return dag


def _wave(shape: Shape, wave: int, before: list[str]) -> list[str]:
    """The images and repositories of one wave, what failed in a pod for several scans once more, and room for the next.

    Returns:
        What the task after it depends on.
    """
    tasks = {items_task(wave, shape.waves): "image"} if shape.others and shape.images else {}
    tasks |= {items_task(wave, shape.waves, name): f"image-{name}" for name in set_names(shape)}
    tasks |= {repositories_task(wave, shape.waves): REPOSITORY} if shape.repositories else {}
    tasks = {task: template for task, template in tasks.items() if task not in shape.idle}
    for task, template in tasks.items():
        source = f"{{{{tasks.plan.outputs.parameters.{task}}}}}" if shape.in_cluster else None
        _images(task, template, before, source)
    before = [_ended(task) for task in tasks]
    together = [task for task, template in tasks.items() if template not in {"image", REPOSITORY}]
    if shape.again and together:
        before.append(_again(shape, wave, before, together))
    if wave < shape.waves:
        evict = f"evict-{wave}"
        number = _arguments(wave=str(wave), shard="")
        Task(name=evict, template="evict", depends=" && ".join(before), arguments=number)
        before = [_ended(evict)]
    return before


def _again(shape: Shape, wave: int, before: Sequence[str], together: Sequence[str]) -> str:
    """Cells that failed in a pod for several scans, each in a pod of its own: nothing, and no pod, where none has.

    Returns:
        What the task after it depends on.
    """
    left, again = (f"{name}{items_task(wave, shape.waves).removeprefix('images')}" for name in ("left", "again"))
    failed = " || ".join(f"{task}.{way}" for task in together for way in ("Failed", "Errored"))
    number = _arguments(wave=str(wave) if shape.waves > 1 else "")
    Task(name=left, template="left", depends=" && ".join([*before, f"({failed})"]), arguments=number)
    _images(again, "image", [_ended(left)], f"{{{{tasks.{left}.outputs.parameters.images}}}}")
    return f"({again}.Omitted || {_ended(again)})"


def _images(name: str, template: str, before: Sequence[str], source: str | None) -> None:
    """Several images, each as its template has it: the Workflow's own items, or those of an output parameter."""
    several: dict[str, Any] = {"with_items": [ITEMS]} if source is None else {"with_param": source}
    values = {"target": "{{item.target}}"}
    values |= {"scans": "{{item.scans}}"} if template in {"image", REPOSITORY} else {}
    if template == REPOSITORY:
        values |= {"repository": "{{item.url}}", "commit": "{{item.version}}", "server": "{{item.server}}"}
    Task(name=name, template=template, depends=" && ".join(before), arguments=_arguments(**values), **several)


def _arguments(**values: str) -> m.Arguments:
    return m.Arguments(parameters=[m.Parameter(name=name, value=value) for name, value in values.items()])


def _ended(task: str) -> str:
    """Whichever way it ended: a failed cell, image or database is the ledger's business, not the DAG's."""
    return "(" + " || ".join(f"{task}.{way}" for way in _ENDED) + ")"


def _outputs(*names: str) -> list[m.Parameter]:
    return [m.Parameter(name=name, value_from=m.ValueFrom(path=f"{_OUTPUTS}/{name}")) for name in names]


def _plan(shape: Shape, settings: Settings) -> Script:
    """Write the plan to the volume.

    It comes as a script's source, because that is neither copied into the node's status, as an artifact or a
    parameter is, nor bounded by the length of one argument.
    """
    arguments = ["plan"]
    outputs = None
    if shape.in_cluster:
        given = {name: f"{{{{workflow.parameters.{name}}}}}" for name in ("shard", "only", "config-git", "config-ref")}
        given["config"] = f"{pods.CONFIG_FOLDER}/{{{{workflow.parameters.config-path}}}}"
        arguments += ["--run", shape.run, *(f"--{name}={value}" for name, value in given.items())]
        arguments += ["--outputs", _OUTPUTS]
        names = set_names(shape)
        arguments += [f"--set={name}={','.join(sorted(scans))}" for name, scans in names.items()]
        # What this template starts: the plan must not say that another image ran.
        arguments += [
            f"--image={scan.name}={literal(scan.image, where=f'scan {scan.name}: image')}"
            for scan in shape.scans
            if scan.named
        ]
        outputs = _outputs("images", *(f"images-{name}" for name in names), REPOSITORIES, "shards", "scans")
    plans = shape.in_cluster
    step = pods.step(settings, *arguments, registry=plans, config_map=plans, git=plans)
    return Script(
        name="plan",
        outputs=outputs,
        volumes=pods.git_of_all_hosts(settings) if plans else [],
        labels=pods.labels("plan", run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        source=f"{{{{workflow.parameters.{PLAN_PARAMETER}}}}}",
        **(pods.token(settings.inventory) if settings.discovers and shape.in_cluster else {}),
        **(step | {"command": [*step["command"], *step.pop("args")]}),
    )


def _shards(shape: Shape) -> DAG:
    """All shards of a run, so many at a time."""
    with DAG(
        name="shards",
        inputs=pods.parameters(["run", "shards"]),
        fail_fast=False,
        parallelism=shape.limits.shards_in_flight,
    ) as dag:
        several = "{{inputs.parameters.shards}}"
        Task(name="shard", template="shard", with_param=several,
             arguments=_arguments(run="{{inputs.parameters.run}}", shard="{{item.shard}}"))  # fmt: skip
    return dag


def _shard(shape: Shape, settings: Settings) -> Resource:
    """One shard: a Workflow of the same WorkflowTemplate, which ends when this one is deleted.

    Its name follows from the parent's, and it is applied, not created: another attempt finds the one there is.
    """
    shard = "{{inputs.parameters.shard}}"
    # Not the expression itself: within a manifest its quotes would be YAML's.
    run = "{{inputs.parameters.run}}"
    parameters = {"run": run, "shard": shard, "only": "{{workflow.parameters.only}}"}
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": f"{{{{workflow.name}}}}-{shard}",
            "namespace": settings.namespace,
            "labels": {labels.RUN: run, labels.SHARD: shard},
        },
        "spec": {
            "workflowTemplateRef": {"name": TEMPLATE},
            "arguments": {"parameters": [{"name": name, "value": value} for name, value in parameters.items()]},
        },
    }
    return Resource(
        name="shard",
        inputs=pods.parameters(["run", "shard"]),
        labels=pods.labels("shard", run=shape.run),
        action="apply",
        set_owner_reference=True,
        success_condition="status.phase == Succeeded",
        failure_condition="status.phase in (Failed, Error)",
        manifest=yaml.safe_dump(manifest, sort_keys=False, width=1000),
        retry_strategy=retry(shape.limits.retries),
        # Argo's executor is this pod's only container, and has the token of the executor's account.
        executor=m.ExecutorConfig(service_account_name=settings.parent),
        # Its init container writes to /tmp, on a root that is read-only; Argo itself sees to the other one.
        pod_spec_patch=json.dumps(_WRITABLE_TMP, separators=(",", ":")),
        **pods.token(settings.parent),
    )


def _left(shape: Shape, settings: Settings) -> Container:
    """Which cells failed in a pod for several scans."""
    shard = [f"--shard={_SHARD}", "--only={{workflow.parameters.only}}"] if shape.in_cluster else []
    return Container(
        name="left",
        inputs=pods.parameters(["wave"]),
        outputs=_outputs("images"),
        labels=pods.labels("left", run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        retry_strategy=retry(shape.limits.retries),
        **pods.token(settings.reader),
        **pods.step(settings, "left", "--run", shape.run, "--wave={{inputs.parameters.wave}}", *shard,
                    "--namespace", settings.namespace, _WORKFLOW, "--outputs", _OUTPUTS, memory="2Gi"),
    )  # fmt: skip


def _evict(shape: Shape, settings: Settings) -> Container:
    """Make room on the volume between two waves, or when a shard has ended."""
    return Container(
        name="evict",
        inputs=pods.parameters(["wave", "shard"]),
        labels=pods.labels("evict", run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, "evict", "--run", shape.run, "--wave={{inputs.parameters.wave}}",
                    "--shard={{inputs.parameters.shard}}"),
    )  # fmt: skip


def _aggregate(shape: Shape, settings: Settings) -> Container:
    """End the run; fails when its policy is broken."""
    return Container(
        name="aggregate",
        labels=pods.labels("aggregate", run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **pods.token(settings.reader),
        **pods.step(settings, "aggregate", "--run", shape.run, "--namespace", settings.namespace, _WORKFLOW,
                    memory="2Gi"),
    )  # fmt: skip


def _results(shape: Shape, settings: Settings) -> Container:
    """Print the results of a run, for whoever cannot reach the volume: an entry point of its own."""
    return Container(
        name=RESULTS,
        labels=pods.labels(RESULTS, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        **pods.step(settings, RESULTS, "--run", shape.run),
    )


def _end(shape: Shape) -> Steps:
    """After a run that was stopped or ran into its deadline: the ledger all the same."""
    when = "'{{workflow.status}}' != 'Succeeded'"
    if shape.in_cluster:
        when += f" && {_WHOLE_RUN} && '{{{{workflow.parameters.only}}}}' != '{RESULTS}'"
    with Steps(name=ON_EXIT) as end:
        Step(name="aggregate", template="aggregate", when=when)
    return end
