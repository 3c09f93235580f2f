"""The matrix as a WorkflowTemplate that plans in the cluster, and what starts it: a submission, or a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hera.workflows import CronWorkflow, Parameter, Workflow, WorkflowTemplate
from hera.workflows import models as m

from workflows import matrix, pods
from workflows.settings import LABEL, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Limits, Scan
    from workflows.settings import Settings
    from workflows.shards import Shard

#: Run id of what is started from the WorkflowTemplate.
RUN = "{{workflow.name}}"
#: A run whose moment was missed (the controller was down) may start so many seconds late.
LATE = 3600
_DAY = 86400


def specification(shape: matrix.Shape, settings: Settings, *, plan: str | None) -> dict[str, Any]:
    """Everything of a Workflow but its name, as keyword arguments for Hera.

    Args:
        shape: of the matrix.
        settings: of the manifests.
        plan: the packed plan; empty for a parameter that may be given or not.
    """
    return {
        "namespace": settings.namespace,
        "entrypoint": matrix.ENTRYPOINT,
        "on_exit": matrix.ON_EXIT,
        "arguments": [Parameter(name=matrix.PLAN_PARAMETER, value=plan or "")],
        "templates": matrix.templates(shape, settings),
        "volumes": pods.volumes(settings, config_map=shape.in_cluster),
        "service_account_name": settings.service_account,
        "automount_service_account_token": False,
        "executor": m.ExecutorConfig(service_account_name=settings.service_account),
        "security_context": pods.pod_security(),
        "active_deadline_seconds": shape.limits.deadline,
        "pod_gc": m.PodGC(strategy="OnPodSuccess"),
        "ttl_strategy": m.TTLStrategy(seconds_after_success=_DAY, seconds_after_failure=7 * _DAY),
    }


def workflow(shard: Shard, settings: Settings) -> Workflow:
    """One self-contained Workflow that `argo submit` takes; its items are filled in by `workflows.render`."""
    plan = shard.plan
    shape = matrix.Shape(run=plan.run, scans=plan.scans, limits=plan.limits, waves=len(shard.waves))
    return Workflow(
        generate_name=_base(plan.run),
        labels={f"{LABEL}/run": plan.run},
        **specification(shape, settings, plan=shard.packed),
    )


def template(scans: Sequence[Scan], limits: Limits, settings: Settings) -> WorkflowTemplate:
    """The matrix of all scans, of constant size: what runs is what its plan step says."""
    shape = matrix.Shape(run=RUN, scans=tuple(scans), limits=limits, in_cluster=True)
    return WorkflowTemplate(name=TEMPLATE, **specification(shape, settings, plan=None))


def submission(shard: Shard, settings: Settings) -> Workflow:
    """A plan made here, run by the WorkflowTemplate of the cluster."""
    return Workflow(
        generate_name=_base(shard.plan.run),
        namespace=settings.namespace,
        labels={f"{LABEL}/run": shard.plan.run},
        arguments=[Parameter(name=matrix.PLAN_PARAMETER, value=shard.packed)],
        workflow_template_ref=m.WorkflowTemplateRef(name=TEMPLATE),
    )


def schedule(cron: str, timezone: str, settings: Settings) -> CronWorkflow:
    """A run at every moment of the schedule, one at a time, planned in the cluster.

    Args:
        cron: five fields.
        timezone: IANA name.
        settings: of the manifests.
    """
    return CronWorkflow(
        name=TEMPLATE,
        namespace=settings.namespace,
        schedules=[cron],
        timezone=timezone,
        concurrency_policy="Forbid",
        starting_deadline_seconds=LATE,
        successful_jobs_history_limit=3,
        failed_jobs_history_limit=3,
        workflow_template_ref=m.WorkflowTemplateRef(name=TEMPLATE),
    )


def _base(run: str) -> str:
    """For `generateName`, within the length that Kubernetes keeps of it."""
    return f"{run[:52].rstrip('-.')}-"
