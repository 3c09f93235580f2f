"""What runs for a resource, and how far it is: read from the cluster, never from the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from orchestrator.argo import names
from orchestrator.config.times import next_time
from orchestrator.service.state import SchedulerState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.cluster.namespaced import NamespacedObjects
    from orchestrator.cluster.objects import Metadata
    from orchestrator.config.loading import Config


class LastRun(NamedTuple):
    """A run, as its Workflow says; times as Kubernetes writes them."""

    name: str
    phase: str
    message: str = ""
    progress: str = ""
    started: str = ""
    finished: str = ""


class Observed(NamedTuple):
    """What runs for a resource.

    Attributes:
        claim: phase of the volume's claim.
        schedulers: pods of the scheduler that are ready.
        state: what the scheduler says, of the configuration that it should have; None where it has not said so yet.
        running: Workflows that have not ended.
        last: the youngest run.
        next_run: when the schedule is due.
    """

    claim: str = ""
    schedulers: int = 0
    state: SchedulerState | None = None
    running: int = 0
    last: LastRun | None = None
    next_run: datetime | None = None


def observe(there: NamespacedObjects, config: Config, digest: str, claim: str, now: datetime) -> Observed:
    """Look at what runs.

    Args:
        there: the namespace.
        config: of the resource.
        digest: of that configuration.
        claim: phase of the volume's claim.
        now: the moment.
    """
    workflows = sorted(there.workflows(names.RUN), key=lambda each: each.creation_timestamp)
    whole = [each for each in workflows if names.SHARD not in each.labels]
    deployment = there.one("Deployment", str(names.Component.SCHEDULER)) if config.argo.scheduler.replicas else None
    return Observed(
        claim=claim,
        schedulers=int(((deployment or {}).get("status") or {}).get("readyReplicas") or 0),
        state=_state(there.one("ConfigMap", names.STATE), digest) if config.argo.scheduler.replicas else None,
        running=sum(each.labels.get(names.ARGO_COMPLETED) != "true" for each in workflows),
        last=_run(there, whole[-1]) if whole else None,
        next_run=next_time(config.argo.schedule, config.argo.timezone, now) if config.argo.schedule else None,
    )


def _run(there: NamespacedObjects, workflow: Metadata) -> LastRun:
    """What a Workflow says of itself; it may be gone by now."""
    found = there.workflow(workflow.name)
    status: Mapping[str, Any] = found.get("status") or {}
    return LastRun(
        name=workflow.name,
        phase=str(status.get("phase") or workflow.labels.get(names.ARGO_PHASE) or "Pending"),
        message=str(status.get("message") or ""),
        progress=str(status.get("progress") or ""),
        started=str(status.get("startedAt") or ""),
        finished=str(status.get("finishedAt") or ""),
    )


def _state(found: Mapping[str, Any] | None, digest: str) -> SchedulerState | None:
    """What the scheduler says; nothing where it says it of another configuration, or where it is not readable."""
    text = ((found or {}).get("data") or {}).get(names.STATE_KEY, "")
    try:
        state = msgspec.json.decode(text, type=SchedulerState)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
    return state if state.configuration == digest else None
