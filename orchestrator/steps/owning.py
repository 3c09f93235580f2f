"""Which Workflow a run belongs to: the first that asks, until it has ended; a second one leaves all of it alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.names import shard_number
from orchestrator.argo.nodes import nodes
from orchestrator.argo.packed import unpack
from orchestrator.argo.refused import is_refused
from orchestrator.errors import ScanmatrixError
from orchestrator.steps.liveness import identity_of, why_over
from orchestrator.upkeep.claims import RunClaim, age, deciding, read_claim, take, taken
from orchestrator.upkeep.room import FULL, spare
from orchestrator.volume.records import now

if TYPE_CHECKING:
    from orchestrator.argo.commands import AggregateStep, PlanStep
    from orchestrator.cluster.client import Cluster
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)


def claim_of(step: PlanStep, packed: str) -> RunClaim | None:
    """What a Workflow works on; None for a shard, which works for its parent, and for a step outside of a Workflow.

    Args:
        step: its plan step.
        packed: the plan that it brings; empty for none.
    """
    if step.shard or not step.uid:
        return None
    run, part = step.run, None
    if not run:
        plan = unpack(packed)
        run, part = plan.run, plan.part
    return RunClaim(
        run=run,
        part=shard_number(part.number) if part else "",
        workflow=step.workflow,
        uid=step.uid,
        namespace=step.namespace,
        since=now(),
        deadline=step.deadline,
    )


def own(claim: RunClaim, volume: Volume, cluster: Cluster | None) -> None:
    """Claim a run for a Workflow.

    Args:
        claim: as `claim_of` made it.
        volume: where it stands.
        cluster: that of the Workflow, to ask about the one that claimed the run before; None where nobody can be asked.

    Raises:
        RunTakenError: that one has not ended.
        LockedError: the run is being finished; another try may help.
    """
    claim = msgspec.structs.replace(claim, cluster=identity_of(cluster))
    with deciding(claim.run, volume):
        try:
            take(claim, volume, lambda other: why_over(other, age(other, volume), cluster))
        except OSError as error:  # a cache that fills the volume makes room once there is a plan, which is later
            if error.errno not in FULL or not spare(volume):
                raise
            take(claim, volume, lambda other: why_over(other, age(other, volume), cluster))


def why_not_ours(step: AggregateStep, volume: Volume, cluster: Cluster | None) -> str:
    """Why a Workflow may not end a run; empty when it may. Within `deciding`.

    Args:
        step: its aggregate step; one without a uid may end any run.
        volume: where the run lies.
        cluster: to ask about Workflows; None where nobody can be asked.
    """
    if not step.uid:
        return ""
    claim = read_claim(step.run, step.part, volume)
    if claim is not None and claim.uid != step.uid and not why_over(claim, age(claim, volume), cluster):
        return taken(claim)
    if cluster is not None and _was_refused(step.workflow, cluster):
        return f"run {step.run} was another Workflow's when this one began, so this one leaves it alone"
    return ""


def _was_refused(workflow: str, cluster: Cluster) -> bool:
    try:
        return is_refused(nodes(cluster.workflow(workflow)))
    except (ScanmatrixError, msgspec.DecodeError) as error:
        _log.warning("Workflow %s cannot be looked at: %s", workflow, error)
        return False
