"""Why a pod failed, in plain words: out of its node's message, its own status, and what Kubernetes warned of.

Argo's message is what its controller read off the pod (`inferFailedReason` and `getPendingReason` in
`workflow/controller/operator.go` of Argo Workflows 3.7, `exec_control.go` for shutdown and deadline). The pod, where it
is still there, says more: how its containers ended (`ends`), or what kept them from starting (`waits`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo import names
from orchestrator.argo.ends import (
    EXECUTOR_TOLD_TO_END,
    GONE,
    end_of,
    executor_failed,
    failed_before,
    has_no_end_of_its_own,
    keeper_failed,
    said_of,
    stopped_by_sibling,
    with_message,
)
from orchestrator.argo.waits import NOT_STARTED, UNPULLABLE, UNSCHEDULED, what_kept

if TYPE_CHECKING:
    from orchestrator.argo.ends import End
    from orchestrator.cluster.objects import Node, Pod

CANCELLED = "the run was cancelled"
RUN_DEADLINE = "the run's deadline passed"
DEADLINE = "took longer than its deadline"
NOT_MADE = "its pod could not be made"
EVICTED = "its pod was evicted"
PREEMPTED = "its pod was preempted by a more important one"
DELETED = "its pod was deleted before it ended"
NODE_LOST = "its node was lost"
NODE_SHUT_DOWN = "its node was shut down"
QUOTA = "a quota may have kept it back"
SILENT = "failed, and neither Argo nor its pod says why"
UNENDED = "did not end"

#: Of the reasons for a pod's condition `DisruptionTarget`, and of its status.
_DISRUPTIONS = {
    "Evicted": EVICTED,
    "EvictionByEvictionAPI": EVICTED,
    "TerminationByKubelet": EVICTED,
    "Preempting": PREEMPTED,
    "PreemptionByScheduler": PREEMPTED,
    "PreemptionByKubeScheduler": PREEMPTED,
    "DeletionByTaintManager": NODE_LOST,
    "DeletionByPodGC": NODE_LOST,
    "NodeLost": NODE_LOST,
    "NodeShutdown": NODE_SHUT_DOWN,
    "Shutdown": NODE_SHUT_DOWN,
    "Terminated": NODE_SHUT_DOWN,
}
#: The kubelet's words in the status of a pod that it evicts.
_EVICTION = re.compile(r"^The node was low on resource|exceeds the (total )?limit|local ephemeral storage")
_OVERFULL = re.compile(r'EmptyDir volume "([a-z0-9-]+)" exceeds the limit')
#: What bounds the folders that scanners write, and the files of layers that they read.
_CELL_DISK = "limits.cellDisk, or its scan's scratchLimit"
_DATABASE_DISK = "limits.databaseDisk"


class Reason(NamedTuple):
    """Why an attempt failed.

    Attributes:
        text: in plain words.
        exit_code: of the attempt's own container; None when it never ran, or nobody knows.
        ours: the container of ours that failed before the scanner, or after it; empty when none did.
    """

    text: str
    exit_code: int | None = None
    ours: str = ""


def explain(
    node: Node,
    pod: Pod | None,
    *,
    container: str = names.MAIN,
    warnings: tuple[str, ...] = (),
    late: bool = False,
    stopped: bool = False,
) -> Reason:
    """Why an attempt did not succeed; never raises, whatever it is given.

    Args:
        node: of the attempt: of type Pod, or Container in a pod for several scans.
        pod: of the attempt; None when it is gone.
        container: whose end this is about.
        warnings: what Kubernetes warned of about the pod.
        late: whether the run's deadline had passed when it ended.
        stopped: whether its run was cancelled; what then came to no end of its own was ended for that.
    """
    around = _Around(node, pod, container, warnings, late, stopped)
    return _from_outside(around) or _from_within(around)


class _Around(NamedTuple):
    """One attempt with everything that is known of it, as `explain` was given it."""

    node: Node
    pod: Pod | None
    container: str
    warnings: tuple[str, ...]
    late: bool
    stopped: bool

    def kept(self) -> str:
        """What kept the container from starting; empty when it started, or nobody knows."""
        return what_kept(self.node, self.pod, self.container, self.warnings)

    def cancelled(self) -> Reason:
        """Ended with its run, and what it had been waiting for all the time, which may be why the run was."""
        kept = self.kept()
        return Reason(_while(CANCELLED, kept if UNPULLABLE in kept or UNSCHEDULED in kept else ""))

    def with_its_run(self, end: End) -> str:
        """What ended the run, where that also ended a container that Argo's executor runs, or is; else empty."""
        over = CANCELLED if self.stopped else RUN_DEADLINE if self.late else ""
        return over if has_no_end_of_its_own(end) or end.code == EXECUTOR_TOLD_TO_END else ""


