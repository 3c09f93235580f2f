"""The design's DAG: plan, databases, images, shards, aggregate; what one image is made of is in `layouts`.

Templates are per kind of pod and per scan, never per cell: the spec grows with images only by one small item each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hera.workflows import DAG, Container, Resource, Script, Step, Steps, Task
from hera.workflows import models as m

from orchestrator.argo import names as labels
from orchestrator.argo.commands import AggregateStep, EvictStep, LeftStep, Only, PlanStep, ReplaceStep, ResultsStep
from orchestrator.argo.names import INIT, Component, TemplateName, image_template
from orchestrator.argo.parameters import (
    SHARD_KEY,
    WORKFLOW_NAME,
    WORKFLOW_STATUS,
    WORKFLOW_UID,
    Input,
    Output,
    Parameter,
    given,
    item,
    items_output,
    output,
    workflow,
)
from orchestrator.results.costs import POD_MEMORY
from orchestrator.workflows import disk, patches, pods
from orchestrator.workflows.cell import retry
from orchestrator.workflows.databases import database_tasks, database_templates
from orchestrator.workflows.layouts import Template, image_templates, set_names
from orchestrator.workflows.repositories import repository_templates
from orchestrator.workflows.secrets import refuse_in_scans
from orchestrator.workflows.settings import ALLOWANCE, SCRATCH, literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.model import Limits, Scan
    from orchestrator.workflows.settings import Settings

#: Stands in the DAG where a Workflow's own items come; Hera would take seconds for thousands of them.
ITEMS = "items"

_ENDED = ("Succeeded", "Failed", "Errored", "Skipped")
_STEP_TIMEOUT = 3600
_WRITABLE_TMP = {
    "initContainers": [{"name": INIT, "volumeMounts": [{"name": "tmp", "mountPath": SCRATCH}]}],
    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": disk.OF_ARGO}}],
}
_SHARD = workflow(Parameter.SHARD)
_WHOLE_RUN = f"'{_SHARD}' == ''"
_NEW_RUN = f"{_WHOLE_RUN} && '{workflow(Parameter.ONLY)}' == ''"
_ONE_SHARD = f"'{_SHARD}' != ''"
#: What starts the shards of a run, in order, and the output with those to start.
SHARDS = {TemplateName.SHARDS: Output.SHARDS, TemplateName.SHARDS_IN_TURN: Output.SHARDS_IN_TURN}
_AGAIN = "again"
_IMAGE, _REPOSITORY = str(TemplateName.IMAGE), str(TemplateName.REPOSITORY)


@dataclass(frozen=True)
class Shape:
    """What tells one matrix from another.

    Attributes:
        run: id of the run, or the Argo expression for it.
        scans: those that are to run, or may be.
        sets: of names of scans, each of which has a template for the images that want just these.
        others: False when every image wants one of the sets.
        idle: names of tasks left out because they have no image to run.
        again: True when what failed runs once more, in `layout: cell`.
        in_cluster: True when the plan step, and not the Workflow, says which images, scans and shards there are.
        part: number of the part of its run that the Workflow is, such as `001`; empty for a whole run.
        repositories: True when there are source repositories, or may be.
        images: the same of images.
        replaces: True when a run of the schedule stops the older ones.
    """

    run: str
    scans: tuple[Scan, ...]
    limits: Limits
    sets: tuple[frozenset[str], ...] = ()
    others: bool = True
    idle: frozenset[str] = frozenset()
    again: bool = False
    in_cluster: bool = False
    part: str = ""
    repositories: bool = False
    images: bool = True
    replaces: bool = False


def templates(shape: Shape, settings: Settings) -> list[Template]:
    """All templates of a matrix, the entry point first.

    Raises:
        RenderError: a scan cannot be written as a Workflow, or has a secret in it.
    """
    scans = shape.scans
    refuse_in_scans(scans)
    found: list[Template] = [_matrix(shape)]
    if scans and shape.images:
        found += image_templates(shape, settings)
    if scans and shape.repositories:
        found += repository_templates(shape, settings)
    found += [_replace(shape, settings)] if shape.replaces else []
    found.append(_plan(shape, settings))
    refreshed = [(scan, scan.database) for scan in scans if scan.database]
    found += [each for scan, database in refreshed for each in database_templates(scan, database, shape, settings)]
    if shape.in_cluster:
        several = shape.limits.shards_in_flight
        found += [_shards(TemplateName.SHARDS, several), _shards(TemplateName.SHARDS_IN_TURN, 1)]
        found += [_shard(shape, settings), _results(shape, settings)]
    found += [_left(shape, settings)] if shape.again and scans else []
    found += [_evict(shape, settings)] if shape.in_cluster else []
    found += [_aggregate(shape, settings), _end(shape)]
    return found


def _matrix(shape: Shape) -> DAG:
    """The whole run; `parallelism` bounds the images in flight."""
    with DAG(name=str(TemplateName.MATRIX), fail_fast=False, parallelism=shape.limits.images_in_flight) as dag:
        if shape.replaces:
            _task(TemplateName.REPLACE, when=_NEW_RUN)
        ready = [f"({TemplateName.REPLACE}.Succeeded || {TemplateName.REPLACE}.Skipped)"] if shape.replaces else []
        _task(TemplateName.PLAN, ready)
        before = [str(TemplateName.PLAN)]
        before += [database_tasks(scan, in_cluster=shape.in_cluster) for scan in shape.scans if scan.database]
        before = _targets(shape, before) if shape.scans else before
        if shape.in_cluster:
            for name, which in SHARDS.items():
                # Not `when` there are any: Argo takes the quotes within the JSON for the end of the text.
                shards = output(TemplateName.PLAN, which)
                _task(name, before, arguments=pods.arguments(run=shape.run, shards=shards))
                before = [_ended(name)]
            # Never both run, yet one after the other: a skipped last task is as failed as what was before it.
            _task(TemplateName.EVICT, before, when=_ONE_SHARD, arguments=pods.arguments(shard=_SHARD))
            before = [_ended(TemplateName.EVICT)]
        when = _WHOLE_RUN if shape.in_cluster else None
        _task(TemplateName.AGGREGATE, before, when=when)
    return dag


def _task(name: TemplateName, before: Sequence[str] = (), **more: Any) -> None:
    """The one task of a template, called like that."""
    Task(name=str(name), template=str(name), depends=" && ".join(before) or None, **more)


def _targets(shape: Shape, before: list[str]) -> list[str]:
    """All images and repositories, and once more what failed in a pod for several scans.

    Returns:
        What the task after it depends on.
    """
    tasks = {items_output(): _IMAGE} if shape.others and shape.images else {}
    tasks |= {items_output(name): image_template(name) for name in set_names(shape)}
    tasks |= {str(Output.REPOSITORIES): _REPOSITORY} if shape.repositories else {}
    tasks = {task: template for task, template in tasks.items() if task not in shape.idle}
    for task, template in tasks.items():
        source = output(TemplateName.PLAN, task) if shape.in_cluster else None
        _images(task, template, before, source)
    before = [_ended(task) for task in tasks]
    together = [task for task, template in tasks.items() if template not in {_IMAGE, _REPOSITORY}]
    if shape.again and together:
        before.append(_again(before, together))
    return before


def _again(before: Sequence[str], together: Sequence[str]) -> str:
    """Cells that failed in a pod for several scans, each in a pod of its own: nothing, and no pod, where none has.

    Returns:
        What the task after it depends on.
    """
    failed = " || ".join(f"{task}.{way}" for task in together for way in ("Failed", "Errored"))
    _task(TemplateName.LEFT, [*before, f"({failed})"])
    _images(_AGAIN, _IMAGE, [_ended(TemplateName.LEFT)], output(TemplateName.LEFT, Output.IMAGES))
    return f"({_AGAIN}.Omitted || {_ended(_AGAIN)})"


def _images(name: str, template: str, before: Sequence[str], source: str | None) -> None:
    """Several images, each as its template has it: the Workflow's own items, or those of an output parameter."""
    several: dict[str, Any] = {"with_items": [ITEMS]} if source is None else {"with_param": source}
    values = {Input.TARGET: item("target")}
    values |= {Input.SCANS: item("scans")} if template in {_IMAGE, _REPOSITORY} else {}
    if template == _REPOSITORY:
        values |= {Input.REPOSITORY: item("url"), Input.COMMIT: item("version"), Input.SERVER: item("server")}
    Task(name=name, template=template, depends=" && ".join(before), arguments=pods.arguments(**values), **several)


