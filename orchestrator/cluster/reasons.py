"""Why a pod failed, in plain words: out of its node's message, its own status, and what Kubernetes warned of.

Argo's message is what its controller read off the pod (`inferFailedReason` and `getPendingReason` in
`workflow/controller/operator.go` of Argo Workflows 3.7, `exec_control.go` for shutdown and deadline). The pod, where it
is still there, says more: which container ended how. A pod that its deadline killed no longer says what it was waiting
for; then only the warnings do, and those last an hour.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cluster.objects import ContainerStatus, Node, Pod, Terminated

CANCELLED = "the run was cancelled"
RUN_DEADLINE = "the run's deadline passed"
DEADLINE = "took longer than its deadline"
OUT_OF_MEMORY = "was killed for want of memory (OOMKilled, exit code 137)"
UNPULLABLE = "cannot be pulled"
UNSCHEDULED = "was never scheduled"
NOT_MADE = "its pod could not be made"
NOT_STARTED = "its container could not be started"
EVICTED = "its pod was evicted"
PREEMPTED = "its pod was preempted by a more important one"
DELETED = "its pod was deleted before it ended"
NODE_LOST = "its node was lost"
NODE_SHUT_DOWN = "its node was shut down"
SIBLING = "was stopped, because another scan of the same pod failed"
QUOTA = "a quota may have kept it back"
SILENT = "failed, and neither Argo nor its pod says why"
UNENDED = "did not end"

_UNPULLABLE = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable",
               "ImageInspectError", "SignatureValidationFailed"}  # fmt: skip
_UNSTARTABLE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError"}
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
_GONE = "ContainerStatusUnknown"
_CANNOT_START = {"StartError", "ContainerCannotRun"}
_KILLED, _TERMINATED, _SIGNAL, _EMISSARY = 137, 143, 128, 64
#: Containers that Argo makes itself.
ARGO = {"init", "wait"}
#: `<container>: <reason> (exit code <n>): <message>`, as Argo writes it.
_SAID = re.compile(r"(?:([a-z0-9-]+): )?(\w*) ?\(exit code (\d{1,9})\)(?:: (.*))?", re.DOTALL)
_PENDING = re.compile(r"(\w+)(?:: (.*))?", re.DOTALL)
#: The kubelet's words in the status of a pod that it evicts.
_EVICTION = re.compile(r"^The node was low on resource|exceeds the (total )?limit|ephemeral local storage")
_IMAGE = re.compile(r'image (?:name )?"([^"]+)"')


class End(NamedTuple):
    """How a container ended.

    Attributes:
        container: its name.
        code: exit code.
        reason: in Kubernetes's word: `Error`, `OOMKilled`, …
        message: what the container or Kubernetes said of it.
    """

    container: str
    code: int
    reason: str = ""
    message: str = ""


class Reason(NamedTuple):
    """Why an attempt failed.

    Attributes:
        text: in plain words.
        exit_code: of the attempt's own container; None when it never ran, or nobody knows.
        ours: the container of ours that failed before the scanner; empty when none did.
    """

    text: str
    exit_code: int | None = None
    ours: str = ""


def explain(
    node: Node,
    pod: Pod | None,
    *,
    container: str = "main",
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
        stopped: whether its run was cancelled; what was then ended by a signal was ended for that.
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
        return _kept(self.node, self.pod, self.container, self.warnings)


def _from_outside(around: _Around) -> Reason | None:
    """What ended an attempt, or goes on with it, whatever its containers did."""
    node, pod = around.node, around.pod
    if node.phase in {"Pending", "Running", ""}:
        return Reason(_with(UNENDED, around.kept()))
    if "shutdown with strategy" in node.message or "Stopped with strategy" in node.message:
        return Reason(CANCELLED)
    if "exceeded its deadline" in node.message or "exceeded workflow deadline" in node.message:
        unplaced = "" if pod or node.host_node_name else f"before its pod was on any node; {QUOTA}"
        return Reason(_while(RUN_DEADLINE, around.kept() or unplaced))
    if "longer than the specified deadline" in node.message or (pod and pod.status.reason == "DeadlineExceeded"):
        return _too_late(around)
    disruption = _disruption(node, pod)
    return Reason(disruption) if disruption else None


def _from_within(around: _Around) -> Reason:
    """How its containers ended, or what kept them from starting."""
    node, pod, container = around.node, around.pod, around.container
    before = _failed_before(node, pod, container)
    if around.stopped and _was_told_to_end(before or _end(node, pod, container)):
        return Reason(CANCELLED)
    if before is not None:
        return Reason(f"its {before.container} container {_said(before)}", ours=before.container)
    own = _end(node, pod, container)
    code = own.code if own is not None and own.reason != _GONE else None
    if own is not None and own.code and not (own.reason == _GONE and around.kept()):
        return Reason(_stopped(own, pod) or _said(own), code)
    if kept := around.kept():
        return Reason(kept, code)
    if executor := _executor_failed(node, pod):
        return Reason(f"Argo's {executor.container} container {_said(executor)}", code)
    return Reason(_by_message(node, pod), code)


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
    before = _failed_before(around.node, around.pod, around.container)
    if before is not None:
        return Reason(f"{deadline} in its {before.container} container", ours=before.container)
    return Reason(deadline)


def _while(what: str, why: str) -> str:
    return f"{what} ({why})" if why else what


def _disruption(node: Node, pod: Pod | None) -> str:
    """Something outside of the pod that ended it."""
    if pod is not None:
        for condition in pod.status.conditions:
            if condition.type == "DisruptionTarget" and condition.status == "True":
                known = _DISRUPTIONS.get(pod.status.reason) or _DISRUPTIONS.get(condition.reason, EVICTED)
                return _with(known, pod.status.message or condition.message or condition.reason)
        if pod.status.reason in _DISRUPTIONS:
            return _with(_DISRUPTIONS[pod.status.reason], pod.status.message)
    if node.message in {"pod deleted", "container deleted"}:
        return DELETED
    if "imminent node shutdown" in node.message:
        return NODE_SHUT_DOWN
    if _EVICTION.search(node.message):
        return _with(EVICTED, node.message)
    return ""


def _kept(node: Node, pod: Pod | None, container: str, warnings: tuple[str, ...]) -> str:
    """What kept the container from starting; empty when it started, or nobody knows."""
    status = _status(pod, container)
    if status is not None and (
        status.image_id or (status.state.terminated and status.state.terminated.reason != _GONE)
    ):
        return ""
    return _waits(pod) or _says_pending(node) or _warned(node, status, warnings)


def _waits(pod: Pod | None) -> str:
    """By the pod, while it is there and waits."""
    if pod is None:
        return ""
    for status in _statuses(pod):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in _UNPULLABLE:
            return _unpullable(status.image, waiting.reason, waiting.message)
        if waiting is not None and waiting.reason in _UNSTARTABLE:
            return _with(NOT_STARTED, waiting.message or waiting.reason)
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return _with(UNSCHEDULED, condition.message or condition.reason)
    return ""


def _says_pending(node: Node) -> str:
    """By what Argo says of a pod that has not started."""
    found = _PENDING.fullmatch(node.message)
    if found is None:
        return ""
    reason, message = found[1], found[2] or ""
    if reason == "Unschedulable":
        return _with(UNSCHEDULED, message)
    if reason in _UNPULLABLE:
        image = _IMAGE.search(message)
        return _unpullable(image[1] if image else "", reason, message)
    return _with(NOT_STARTED, message or reason) if reason in _UNSTARTABLE else ""


def _warned(node: Node, status: ContainerStatus | None, warnings: tuple[str, ...]) -> str:
    """By the warnings of a pod that is gone or says nothing any more: the one that tells most."""
    pulls = [text for text in warnings if "pull" in text or "parse image name" in text or "not present with" in text]
    told = [text for text in pulls if not text.startswith("Error: ")] or pulls
    if told:
        found = _IMAGE.search(told[-1])
        return _unpullable(found[1] if found else status.image if status is not None else "", "", told[-1])
    unscheduled = [text for text in warnings if "nodes are available" in text]
    if unscheduled and not node.host_node_name:
        return _with(UNSCHEDULED, unscheduled[-1])
    others = [text for text in warnings if text not in unscheduled]
    if others:
        return _with(NOT_STARTED, others[-1])
    # Never made, though all before it went well: no image, or what it should mount or be given is not there.
    gone = status.state.terminated if status is not None else None
    if status is not None and gone is not None and gone.reason == _GONE and status.name not in ARGO:
        return f"{NOT_STARTED}; see whether the image {status.image} can be pulled"
    return ""


def _failed_before(node: Node, pod: Pod | None, container: str) -> End | None:
    """The init container that failed, Argo's own left out."""
    for status in pod.status.init_container_statuses if pod is not None else ():
        ended = status.state.terminated
        if ended is not None and ended.exit_code and status.name not in {*ARGO, container}:
            return _end_of(status.name, ended)
    if pod is None and (said := _said_by_argo(node)) and said.container not in {"", "main", container, *ARGO}:
        return said
    return None


