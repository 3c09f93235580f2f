"""How the containers of a pod ended: by the pod's own status where it is there, else by what Argo says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo import names
from orchestrator.argo.names import ARGO_CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cluster.objects import ContainerStatus, Node, Pod, Terminated

OUT_OF_MEMORY = "ran out of memory (OOMKilled, exit code 137)"
SIBLING = "was stopped, because another scan of the same pod failed"

GONE = "ContainerStatusUnknown"
#: Of Argo's executor, which is a container's first process and starts the scanner, when SIGTERM comes before it listens
#: for it: the kernel keeps that from the first process, and Go's runtime then exits so. A scanner may mean it, too.
EXECUTOR_TOLD_TO_END = 2
_CANNOT_START = {"StartError", "ContainerCannotRun"}
_KILLED, _TERMINATED, _SIGNAL, _EMISSARY = 137, 143, 128, 64
#: `<container>: <reason> (exit code <n>): <message>`, as Argo writes it.
_SAID = re.compile(r"(?:([a-z0-9-]+): )?(\w*) ?\(exit code (\d{1,9})\)(?:: (.*))?", re.DOTALL)


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


def end_of(node: Node, pod: Pod | None, container: str) -> End | None:
    """How the container itself ended: by its pod, by Argo's message, by the node's output."""
    status = status_of(pod, container)
    if status is not None and status.state.terminated is not None:
        return _of_terminated(container, status.state.terminated)
    said = _said_by_argo(node)
    if said is not None and said.container in {container, ""}:
        return said._replace(container=container)
    code = (node.outputs.exit_code or "") if node.outputs is not None else ""
    return End(container, int(code)) if code.isascii() and code.isdecimal() and len(code) < 10 else None  # noqa: PLR2004


def failed_before(node: Node, pod: Pod | None, container: str) -> End | None:
    """The init container that failed, Argo's own left out."""
    for status in pod.status.init_container_statuses if pod is not None else ():
        ended = status.state.terminated
        if ended is not None and ended.exit_code and status.name not in {*ARGO_CONTAINERS, container}:
            return _of_terminated(status.name, ended)
    others = {"", names.MAIN, names.KEEP, container, *ARGO_CONTAINERS}
    if pod is None and (said := _said_by_argo(node)) and said.container not in others:
        return said
    return None


def executor_failed(node: Node, pod: Pod | None) -> End | None:
    """A container of Argo's own that failed."""
    for status in statuses(pod) if pod is not None else ():
        ended = status.state.terminated
        if status.name in ARGO_CONTAINERS and ended is not None and ended.exit_code:
            return _of_terminated(status.name, ended)
    said = _said_by_argo(node)
    return said if said is not None and said.container in ARGO_CONTAINERS else None


def keeper_failed(node: Node, pod: Pod | None) -> End | None:
    """The container that keeps the reports of scanners, where it failed."""
    status = status_of(pod, names.KEEP)
    if status is not None and status.state.terminated is not None:
        ended = _of_terminated(names.KEEP, status.state.terminated)
        return ended if ended.code else None
    said = _said_by_argo(node)
    return said if said is not None and said.container == names.KEEP else None


def was_told_to_end(end: End | None) -> bool:
    """Whether a container was ended by what ends a pod: SIGTERM, and SIGKILL when it takes too long."""
    return end is not None and end.code in {_KILLED, _TERMINATED} and end.reason not in {"OOMKilled", GONE}


def has_no_end_of_its_own(end: End) -> bool:
    """Whether a container was lost or told to end."""
    return end.reason == GONE or was_told_to_end(end)


def stopped_by_sibling(own: End, pod: Pod | None) -> str:
    """Argo ends all containers of a pod when one of them failed."""
    if pod is None or not was_told_to_end(own):
        return ""
    for status in pod.status.container_statuses:
        ended = status.state.terminated
        if status.name in {own.container, names.KEEP, *ARGO_CONTAINERS} or ended is None or ended.reason == GONE:
            continue
        if ended.exit_code and (ended.exit_code not in {_KILLED, _TERMINATED} or ended.reason == "OOMKilled"):
            return f"{SIBLING} ({status.name})"
    return ""


def said_of(end: End) -> str:
    """How a container ended, as the end of a sentence."""
    if end.reason == "OOMKilled":
        return OUT_OF_MEMORY
    if end.reason == GONE:
        return "was lost with its pod"
    if end.reason in _CANNOT_START or (end.code == _EMISSARY and end.message):
        return with_message("could not be started", end.message)
    text = f"ended with exit code {end.code}"
    if _SIGNAL < end.code < 2 * _SIGNAL:
        text = f"was killed by signal {end.code - _SIGNAL} (exit code {end.code})"
    return with_message(text, end.message)


def statuses(pod: Pod) -> Iterator[ContainerStatus]:
    """Of all containers of a pod, in the order in which they start."""
    yield from pod.status.init_container_statuses
    yield from pod.status.container_statuses


def status_of(pod: Pod | None, container: str) -> ContainerStatus | None:
    """Of one container, where the pod is there and has one."""
    return next((each for each in statuses(pod) if each.name == container), None) if pod is not None else None


def with_message(what: str, message: str) -> str:
    """A reason, and behind a colon what else was said of it."""
    message = message.strip()
    return f"{what}: {message}" if message else what


def _said_by_argo(node: Node) -> End | None:
    found = _SAID.fullmatch(node.message.strip().removesuffix(":"))
    return End(found[1] or "", int(found[3]), found[2], found[4] or "") if found else None


def _of_terminated(name: str, ended: Terminated) -> End:
    return End(name, ended.exit_code, ended.reason, ended.message)