def _from_outside(around: _Around) -> Reason | None:
    """What ended an attempt, or has not ended it, regardless of what its containers did."""
    node, pod = around.node, around.pod
    if node.phase in {"Pending", "Running", ""}:
        return Reason(with_message(UNENDED, around.kept()))
    if "shutdown with strategy" in node.message or "Stopped with strategy" in node.message:
        return around.cancelled()
    if "exceeded its deadline" in node.message or "exceeded workflow deadline" in node.message:
        unplaced = "" if pod or node.host_node_name else f"before its pod was on any node; {QUOTA}"
        return Reason(_while(RUN_DEADLINE, around.kept() or unplaced))
    if "longer than the specified deadline" in node.message or (pod and pod.status.reason == "DeadlineExceeded"):
        return _too_late(around)
    disruption = _disruption(node, pod)
    if disruption == DELETED and around.stopped:
        return around.cancelled()  # Argo deletes what has not started when a run is cancelled
    return Reason(disruption) if disruption else None


def _from_within(around: _Around) -> Reason:
    """How its containers ended, or what kept them from starting."""
    node, pod, container = around.node, around.pod, around.container
    before, own = failed_before(node, pod, container), end_of(node, pod, container)
    if ended := _with_its_run(around, before or own):
        return ended
    if before is not None:
        return Reason(f"its {before.container} container {said_of(before)}", ours=before.container)
    code = own.code if own is not None and own.reason != GONE else None
    if own is not None and own.code and not (own.reason == GONE and around.kept()):
        return Reason(stopped_by_sibling(own, pod) or said_of(own), code)
    if kept := around.kept():
        return Reason(kept, code)
    return _by_others(around, code)


def _by_others(around: _Around, code: int | None) -> Reason:
    """The container itself ended well: how those beside it ended, or what Argo says."""
    node, pod = around.node, around.pod
    if keeper := keeper_failed(node, pod):
        why = f"its {keeper.container} container {said_of(keeper)}"
        return Reason(_because(around.with_its_run(keeper), why), ours=keeper.container)
    if executor := executor_failed(node, pod):
        why = f"Argo's {executor.container} container {said_of(executor)}"
        return Reason(_because(around.with_its_run(executor), why), code)
    return Reason(_by_message(node, pod), code)


def _with_its_run(around: _Around, end: End | None) -> Reason | None:
    """Ended because its run was; None when its own end came first."""
    if around.stopped and (end is None or has_no_end_of_its_own(end)):
        return around.cancelled()
    if end is not None and end.container == around.container and (over := around.with_its_run(end)):
        return Reason(_while(over, said_of(end)), end.code)
    return None


def _by_message(node: Node, pod: Pod | None) -> str:
    """What Argo says, where nothing else is known."""
    message = node.message.strip()
    if not message:
        return SILENT
    if message.startswith("Pod failed before"):
        return f"{NOT_STARTED}: {message}"
    return f"{NOT_MADE}: {message}" if pod is None and node.phase == "Error" else f"failed: {message}"


def _too_late(around: _Around) -> Reason:
    """Killed by its deadline: while it ran, while a container before it ran, or while it waited to start."""
    deadline = RUN_DEADLINE if around.late else DEADLINE
    if kept := around.kept():
        return Reason(_while(deadline, kept) if around.late else kept)
    before = failed_before(around.node, around.pod, around.container)
    if before is not None:
        return Reason(f"{deadline} in its {before.container} container", ours=before.container)
    return Reason(deadline)


def _while(what: str, why: str) -> str:
    return f"{what} ({why})" if why else what


def _because(over: str, why: str) -> str:
    """How something ended, behind what ended its run, where that did it."""
    return _while(over, why) if over else why


def _disruption(node: Node, pod: Pod | None) -> str:
    """Something outside of the pod that ended it."""
    if pod is not None:
        for condition in pod.status.conditions:
            if condition.type == "DisruptionTarget" and condition.status == "True":
                known = _DISRUPTIONS.get(pod.status.reason) or _DISRUPTIONS.get(condition.reason, EVICTED)
                return with_message(known, _explained(pod.status.message or condition.message or condition.reason))
        if pod.status.reason in _DISRUPTIONS:
            return with_message(_DISRUPTIONS[pod.status.reason], _explained(pod.status.message))
    if node.message in {"pod deleted", "container deleted"}:
        return DELETED
    if "imminent node shutdown" in node.message:
        return NODE_SHUT_DOWN
    if _EVICTION.search(node.message):
        return with_message(EVICTED, _explained(node.message))
    return ""


def _explained(message: str) -> str:
    """What the kubelet says, with the key that bounds what a scanner has."""
    found = _OVERFULL.search(message)
    volume = found[1] if found else ""
    key = _DATABASE_DISK if names.is_of_database(volume) else _CELL_DISK if names.is_of_scanner(volume) else ""
    return f"{message.strip().rstrip('.')} ({key})" if key else message
