"""Whether a cluster is ready to run a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.argo.binding import differing
from orchestrator.argo.names import SCANS_ANNOTATION, WORKFLOW_TEMPLATE
from orchestrator.cluster.errors import ObjectNotFoundError
from orchestrator.errors import UsageError
from orchestrator.kit.advice import ours

if TYPE_CHECKING:
    from orchestrator.cluster.client import Cluster
    from orchestrator.model import Plan


class WorkflowTemplateMissingError(UsageError):
    """The WorkflowTemplate is not in the cluster, or is another than the plan was made for."""


def check_workflow_template(plan: Plan, cluster: Cluster) -> None:
    """Check that the cluster's WorkflowTemplate runs just the scans that the plan means.

    Raises:
        WorkflowTemplateMissingError: it is not there, or runs others.
    """
    try:
        template: dict[str, Any] = cluster.workflow_template(WORKFLOW_TEMPLATE)
    except ObjectNotFoundError:
        raise WorkflowTemplateMissingError(
            f"there is no WorkflowTemplate {WORKFLOW_TEMPLATE} in the namespace {cluster.namespace}: install"
            f" what {ours('install', '--render')} prints, by `kubectl apply -f -`"
        ) from None
    annotations = template.get("metadata", {}).get("annotations") or {}
    try:
        there = msgspec.json.decode(annotations.get(SCANS_ANNOTATION, "{}"), type=dict[str, str])
    except (msgspec.DecodeError, RecursionError):
        there = {}
    if differ := differing(plan, there):
        raise WorkflowTemplateMissingError(
            f"the cluster's WorkflowTemplate has other versions of the scans {', '.join(differ)} than this plan,"
            f" or none: apply what {ours('install', '--render')} prints with the same configuration"
        )
