"""Whether anybody still works on a run: by its Workflow where the cluster may be asked, else by time alone.

A run is never taken from somebody who may still work on it:

- Its Workflow has not ended, or one that it owns (a shard), or one of its pods still runs: it is active. Only where
  none of its pods is there, and its deadline passed more than a day ago, has Argo's controller forgotten it.
- Where nobody can be asked, a run is active until a day after its deadline. So it is where only another cluster can be
  asked than that of its Workflow: two that share a volume may have namespaces, and Workflows, of the same names.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.names import ARGO_WORKFLOW, of_run
from orchestrator.argo.nodes import is_work
from orchestrator.cluster.errors import ForbiddenError, ObjectNotFoundError
from orchestrator.errors import ScanmatrixError
from orchestrator.upkeep.claims import MARGIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Workflow
    from orchestrator.upkeep.claims import RunClaim

_log = logging.getLogger(__name__)

_ACTIVE = {"Pending", "Running", "Unknown", ""}


def why_over(claim: RunClaim, age: float, cluster: Cluster | None, *, deadline: int = 0) -> str:
    """Why nobody works on a run any more, as the end of a sentence; empty while somebody may.

    Args:
        claim: of the run.
        age: seconds since it was claimed.
        cluster: to ask about its Workflow; None where nobody can be asked.
        deadline: seconds that the run may take, where its claim does not say.
    """
    late = age > (claim.deadline or deadline) + MARGIN
    try:
        if cluster is not None and is_of(claim, cluster):
            return _by_cluster(claim, cluster, late=late)
    except (ScanmatrixError, msgspec.DecodeError) as error:
        _log.warning("run %s: its Workflow cannot be looked at, so time alone tells: %s", claim.run, error)
    return f"nobody has brought it to its end within a day after its deadline ({_who(claim)})" if late else ""


def is_of(claim: RunClaim, cluster: Cluster) -> bool:
    """Whether a cluster is the one whose Workflow has claimed a run, and so may be asked about it.

    A claim of a version before clusters had an identity is taken for one of this cluster, as it was then.

    Raises:
        ForbiddenError: the cluster does not say which one it is.
        ScanmatrixError: it does not answer.
    """
    if claim.queued or claim.namespace not in {cluster.namespace, ""}:
        return False
    if claim.cluster and not cluster.identity:
        raise ForbiddenError(
            f"the uid of namespace {cluster.namespace}, which tells its cluster from another, cannot be read: allow"
            " `get` of that namespace, as the Roles of `scanmatrix install` do"
        )
    return not claim.cluster or claim.cluster == cluster.identity


def identity_of(cluster: Cluster | None) -> str:
    """The identity of a cluster for a claim; empty where nobody can be asked."""
    try:
        return cluster.identity if cluster is not None else ""
    except (ScanmatrixError, msgspec.DecodeError) as error:
        _log.warning("the cluster does not say which one it is: %s", error)
        return ""


def _by_cluster(claim: RunClaim, cluster: Cluster, *, late: bool) -> str:
    """The same, as the cluster says."""
    found = {each.metadata.name: each for each in cluster.workflows(of_run(claim.run)) if is_work(each)}
    with suppress(ObjectNotFoundError):
        if claim.workflow and claim.workflow not in found:  # Argo does not label each
            found[claim.workflow] = cluster.workflow(claim.workflow)
    if not claim.uid:
        active = any(not each.ended for each in found.values())
        return "nobody has brought it to its end" if late and not active else ""
    own = next((each for each in found.values() if each.metadata.uid == claim.uid), None)
    family = [each for each in found.values() if claim.uid in _uids(each)]
    if any(not each.ended for each in family) and not late:
        return ""
    if _active_pods({claim.workflow, *(each.metadata.name for each in family)}, cluster):
        return ""
    return _how_ended(claim, own)


def _uids(workflow: Workflow) -> set[str]:
    """Of a Workflow and those that own it."""
    return {workflow.metadata.uid, *(owner.uid for owner in workflow.metadata.owner_references)}


def _active_pods(workflows: Iterable[str], cluster: Cluster) -> bool:
    """Whether a pod of some Workflows has not ended."""
    return any(pod.status.phase in _ACTIVE for name in workflows for pod in cluster.pods(f"{ARGO_WORKFLOW}={name}"))


def _how_ended(claim: RunClaim, own: Workflow | None) -> str:
    if own is None:
        return f"its Workflow {claim.workflow} was deleted"
    if not own.ended:
        return f"its Workflow {claim.workflow} has no pod, and should have ended more than a day ago"
    if own.spec.shutdown:
        how = "terminated" if own.spec.shutdown == "Terminate" else "stopped"
        return f"its Workflow {claim.workflow} was {how}"
    said = f": {own.status.message}" if own.status.message else ""
    return f"its Workflow {claim.workflow} ended ({own.status.phase}{said}) without its last step"


def _who(claim: RunClaim) -> str:
    return f"{claim.holder}, since {claim.since}" if claim.since else "its beginning is unknown"
