"""`argo.concurrency: Replace`: a run of the schedule stops the older ones, and begins when they have ended.

Argo's own `concurrencyPolicy: Replace` terminates them: no exit handler runs, so nothing of them is accounted for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.argo.names import ARGO_CRON, RUN, of_run
from orchestrator.argo.stopping import stop
from orchestrator.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Workflow

#: Seconds between two looks.
_POLL = 2.0


class NotReplacedError(PermanentError):
    """An older run did not end."""


def replace_older(name: str, cluster: Cluster, *, patience: float, poll: float = _POLL) -> Iterator[str]:
    """Stop the older runs of the schedule that started a Workflow, and wait until their exit handlers are done.

    Args:
        name: of the Workflow; nothing is done for one that no schedule started.
        cluster: where they are.
        patience: seconds to wait.
        poll: seconds between two looks.

    Returns:
        Names of those that ended.

    Raises:
        NotReplacedError: one did not end in time.
    """
    own = cluster.workflow(name)
    schedule, end = own.metadata.labels.get(ARGO_CRON), time.monotonic() + patience
    waiting: set[str] = set()
    while schedule:
        older = [each for each in cluster.workflows(f"{ARGO_CRON}={schedule}") if _is_older(each, own)]
        active = {each.metadata.name for each in older}
        yield from sorted(waiting - active)
        waiting = active
        if not older:
            return
        for each in older:
            _stop(each, cluster)
        if time.monotonic() > end:
            names = ", ".join(sorted(active))
            raise NotReplacedError(
                f"earlier runs of the schedule were stopped, and have not ended within {patience:.0f} s: {names};"
                " see what their last step waits for, or `argo terminate` them: the reaper then finishes them"
            )
        time.sleep(poll)


def _is_older(workflow: Workflow, own: Workflow) -> bool:
    return not workflow.ended and _order(workflow) < _order(own)


def _order(workflow: Workflow) -> tuple[str, str]:
    return workflow.metadata.creation_timestamp, workflow.metadata.name


def _stop(workflow: Workflow, cluster: Cluster) -> None:
    """Stop a run, with the shards that it owns, unless that was done before."""
    if workflow.spec.shutdown:
        return
    found = cluster.workflows(of_run(workflow.metadata.labels.get(RUN, workflow.metadata.name)))
    owned = [each for each in found if workflow.metadata.uid in {one.uid for one in each.metadata.owner_references}]
    stop([*(each for each in owned if not each.spec.shutdown), workflow], cluster)
