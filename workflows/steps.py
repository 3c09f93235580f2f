"""The pods of a run that run our own steps, whatever is scanned: plan, shards, what is left, room, and the results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from hera.workflows import Container, Resource, Script
from hera.workflows import models as m

from orchestrator.argo import names as labels
from orchestrator.argo.agreed import Only
from orchestrator.argo.binding import scan_digests
from orchestrator.argo.commands import AggregateStep, EvictStep, LeftStep, PlanStep, ReplaceStep, ResultsStep
from orchestrator.argo.names import INIT, Component, TemplateName
from orchestrator.argo.parameters import (
    WORKFLOW_NAME,
    WORKFLOW_UID,
    Input,
    Output,
    Parameter,
    given,
    items_output,
    workflow,
)
from orchestrator.cluster.objects import ARGO_API
from orchestrator.results.costs import POD_MEMORY
from orchestrator.workflows import disk, folders, patches, pods
from orchestrator.workflows.cell import retry
from orchestrator.workflows.layouts import set_names
from orchestrator.workflows.settings import ALLOWANCE, SCRATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.workflows.settings import Settings
    from orchestrator.workflows.shape import Shape

#: What starts the shards of a run, in order, and the output with those to start.
SHARDS = {TemplateName.SHARDS: Output.SHARDS, TemplateName.SHARDS_IN_TURN: Output.SHARDS_IN_TURN}
#: The shard of its run that a Workflow is; empty for the whole run.
THIS_SHARD = workflow(Parameter.SHARD)

_STEP_TIMEOUT = 3600
_WRITABLE_TMP = {
    "initContainers": [{"name": INIT, "volumeMounts": [{"name": "tmp", "mountPath": SCRATCH}]}],
    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": disk.OF_ARGO}}],
}


def plan(shape: Shape, settings: Settings) -> Script:
    """Write the plan to the volume.

    It comes as a script's source, because that is neither copied into the node's status, as an artifact or a
    parameter is, nor bounded by the length of one argument.
    """
    plans, sets = shape.in_cluster, set_names(shape)
    several = (items_output(), *map(items_output, sets), Output.REPOSITORIES, *SHARDS.values(), Output.SCANS)
    several += tuple(labels.sboms_template(scan) for scan in sorted(shape.readers))
    refreshes = any(scan.database for scan in shape.scans)
    due = Path(pods.OUTPUTS, Output.SCANS) if refreshes and not plans else None
    planned = _planned(shape, sets) if plans else PlanStep(due=due)
    planned = dataclasses.replace(
        planned,
        namespace=settings.namespace,
        workflow=WORKFLOW_NAME,
        uid=WORKFLOW_UID,
        deadline=shape.limits.deadline,
    )
    account = settings.inventory if settings.discovers and plans else settings.planner if plans else settings.reader
    step = pods.step(settings, planned, registry=plans, config_map=plans, git=plans)
    return Script(
        name=str(TemplateName.PLAN),
        outputs=pods.outputs(*several) if plans else pods.outputs(Output.SCANS) if due else None,
        volumes=folders.git_of_all_hosts(settings) if plans else [],
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
        shard=THIS_SHARD,
        only=workflow(Parameter.ONLY),
        config_git=workflow(Parameter.CONFIG_GIT),
        config_ref=workflow(Parameter.CONFIG_REF),
        config=Path(pods.CONFIG_FOLDER, workflow(Parameter.CONFIG_PATH)),
        outputs=Path(pods.OUTPUTS),
        sets=sets,
        # What this template runs: the plan of the run must not say that it was another.
        scans=scan_digests(shape.scans),
        readers=tuple(sorted(shape.readers)),
    )


def shard(shape: Shape, settings: Settings) -> Resource:
    """One shard: a Workflow of what this one was started from, which ends when this one is deleted.

    The WorkflowTemplate of the moment may be another by now: `orchestrator.steps.keeping` keeps the run's own.
    Its name follows from the parent's, and it is applied, not created: another attempt finds the one there is.
    """
    shard = given(Input.SHARD)
    # Not the expression itself: within a manifest its quotes would be YAML's.
    run = given(Input.RUN)
    parameters = {Parameter.RUN: run, Parameter.SHARD: shard, Parameter.ONLY: workflow(Parameter.ONLY)}
    manifest = {
        "apiVersion": ARGO_API,
        "kind": "Workflow",
        "metadata": {
            "name": f"{WORKFLOW_NAME}-{shard}",
            "namespace": settings.namespace,
            "labels": {labels.RUN: run, labels.SHARD: shard},
        },
        "spec": {
            "workflowTemplateRef": {"name": labels.shards_template(WORKFLOW_NAME)},
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


def left(shape: Shape, settings: Settings) -> Container:
    """Which cells failed in a pod for several of them."""
    left = LeftStep(
        run=shape.run,
        part=shape.part,
        shard=THIS_SHARD if shape.in_cluster else "",
        only=workflow(Parameter.ONLY) if shape.in_cluster else Only.ALL,
        sboms=not shape.again,
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


def evict(shape: Shape, settings: Settings) -> Container:
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


def aggregate(shape: Shape, settings: Settings) -> Container:
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


def replace_older(shape: Shape, settings: Settings) -> Container:
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


def results(shape: Shape, settings: Settings) -> Container:
    """Print the results of a run, for people who cannot reach the volume: an entry point of its own."""
    return Container(
        name=str(TemplateName.RESULTS),
        labels=pods.labels(Component.RESULTS, run=shape.run),
        active_deadline_seconds=_STEP_TIMEOUT,
        **pods.step(settings, ResultsStep(run=shape.run)),
    )
