"""The matrix as a WorkflowTemplate that plans in the cluster, and what starts it: a submission, or a schedule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hera.workflows import Container, CronWorkflow, Workflow, WorkflowTemplate
from hera.workflows import models as m

from orchestrator.argo.binding import scan_digests
from orchestrator.argo.commands import ReapStep
from orchestrator.argo.names import (
    COMPONENT,
    PART_OF,
    REAPER,
    SCANMATRIX,
    SCANS_ANNOTATION,
    SHARD,
    WORKFLOW_TEMPLATE,
    Component,
    TemplateName,
    shard_number,
)
from orchestrator.argo.names import RUN as RUN_LABEL
from orchestrator.argo.packed import pack
from orchestrator.argo.parameters import DEFAULTS, RUN_ID, RUN_OF_WORKFLOW, Output, Parameter
from orchestrator.model.plan import matched
from orchestrator.planning.batches import wanted_by_images
from orchestrator.results.costs import POD_MEMORY
from orchestrator.workflows import folders, matrix, patches, pods
from orchestrator.workflows.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.argo.items import Items
    from orchestrator.config.argo import Argo
    from orchestrator.model import Limits, Plan, Scan
    from orchestrator.workflows.settings import Settings

_HOUR, _DAY = 3600, 86400
#: Labels of what an installation makes.
_OURS = {PART_OF: SCANMATRIX}


def specification(shape: Shape, settings: Settings, *, plan: str | None) -> dict[str, Any]:
    """Everything of a Workflow but its name, as keyword arguments for Hera.

    Args:
        shape: of the matrix.
        settings: of the manifests.
        plan: the packed plan; None for the parameters of the WorkflowTemplate.
    """
    return every_workflow(settings) | {
        "entrypoint": str(TemplateName.MATRIX),
        "on_exit": str(TemplateName.END),
        "arguments": _parameters(DEFAULTS if plan is None else {Parameter.PLAN: plan}),
        "templates": matrix.templates(shape, settings),
        "volumes": folders.volumes(settings, config_map=shape.in_cluster),
        "active_deadline_seconds": shape.limits.deadline,
        "ttl_strategy": m.TTLStrategy(seconds_after_success=_DAY, seconds_after_failure=7 * _DAY),
    }


def every_workflow(settings: Settings) -> dict[str, Any]:
    """What all our Workflows have: the accounts that they run as, what their pods may do, and which of these stay."""
    return {
        "namespace": settings.namespace,
        "service_account_name": settings.service_account,
        "automount_service_account_token": False,
        "executor": m.ExecutorConfig(service_account_name=settings.service_account),
        "security_context": pods.pod_security(),
        "pod_spec_patch": patches.of_every_pod(),
        "pod_gc": m.PodGC(strategy="OnPodSuccess"),
    }


def workflow(part: Plan, items: Items, sets: Sequence[frozenset[str]], settings: Settings) -> Workflow:
    """One self-contained Workflow that `argo submit` takes; its items are filled in by `manifests.render`.

    Args:
        part: what it brings: a plan, or a part of one.
        items: by name of their task.
        sets: of scans that have a template of their own.
        settings: of the manifests.
    """
    wanted = set(wanted_by_images(part))
    # A scan none of whose cells runs, because its image is denied, say, has not even its database refreshed.
    running = {cell.scan for cell in part.cells if cell.runs}
    readers = frozenset(cell.scan for cell in matched(part))
    number = shard_number(part.part.number) if part.part else ""
    shape = Shape(
        run=part.run,
        scans=tuple(scan for scan in part.scans if scan.name in running),
        limits=part.limits,
        sets=tuple(sets),
        others=not wanted <= set(sets),
        idle=frozenset(task for task, found in items.items() if not found),
        again=settings.layout == "image" and bool(wanted),
        part=number,
        images=bool(wanted or readers),
        readers=readers,
        repositories=bool(items[Output.REPOSITORIES]),
    )
    return Workflow(
        generate_name=_base(part.run, number),
        labels={RUN_LABEL: part.run} | ({SHARD: number} if number else {}),
        **specification(shape, settings, plan=pack(part)),
    )


def workflow_template(
    scans: Sequence[Scan], limits: Limits, sets: Sequence[frozenset[str]], settings: Settings
) -> WorkflowTemplate:
    """The matrix of all scans, of constant size: what runs is what its plan step says.

    Args:
        scans: all there are.
        limits: of its runs.
        sets: of scans that get a pod for each image, in `layout: image`.
        settings: of the manifests.
    """
    shape = Shape(
        run=RUN_ID,
        scans=tuple(scans),
        limits=limits,
        sets=tuple(sets),
        again=settings.layout == "image",
        in_cluster=True,
        repositories=True,
        replaces=settings.replaces,
        readers=frozenset(scan.name for scan in scans if scan.sbom),
    )
    labels = m.WorkflowMetadata(labels_from={RUN_LABEL: m.LabelValueFrom(expression=RUN_OF_WORKFLOW)})
    return WorkflowTemplate(
        name=WORKFLOW_TEMPLATE,
        labels=_OURS,
        annotations={SCANS_ANNOTATION: json.dumps(scan_digests(scans), separators=(",", ":"))},
        workflow_metadata=labels,
        **specification(shape, settings, plan=None),
    )


def submission(run: str, settings: Settings, parameters: Mapping[Parameter, str], *, name: str = "") -> Workflow:
    """A Workflow that has the WorkflowTemplate of the cluster do something of a run.

    Args:
        run: its id.
        settings: of the manifests.
        parameters: those that differ from their defaults.
        name: of the Workflow; the run's id with something appended when empty.
    """
    return Workflow(
        name=name or None,
        generate_name=None if name else _base(run),
        namespace=settings.namespace,
        labels={RUN_LABEL: run},
        arguments=_parameters({Parameter.RUN: run} | dict(parameters)),
        workflow_template_ref=m.WorkflowTemplateRef(name=WORKFLOW_TEMPLATE),
    )


def schedule(cron: str, argo: Argo, settings: Settings) -> CronWorkflow:
    """A run at every moment of the schedule, planned in the cluster.

    Args:
        cron: five fields.
        argo: time zone, and what becomes of runs that overlap, come late, or have ended.
        settings: of the manifests.
    """
    return CronWorkflow(
        name=WORKFLOW_TEMPLATE,
        namespace=settings.namespace,
        labels=_OURS,
        schedules=[cron],
        timezone=argo.timezone,
        # Argo itself would terminate what it replaces, without its exit handler: the run's first step stops it.
        concurrency_policy="Allow" if argo.concurrency == "Replace" else argo.concurrency,
        starting_deadline_seconds=argo.start_within,
        successful_jobs_history_limit=argo.history.succeeded,
        failed_jobs_history_limit=argo.history.failed,
        workflow_template_ref=m.WorkflowTemplateRef(name=WORKFLOW_TEMPLATE),
    )


def reaper(argo: Argo, settings: Settings) -> CronWorkflow:
    """What finishes runs that ended without their last step; its Workflows are of no run, and carry no run's label."""
    template = Container(
        name=str(TemplateName.REAP),
        labels={PART_OF: SCANMATRIX, COMPONENT: str(Component.REAPER)},
        active_deadline_seconds=_HOUR,
        **pods.token(settings.reader),
        **pods.step(settings, ReapStep(namespace=settings.namespace), memory=POD_MEMORY),
    )
    return CronWorkflow(
        name=REAPER,
        labels=_OURS,
        schedules=[argo.reaper],
        timezone=argo.timezone,
        concurrency_policy="Forbid",
        starting_deadline_seconds=_HOUR,
        successful_jobs_history_limit=1,
        failed_jobs_history_limit=1,
        entrypoint=str(TemplateName.REAP),
        templates=[template],
        volumes=folders.volumes(settings),
        active_deadline_seconds=2 * _HOUR,
        ttl_strategy=m.TTLStrategy(seconds_after_success=_HOUR, seconds_after_failure=_DAY),
        **every_workflow(settings),
    )


def _parameters(values: Mapping[Parameter, str]) -> list[m.Parameter]:
    return [m.Parameter(name=str(name), value=value) for name, value in values.items()]


def _base(run: str, part: str = "") -> str:
    """For `generateName`, within the length that Kubernetes keeps of it."""
    return "-".join(filter(None, (run[: 52 - len(part)].rstrip("-."), part))) + "-"
