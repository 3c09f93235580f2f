"""The design's DAG: plan, databases, images, shards, aggregate; what one image is made of is in `layouts`.

Templates are per kind of pod and per scan, never per cell: the spec grows with images only by one small item each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hera.workflows import DAG, Step, Steps, Task

from orchestrator.argo.agreed import Only
from orchestrator.argo.names import TemplateName, image_template
from orchestrator.argo.parameters import (
    SHARD_KEY,
    WORKFLOW_STATUS,
    Input,
    Output,
    Parameter,
    given,
    item,
    items_output,
    output,
    workflow,
)
from orchestrator.workflows import pods, steps
from orchestrator.workflows.databases import database_tasks, database_templates
from orchestrator.workflows.layouts import Template, image_templates, set_names
from orchestrator.workflows.repositories import repository_templates
from orchestrator.workflows.sboms import sbom_task, sbom_template
from orchestrator.workflows.secrets import refuse_in_scans
from orchestrator.workflows.steps import SHARDS, THIS_SHARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.workflows.settings import Settings
    from orchestrator.workflows.shape import Shape

#: Stands in the DAG where a Workflow's own items come; Hera would take seconds for thousands of them.
ITEMS = "items"

_ENDED = ("Succeeded", "Failed", "Errored", "Skipped")
_WHOLE_RUN = f"'{THIS_SHARD}' == ''"
_NEW_RUN = f"{_WHOLE_RUN} && '{workflow(Parameter.ONLY)}' == ''"
_ONE_SHARD = f"'{THIS_SHARD}' != ''"
_AGAIN = "again"
_IMAGE, _REPOSITORY = str(TemplateName.IMAGE), str(TemplateName.REPOSITORY)


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
        found += [sbom_template(scan, shape, settings) for scan in scans if scan.name in shape.readers]
    if scans and shape.repositories:
        found += repository_templates(shape, settings)
    found += [steps.replace_older(shape, settings)] if shape.replaces else []
    found.append(steps.plan(shape, settings))
    refreshed = [(scan, scan.database) for scan in scans if scan.database]
    found += [each for scan, database in refreshed for each in database_templates(scan, database, shape, settings)]
    if shape.in_cluster:
        several = shape.limits.shards_in_flight
        found += [_shards(TemplateName.SHARDS, several), _shards(TemplateName.SHARDS_IN_TURN, 1)]
        found += [steps.shard(shape, settings), steps.results(shape, settings)]
    found += [steps.left(shape, settings)] if scans and (shape.again or shape.readers) else []
    found += [steps.evict(shape, settings)] if shape.in_cluster else []
    found += [steps.aggregate(shape, settings), _end(shape)]
    return found


def _matrix(shape: Shape) -> DAG:
    """The whole run; `parallelism` bounds the images in flight."""
    with DAG(name=str(TemplateName.MATRIX), fail_fast=False, parallelism=shape.limits.images_in_flight) as dag:
        if shape.replaces:
            _task(TemplateName.REPLACE, when=_NEW_RUN)
        ready = [f"({TemplateName.REPLACE}.Succeeded || {TemplateName.REPLACE}.Skipped)"] if shape.replaces else []
        _task(TemplateName.PLAN, ready)
        before = [str(TemplateName.PLAN)]
        before += [database_tasks(scan) for scan in shape.scans if scan.database]
        before = _targets(shape, before) if shape.scans else before
        if shape.in_cluster:
            for name, which in SHARDS.items():
                # Not `when` there are any: Argo takes the quotes within the JSON for the end of the text.
                shards = output(TemplateName.PLAN, which)
                _task(name, before, arguments=pods.arguments(run=shape.run, shards=shards))
                before = [_ended(name)]
            # Never both run, yet one after the other: a skipped last task is as failed as what was before it.
            _task(TemplateName.EVICT, before, when=_ONE_SHARD, arguments=pods.arguments(shard=THIS_SHARD))
            before = [_ended(TemplateName.EVICT)]
        when = _WHOLE_RUN if shape.in_cluster else None
        _task(TemplateName.AGGREGATE, before, when=when)
    return dag


def _task(name: TemplateName, before: Sequence[str] = (), **more: Any) -> None:
    """The one task of a template, called like that."""
    Task(name=str(name), template=str(name), depends=" && ".join(before) or None, **more)


def _targets(shape: Shape, before: list[str]) -> list[str]:
    """All images, repositories and batches of SBOMs, and once more what failed in a pod for several cells.

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
    items = None if shape.in_cluster else [ITEMS]
    batches = [sbom_task(scan.name, before, items) for scan in shape.scans if scan.name in shape.readers]
    before = [_ended(task) for task in (*tasks, *batches)]
    together = [task for task, template in tasks.items() if shape.again and template not in {_IMAGE, _REPOSITORY}]
    together += batches
    if together:
        before.append(_again(before, together))
    return before


def _again(before: Sequence[str], together: Sequence[str]) -> str:
    """Cells that failed in a pod for several of them, each in a pod of its own: nothing, and no pod, where none has.

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


def _shards(name: TemplateName, at_once: int) -> DAG:
    """Shards of a run, a limited number at a time; Argo has no parameter for that."""
    inputs = pods.parameters(Input.RUN, Input.SHARDS)
    with DAG(name=str(name), inputs=inputs, fail_fast=False, parallelism=at_once) as dag:
        arguments = pods.arguments(run=given(Input.RUN), shard=item(SHARD_KEY))
        _task(TemplateName.SHARD, with_param=given(Input.SHARDS), arguments=arguments)
    return dag


def _end(shape: Shape) -> Steps:
    """After a run that was stopped or ran into its deadline: the ledger all the same."""
    when = f"'{WORKFLOW_STATUS}' != 'Succeeded'"
    if shape.in_cluster:
        when += f" && {_WHOLE_RUN} && '{workflow(Parameter.ONLY)}' != '{Only.RESULTS}'"
    with Steps(name=str(TemplateName.END)) as end:
        Step(name=str(TemplateName.AGGREGATE), template=str(TemplateName.AGGREGATE), when=when)
    return end
