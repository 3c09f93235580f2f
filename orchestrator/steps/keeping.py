"""The WorkflowTemplate of a run that has shards, kept for them: theirs is the run's, whatever is installed meanwhile.

Argo stores the template in the Workflow itself when that begins. A shard begins later, so it is started from a copy of
what its parent has stored; the copy belongs to the parent, and goes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.argo.names import PART_OF, RUN, SCANMATRIX, shards_template
from orchestrator.argo.parameters import DEFAULTS
from orchestrator.cluster.errors import ObjectExistsError, ObjectNotFoundError
from orchestrator.cluster.objects import ARGO_API
from orchestrator.errors import PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.client import Cluster

#: What a Workflow has for itself and its shards must not have: what it is a Workflow of, how it stands, its parameters.
_OWN = frozenset({"arguments", "shutdown", "suspend", "workflowTemplateRef"})


class NotKeptError(PermanentError):
    """There is no template for the shards of a run."""


class StillKeptError(TemporaryError):
    """A Workflow of the same name was deleted, and its template not yet."""


def keep_template(workflow: str, run: str, cluster: Cluster) -> str:
    """Keep what a Workflow was started from, for its shards; doing it again does nothing.

    Args:
        workflow: name of the Workflow, which was started from a WorkflowTemplate.
        run: id of its run.
        cluster: where it is.

    Returns:
        Name of the WorkflowTemplate.

    Raises:
        NotKeptError: the Workflow has none stored, or another object has that name.
        StillKeptError: that of an earlier Workflow of this name has it, until Kubernetes deletes it.
    """
    name = shards_template(workflow)
    uid, stored = cluster.stored_template(workflow)
    if not stored:
        raise NotKeptError(
            f"run {run}: Workflow {workflow} has no stored WorkflowTemplate for its shards: start it by"
            " `argo submit --from workflowtemplate/scanmatrix`"
        )
    try:
        cluster.create_workflow_template(_copy(stored, name=name, workflow=workflow, uid=uid, run=run))
    except ObjectExistsError:
        _require_own(name, workflow, uid, run, cluster)
    return name


def _require_own(name: str, workflow: str, uid: str, run: str, cluster: Cluster) -> None:
    """Make sure that the template that is there belongs to this very Workflow."""
    try:
        owners = cluster.workflow_template(name).get("metadata", {}).get("ownerReferences", ())
    except ObjectNotFoundError:
        owners = [{"name": workflow}]
    if uid in {owner.get("uid") for owner in owners}:
        return
    if workflow in {owner.get("name") for owner in owners}:
        raise StillKeptError(
            f"run {run}: WorkflowTemplate {name} still belongs to an earlier Workflow {workflow}, and is about to be"
            " deleted"
        )
    raise NotKeptError(
        f"run {run}: there is a WorkflowTemplate {name} that belongs to something else, so its shards have"
        " none: delete it, and retry the run"
    )


def _copy(stored: Mapping[str, Any], *, name: str, workflow: str, uid: str, run: str) -> dict[str, Any]:
    """A WorkflowTemplate of what is stored, its parameters at their defaults."""
    owner = {"apiVersion": ARGO_API, "kind": "Workflow", "name": workflow, "uid": uid}
    arguments = {"parameters": [{"name": str(key), "value": value} for key, value in DEFAULTS.items()]}
    return {
        "apiVersion": ARGO_API,
        "kind": "WorkflowTemplate",
        "metadata": {"name": name, "labels": {PART_OF: SCANMATRIX, RUN: run}, "ownerReferences": [owner]},
        "spec": {**{key: value for key, value in stored.items() if key not in _OWN}, "arguments": arguments},
    }
