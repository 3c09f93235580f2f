"""What is done before a resource goes: nothing new is started, and what runs is stopped so that its results are kept.

All else that was made for the resource is its own, so that Kubernetes removes it; the volume and its claim stay.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from orchestrator.argo import names
from orchestrator.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.namespaced import NamespacedObjects

_log = logging.getLogger(__name__)

#: Seconds in which Workflows may end with their exit handler, and then those in which they may end at all.
_STOP, _TERMINATE = 300, 60


def end(there: NamespacedObjects, resource: Mapping[str, Any], waited: float, *, acts: bool = True) -> bool:
    """Do what is to be done, as far as it can be done now.

    Args:
        there: its namespace.
        resource: that goes.
        waited: seconds since this was done for the first time.
        acts: whether it is the one that acts in its namespace; another one leaves everything as it is.

    Returns:
        Whether nothing is left to wait for.

    Raises:
        PermanentError: Kubernetes refuses something; after the time that runs have to end, it is left as it is.
    """
    how = "Stop" if waited < _STOP else "Terminate"
    late = waited > _STOP + _TERMINATE
    try:
        return _stop_all(there, resource["metadata"]["uid"], how, acts=acts) or late
    except PermanentError as error:
        if not late:
            raise
        _log.warning(
            "%s/%s goes, and what runs is left as it is: %s", there.namespace, resource["metadata"]["name"], error
        )
        return True


def _stop_all(there: NamespacedObjects, uid: str, how: str, *, acts: bool) -> bool:
    """Start nothing new, and stop what runs; whether nothing runs."""
    template = there.one("WorkflowTemplate", names.WORKFLOW_TEMPLATE)
    # Where there is none, who deleted the resource may have had Kubernetes delete what it had first.
    if not acts or (template is not None and not _is_owned(template, uid)):
        return True
    for name in (names.WORKFLOW_TEMPLATE, names.REAPER):
        if _is_owned(there.one("CronWorkflow", name), uid):
            there.patch("CronWorkflow", name, {"spec": {"suspend": True}})
    if _is_owned(there.one("Deployment", str(names.Component.SCHEDULER)), uid):
        there.delete("Deployment", str(names.Component.SCHEDULER))
    running = [each.name for each in there.workflows(f"{names.RUN},{names.ARGO_COMPLETED}!=true")]
    for name in running:
        there.stop(name, how)
    return not running


def _is_owned(found: Mapping[str, Any] | None, uid: str) -> bool:
    owners = ((found or {}).get("metadata") or {}).get("ownerReferences") or ()
    return any(each.get("uid") == uid for each in owners)
