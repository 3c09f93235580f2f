"""What is done before a resource goes: nothing new is started, and what runs is stopped so that its results are kept.

All else that was made for the resource is its own, so that Kubernetes removes it; the volume and its claim stay.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.argo import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.namespaced import NamespacedObjects

#: Seconds in which Workflows may end with their exit handler, and then those in which they may end at all.
_STOP, _TERMINATE = 300, 60


def end(there: NamespacedObjects, resource: Mapping[str, Any], now: datetime) -> bool:
    """Do what is to be done, as far as it can be done now.

    Args:
        there: its namespace.
        resource: that goes.
        now: the moment.

    Returns:
        Whether nothing is left to wait for.
    """
    uid = resource["metadata"]["uid"]
    if not _is_owned(there.one("WorkflowTemplate", names.WORKFLOW_TEMPLATE), uid):
        return True  # it never acted
    for name in (names.WORKFLOW_TEMPLATE, names.REAPER):
        if _is_owned(there.one("CronWorkflow", name), uid):
            there.patch("CronWorkflow", name, {"spec": {"suspend": True}})
    if _is_owned(there.one("Deployment", str(names.Component.SCHEDULER)), uid):
        there.delete("Deployment", str(names.Component.SCHEDULER))
    running = [each.name for each in there.workflows(f"{names.RUN},{names.ARGO_COMPLETED}!=true")]
    asked = datetime.fromisoformat(resource["metadata"]["deletionTimestamp"])
    waited = (now - asked).total_seconds()
    for name in running:
        there.stop(name, "Stop" if waited < _STOP else "Terminate")
    return not running or waited > _STOP + _TERMINATE


def _is_owned(found: Mapping[str, Any] | None, uid: str) -> bool:
    owners = ((found or {}).get("metadata") or {}).get("ownerReferences") or ()
    return any(each.get("uid") == uid for each in owners)
