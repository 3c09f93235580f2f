"""Have a run end early, by its exit handler, so that its ledger is written and what it holds is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.argo.names import SHARD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Workflow


def stop(workflows: Iterable[Workflow], cluster: Cluster) -> tuple[str, ...]:
    """Stop Workflows of a run: shards first, so that their parent does not take their end for a failure of theirs.

    Args:
        workflows: those of the run, or some.
        cluster: where they are.

    Returns:
        Names of those that had not ended.
    """
    active = sorted((each for each in workflows if not each.ended), key=lambda each: SHARD not in each.metadata.labels)
    for each in active:
        cluster.patch_workflow(each.metadata.name, {"spec": {"shutdown": "Stop"}})
    return tuple(each.metadata.name for each in active)
