"""What kept a container from starting: by its pod while that waits, by Argo, and by Kubernetes's warnings afterwards.

A pod that its deadline killed no longer says what it was waiting for; then only the warnings do, and those last an
hour.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.argo.ends import GONE, status_of, statuses, with_message
from orchestrator.argo.names import ARGO_CONTAINERS

if TYPE_CHECKING:
    from orchestrator.cluster.objects import ContainerStatus, Node, Pod

UNPULLABLE = "cannot be pulled"
UNSCHEDULED = "was never scheduled"
NOT_STARTED = "its container could not be started"

_UNPULLABLE = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable",
               "ImageInspectError", "SignatureValidationFailed"}  # fmt: skip
_UNSTARTABLE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError"}
_PENDING = re.compile(r"(\w+)(?:: (.*))?", re.DOTALL)
_IMAGE = re.compile(r'image (?:name )?"([^"]+)"')


def what_kept(node: Node, pod: Pod | None, container: str, warnings: tuple[str, ...]) -> str:
    """What kept the container from starting; empty when it started, or nobody knows."""
    status = status_of(pod, container)
    if status is not None and (status.image_id or (status.state.terminated and status.state.terminated.reason != GONE)):
        return ""
    return _waits(pod) or _says_pending(node) or _warned(node, status, warnings)


def _waits(pod: Pod | None) -> str:
    """By the pod, while it is there and waits."""
    if pod is None:
        return ""
    for status in statuses(pod):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in _UNPULLABLE:
            return _unpullable(status.image, waiting.reason, waiting.message)
        if waiting is not None and waiting.reason in _UNSTARTABLE:
            return with_message(NOT_STARTED, waiting.message or waiting.reason)
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return with_message(UNSCHEDULED, condition.message or condition.reason)
    return ""


def _says_pending(node: Node) -> str:
    """By what Argo says of a pod that has not started."""
    found = _PENDING.fullmatch(node.message)
    if found is None:
        return ""
    reason, message = found[1], found[2] or ""
    if reason == "Unschedulable":
        return with_message(UNSCHEDULED, message)
    if reason in _UNPULLABLE:
        image = _IMAGE.search(message)
        return _unpullable(image[1] if image else "", reason, message)
    return with_message(NOT_STARTED, message or reason) if reason in _UNSTARTABLE else ""


def _warned(node: Node, status: ContainerStatus | None, warnings: tuple[str, ...]) -> str:
    """By the warnings of a pod that is gone or says nothing any more: the one that tells most."""
    pulls = [text for text in warnings if "pull" in text or "parse image name" in text or "not present with" in text]
    told = [text for text in pulls if not text.startswith("Error: ")] or pulls
    if told:
        found = _IMAGE.search(told[-1])
        return _unpullable(found[1] if found else status.image if status is not None else "", "", told[-1])
    unscheduled = [text for text in warnings if "nodes are available" in text]
    if unscheduled and not node.host_node_name:
        return with_message(UNSCHEDULED, unscheduled[-1])
    others = [text for text in warnings if text not in unscheduled]
    if others:
        return with_message(NOT_STARTED, others[-1])
    # Never made, though all before it went well: no image, or what it should mount or be given is not there.
    gone = status.state.terminated if status is not None else None
    if status is not None and gone is not None and gone.reason == GONE and status.name not in ARGO_CONTAINERS:
        return f"{NOT_STARTED}; see whether the image {status.image} can be pulled"
    return ""


def _unpullable(image: str, reason: str, message: str) -> str:
    what = f"the image {image} {UNPULLABLE}" if image else f"its image {UNPULLABLE}"
    return with_message((f"{what} ({reason})" if reason else what), message)
