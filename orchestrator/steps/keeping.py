"""The WorkflowTemplate of a run that has shards, kept for them: theirs is the run's, whatever is installed meanwhile.

Argo stores the template in the Workflow itself when that begins. A shard begins later, so it is started from a copy of
what its parent has stored; the copy belongs to the parent, and goes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.argo.names import PART_OF, RUN, SCANMATRIX, shards_template
from orchestrator.argo.parameters import DEFAULTS
from orchestrator.cluster.errors import ObjectExistsError
from orchestrator.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.client import Cluster

#: What a Workflow has for itself and its shards must not have: what it is a Workflow of, how it stands, its parameters.
_OWN = frozenset({"arguments", "shutdown", "suspend", "workflowTemplateRef"})


class NotKeptError(PermanentError):
    """There is no template for the shards of a run."""


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
        owners = cluster.workflow_template(name).get("metadata", {}).get("ownerReferences", ())
        if uid not in {owner.get("uid") for owner in owners}:
            raise NotKeptError(
                f"run {run}: there is a WorkflowTemplate {name} that belongs to something else, so its shards have"
                " none: delete it, and retry the run"
            ) from None
    return name


def _copy(stored: Mapping[str, Any], *, name: str, workflow: str, uid: str, run: str) -> dict[str, Any]:
    """A WorkflowTemplate of what is stored, its parameters at their defaults."""
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": workflow, "uid": uid}
    arguments = {"parameters": [{"name": str(key), "value": value} for key, value in DEFAULTS.items()]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": name, "labels": {PART_OF: SCANMATRIX, RUN: run}, "ownerReferences": [owner]},
        "spec": {**{key: value for key, value in stored.items() if key not in _OWN}, "arguments": arguments},
    }