def _executor_failed(node: Node, pod: Pod | None) -> End | None:
    """A container of Argo's own that failed."""
    for status in _statuses(pod) if pod is not None else ():
        ended = status.state.terminated
        if status.name in ARGO and ended is not None and ended.exit_code:
            return _end_of(status.name, ended)
    said = _said_by_argo(node)
    return said if said is not None and said.container in ARGO else None


def _end(node: Node, pod: Pod | None, container: str) -> End | None:
    """How the container itself ended: by its pod, by Argo's message, by the node's output."""
    status = _status(pod, container)
    if status is not None and status.state.terminated is not None:
        return _end_of(container, status.state.terminated)
    said = _said_by_argo(node)
    if said is not None and said.container in {container, ""}:
        return said._replace(container=container)
    code = (node.outputs.exit_code or "") if node.outputs is not None else ""
    return End(container, int(code)) if code.isascii() and code.isdecimal() and len(code) < 10 else None  # noqa: PLR2004


def _said_by_argo(node: Node) -> End | None:
    found = _SAID.fullmatch(node.message.strip().removesuffix(":"))
    return End(found[1] or "", int(found[3]), found[2], found[4] or "") if found else None


def _end_of(name: str, ended: Terminated) -> End:
    return End(name, ended.exit_code, ended.reason, ended.message)


