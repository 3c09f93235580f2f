"""What became of every cell, read off the Workflows of a run and the pods they left behind.

Argo says of a pod what its containers' states say (`workflow/controller/operator.go` of Argo Workflows 3.7, function
`inferFailedReason`); the pod itself, which stays when it failed, says more: which image could not be pulled, why it was
never scheduled. Everything here is a function of these objects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.cluster.nodes import nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.cluster.objects import ContainerStatus, Node, Pod, Workflow

#: Templates of the Workflow: `scan-<name>`, `image-<set>`, `pull`.
SCAN_TEMPLATE = "scan-"
IMAGE_TEMPLATE = "image-"
PULL_TEMPLATE = "pull"
DATABASE_TEMPLATE = "database-"

_UNPULLABLE = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_EXIT_CODE = re.compile(r"\(exit code (\d+)\)")
_SUCCEEDED = "Succeeded"
#: Words in Argo's messages, and what they mean.
_SAID = {
    "shutdown with strategy": "the run was cancelled",
    "longer than the specified deadline": "took longer than its deadline",
    "exceeded its deadline": "took longer than its deadline",
    "OOMKilled": "was killed for want of memory (OOMKilled, exit code 137); raise its memory limit",
    "pod deleted": "its pod was deleted before it ended",
}
_OUT_OF_MEMORY = 137


class Fate(NamedTuple):
    """How the last attempt of something went.

    Attributes:
        reason: why it failed; empty when it succeeded, or still runs.
        ended: whether the last attempt has come to an end.
        exit_code: of the scanner; None when it never ran, or nobody knows.
        attempts: pods that were made for it.
        started: begin of the first attempt, RFC 3339.
        finished: end of the last one; empty while it runs.
        pod: id of the last attempt's node, by which its pod is found.
        container: in that pod, whose log tells more.
        own: True when a container of ours failed, before the scanner; it wrote its reason down itself.
    """

    reason: str = ""
    ended: bool = True
    exit_code: int | None = None
    attempts: int = 1
    started: str = ""
    finished: str = ""
    pod: str = ""
    container: str = "main"
    own: bool = False


class Fates(NamedTuple):
    """What became of a run, as far as its Workflows tell.

    Attributes:
        cells: by id of target and name of scan.
        pulls: by id of target.
        databases: by name of scan.
        runs: why each Workflow that ended badly did, by its name.
    """

    cells: dict[tuple[str, str], Fate]
    pulls: dict[str, Fate]
    databases: dict[str, Fate]
    runs: dict[str, str]


def read_fates(workflows: Iterable[tuple[Workflow, Mapping[str, Pod]]]) -> Fates:
    """Put together what all Workflows of a run tell.

    Args:
        workflows: each with its pods by the ids of their nodes; the order does not matter.

    Raises:
        NodesUnreadableError: the nodes of one are not in it.
    """
    attempts: dict[tuple[str, str, str], list[Fate]] = {}
    runs: dict[str, str] = {}
    for workflow, pods in workflows:
        found = nodes(workflow)
        for key, fate in _attempts(found, pods):
            attempts.setdefault(key, []).append(fate)
        if why := why_ended(workflow):
            runs[workflow.metadata.name] = why
    fates = Fates({}, {}, {}, runs)
    for (kind, target, scan), tries in attempts.items():
        fate = _last(tries)
        if kind == SCAN_TEMPLATE:
            fates.cells[target, scan] = fate
        elif kind == PULL_TEMPLATE:
            fates.pulls[target] = fate
        else:
            fates.databases[scan] = fate
    return fates


def why_ended(workflow: Workflow) -> str:
    """Why a Workflow ended before its time; empty when it did not."""
    if workflow.spec.shutdown:
        return "the run was cancelled"
    if workflow.status.message and "deadline" in workflow.status.message.lower():
        return "the run's deadline passed"
    if workflow.status.phase == "Error":
        return f"Argo gave up the Workflow: {workflow.status.message or 'it does not say why'}"
    return ""


def _attempts(found: Mapping[str, Node], pods: Mapping[str, Pod]) -> Iterator[tuple[tuple[str, str, str], Fate]]:
    """Every attempt of a cell, a pull or a database: kind, target, scan, and how it went."""
    for node in found.values():
        pod = pods.get(node.id)
        if node.type == "Pod":
            target = node.parameter("target")
            if node.template_name.startswith(SCAN_TEMPLATE):
                scan = node.template_name.removeprefix(SCAN_TEMPLATE)
                yield (SCAN_TEMPLATE, target, scan), _fate(node, pod)
            elif node.template_name == PULL_TEMPLATE:
                yield (PULL_TEMPLATE, target, ""), _fate(node, pod, own=True)
            elif node.template_name.startswith(IMAGE_TEMPLATE):
                yield (PULL_TEMPLATE, target, ""), _staging(node, pod)
            elif node.template_name.startswith(DATABASE_TEMPLATE):
                yield (DATABASE_TEMPLATE, "", node.template_name.removeprefix(DATABASE_TEMPLATE)), _fate(node, pod)
        elif node.type == "Container" and (parent := found.get(node.boundary_id)) is not None:
            fate = _fate(node, pods.get(parent.id), container=node.display_name, parent=parent)
            yield (SCAN_TEMPLATE, parent.parameter("target"), node.display_name), fate


def _last(tries: list[Fate]) -> Fate:
    """The last attempt, with what the earlier ones add to it."""
    ordered = sorted(tries, key=lambda fate: fate.started or "9999")
    started = [fate.started for fate in ordered if fate.started]
    return ordered[-1]._replace(attempts=len(ordered), started=started[0] if started else "")


def _fate(
    node: Node, pod: Pod | None, *, container: str = "main", own: bool = False, parent: Node | None = None
) -> Fate:
    """How one attempt went."""
    ended = node.phase in {"Succeeded", "Failed", "Error"}
    code = _exit_code(node, pod, container)
    fate = Fate(
        ended=ended,
        exit_code=code,
        started=node.started_at or "",
        finished=node.finished_at or "",
        pod=(parent or node).id,
        container=container,
        own=own,
    )
    if node.phase == _SUCCEEDED:
        return fate._replace(exit_code=0)
    reason, ours = _explain(node, pod, container, code, parent)
    return fate._replace(reason=reason, own=own or ours)


def _staging(node: Node, pod: Pod | None) -> Fate:
    """How the init container of a pod for a whole image went, by itself: it pulls for all its scans."""
    fate = _fate(node, pod, container="stage", own=True)
    state = _state(pod, "stage")
    if state is not None and state.state.terminated is not None and state.state.terminated.exit_code == 0:
        return fate._replace(reason="", exit_code=0)
    return fate


def _exit_code(node: Node, pod: Pod | None, container: str) -> int | None:
    """Of the container itself."""
    if node.outputs is not None and (node.outputs.exit_code or "").isdecimal():
        return int(node.outputs.exit_code or "")
    state = _state(pod, container)
    if state is not None and state.state.terminated is not None:
        return state.state.terminated.exit_code
    found = _EXIT_CODE.search(node.message)
    return int(found[1]) if found and node.message.startswith((f"{container}:", "Error", "OOMKilled")) else None


def _explain(node: Node, pod: Pod | None, container: str, code: int | None, parent: Node | None) -> tuple[str, bool]:
    """Why an attempt failed or does not end, and whether it was a container of ours that failed."""
    if reason := _before_it_ran(pod, container):
        return reason, False
    message = node.message or (parent.message if parent else "")
    for words, reason in _SAID.items():
        if words in message:
            return reason, False
    if stage := _failed_before(pod):
        return f"its {stage.name} container failed: {_said(stage)}", True
    if code == _OUT_OF_MEMORY:
        return _SAID["OOMKilled"], False
    if node.phase in {"Pending", "Running", ""}:
        return f"did not end ({message})" if message else "did not end", False
    return f"ended with exit code {code}" if code else message or f"Argo says {node.phase}, and not why", False


def _before_it_ran(pod: Pod | None, container: str) -> str:
    """What kept a pod from running, or put it off its node."""
    if pod is None:
        return ""
    return _waits(pod, container) or (
        f"its pod was evicted: {pod.status.message}" if pod.status.reason == "Evicted" else ""
    )


def _waits(pod: Pod, container: str) -> str:
    """Why a container never started; empty when it did."""
    for state in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = state.state.waiting
        if waiting is not None and waiting.reason in _UNPULLABLE and state.name in {container, "main", "stage", "wait"}:
            said = f": {waiting.message}" if waiting.message else ""
            return f"the image {state.image} cannot be pulled ({waiting.reason}{said})"
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"was never scheduled: {condition.message or condition.reason}"
    return ""


def _failed_before(pod: Pod | None) -> ContainerStatus | None:
    """The init container that failed, Argo's own left out."""
    for state in pod.status.init_container_statuses if pod is not None else ():
        ended = state.state.terminated
        if ended is not None and ended.exit_code and state.name != "init":
            return state
    return None


def _said(state: ContainerStatus) -> str:
    ended = state.state.terminated
    return f"{ended.reason} (exit code {ended.exit_code})" if ended is not None else "no word"


def _state(pod: Pod | None, container: str) -> ContainerStatus | None:
    found = (*pod.status.init_container_statuses, *pod.status.container_statuses) if pod is not None else ()
    return next((state for state in found if state.name == container), None)