def _ended(task: str) -> str:
    """Whichever way it ended: a failed cell, image or database is the ledger's business, not the DAG's."""
    return "(" + " || ".join(f"{task}.{way}" for way in _ENDED) + ")"


def _plan(shape: Shape, settings: Settings) -> Script:
    """Write the plan to the volume.

    It comes as a script's source, because that is neither copied into the node's status, as an artifact or a
    parameter is, nor bounded by the length of one argument.
    """
    plans, sets = shape.in_cluster, set_names(shape)
    several = (items_output(), *map(items_output, sets), Output.REPOSITORIES, *SHARDS.values(), Output.SCANS)
    planned = _planned(shape, sets) if plans else PlanStep()
    planned = replace(
        planned,
        namespace=settings.namespace,
        workflow=WORKFLOW_NAME,
        uid=WORKFLOW_UID,
        deadline=shape.limits.deadline,
    )
    account = settings.inventory if settings.discovers and plans else settings.reader
    step = pods.step(settings, planned, registry=plans, config_map=plans, git=plans)
    return Script(
        name=str(TemplateName.PLAN),
        outputs=pods.outputs(*several) if plans else None,
        volumes=pods.git_of_all_hosts(settings) if plans else [],
        labels=pods.labels(Component.PLAN, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        source=workflow(Parameter.PLAN),
        **pods.token(account),
        **(step | {"command": [*step["command"], *step.pop("args")]}),
    )


def _planned(shape: Shape, sets: Mapping[str, frozenset[str]]) -> PlanStep:
    """Plan in the cluster, or find the plan on the volume, and say what this Workflow does of it."""
    return PlanStep(
        run=shape.run,
        shard=_SHARD,
        only=workflow(Parameter.ONLY),
        config_git=workflow(Parameter.CONFIG_GIT),
        config_ref=workflow(Parameter.CONFIG_REF),
        config=Path(pods.CONFIG_FOLDER, workflow(Parameter.CONFIG_PATH)),
        outputs=Path(pods.OUTPUTS),
        sets=sets,
        # What this template starts: the plan must not say that another image ran.
        images={scan.name: literal(scan.image, where=f"scan {scan.name}: image") for scan in shape.scans if scan.named},
    )


def _shards(name: TemplateName, at_once: int) -> DAG:
    """Shards of a run, a limited number at a time; Argo has no parameter for that."""
    inputs = pods.parameters(Input.RUN, Input.SHARDS)
    with DAG(name=str(name), inputs=inputs, fail_fast=False, parallelism=at_once) as dag:
        arguments = pods.arguments(run=given(Input.RUN), shard=item(SHARD_KEY))
        _task(TemplateName.SHARD, with_param=given(Input.SHARDS), arguments=arguments)
    return dag


def _shard(shape: Shape, settings: Settings) -> Resource:
    """One shard: a Workflow of the same WorkflowTemplate, which ends when this one is deleted.

    Its name follows from the parent's, and it is applied, not created: another attempt finds the one there is.
    """
    shard = given(Input.SHARD)
    # Not the expression itself: within a manifest its quotes would be YAML's.
    run = given(Input.RUN)
    parameters = {Parameter.RUN: run, Parameter.SHARD: shard, Parameter.ONLY: workflow(Parameter.ONLY)}
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": f"{WORKFLOW_NAME}-{shard}",
            "namespace": settings.namespace,
            "labels": {labels.RUN: run, labels.SHARD: shard},
        },
        "spec": {
            "workflowTemplateRef": {"name": labels.WORKFLOW_TEMPLATE},
            "arguments": {"parameters": [{"name": str(name), "value": value} for name, value in parameters.items()]},
        },
    }
    return Resource(
        name=str(TemplateName.SHARD),
        inputs=pods.parameters(Input.RUN, Input.SHARD),
        labels=pods.labels(Component.SHARD, run=shape.run),
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
    left = LeftStep(
        run=shape.run,
        part=shape.part,
        shard=_SHARD if shape.in_cluster else "",
        only=workflow(Parameter.ONLY) if shape.in_cluster else Only.ALL,
        namespace=settings.namespace,
        workflow=WORKFLOW_NAME,
        outputs=Path(pods.OUTPUTS),
    )
    return Container(
        name=str(TemplateName.LEFT),
        outputs=pods.outputs(Output.IMAGES),
        labels=pods.labels(Component.LEFT, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        retry_strategy=retry(shape.limits.retries),
        **pods.token(settings.reader),
        **pods.step(settings, left, memory="2Gi"),
    )


def _evict(shape: Shape, settings: Settings) -> Container:
    """Make room on the volume when a shard has ended."""
    evict = EvictStep(run=shape.run, shard=given(Input.SHARD))
    return Container(
        name=str(TemplateName.EVICT),
        inputs=pods.parameters(Input.SHARD),
        labels=pods.labels(Component.EVICT, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, evict),
    )


def _aggregate(shape: Shape, settings: Settings) -> Container:
    """End the run; fails when its policy is broken."""
    aggregate = AggregateStep(
        run=shape.run, part=shape.part, namespace=settings.namespace, workflow=WORKFLOW_NAME, uid=WORKFLOW_UID
    )
    memory = patches.more_memory(POD_MEMORY, shape.limits.retries)
    return Container(
        name=str(TemplateName.AGGREGATE),
        labels=pods.labels(Component.AGGREGATE, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        pod_spec_patch=patches.of_step(memory) if memory else None,
        **pods.token(settings.reader),
        **pods.step(settings, aggregate, memory=POD_MEMORY),
    )


def _replace(shape: Shape, settings: Settings) -> Container:
    """Stop the older runs of the schedule; a run that no schedule started stops none."""
    step = ReplaceStep(namespace=settings.namespace, workflow=WORKFLOW_NAME, patience=_STEP_TIMEOUT)
    return Container(
        name=str(TemplateName.REPLACE),
        labels=pods.labels(Component.REPLACE, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **pods.token(settings.replacer),
        **pods.without_volume(settings, step),
    )


def _results(shape: Shape, settings: Settings) -> Container:
    """Print the results of a run, for people who cannot reach the volume: an entry point of its own."""
    return Container(
        name=str(TemplateName.RESULTS),
        labels=pods.labels(Component.RESULTS, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        **pods.step(settings, ResultsStep(run=shape.run)),
    )


def _end(shape: Shape) -> Steps:
    """After a run that was stopped or ran into its deadline: the ledger all the same."""
    when = f"'{WORKFLOW_STATUS}' != 'Succeeded'"
    if shape.in_cluster:
        when += f" && {_WHOLE_RUN} && '{workflow(Parameter.ONLY)}' != '{Only.RESULTS}'"
    with Steps(name=str(TemplateName.END)) as end:
        Step(name=str(TemplateName.AGGREGATE), template=str(TemplateName.AGGREGATE), when=when)
    return end