def _was_told_to_end(end: End | None) -> bool:
    """Whether a container was ended by what ends a pod: SIGTERM, and SIGKILL when it takes too long."""
    return end is not None and end.code in {_KILLED, _TERMINATED} and end.reason not in {"OOMKilled", _GONE}


def _stopped(own: End, pod: Pod | None) -> str:
    """Argo ends all containers of a pod when one of them failed."""
    if pod is None or not _was_told_to_end(own):
        return ""
    for status in pod.status.container_statuses:
        ended = status.state.terminated
        if status.name in {own.container, *ARGO} or ended is None or ended.reason == _GONE:
            continue
        if ended.exit_code and (ended.exit_code not in {_KILLED, _TERMINATED} or ended.reason == "OOMKilled"):
            return f"{SIBLING} ({status.name})"
    return ""


def _said(end: End) -> str:
    """How a container ended, as the end of a sentence."""
    if end.reason == "OOMKilled":
        return OUT_OF_MEMORY
    if end.reason == _GONE:
        return "was lost with its pod"
    if end.reason in _CANNOT_START or (end.code == _EMISSARY and end.message):
        return _with("could not be started", end.message)
    text = f"ended with exit code {end.code}"
    if _SIGNAL < end.code < 2 * _SIGNAL:
        text = f"was killed by signal {end.code - _SIGNAL} (exit code {end.code})"
    return _with(text, end.message)


def _unpullable(image: str, reason: str, message: str) -> str:
    what = f"the image {image} {UNPULLABLE}" if image else f"its image {UNPULLABLE}"
    return _with(_while(what, reason), message)


def _with(what: str, message: str) -> str:
    message = message.strip()
    return f"{what}: {message}" if message else what


def _statuses(pod: Pod) -> Iterator[ContainerStatus]:
    yield from pod.status.init_container_statuses
    yield from pod.status.container_statuses


def _status(pod: Pod | None, container: str) -> ContainerStatus | None:
    return next((each for each in _statuses(pod) if each.name == container), None) if pod is not None else None
