"""A cluster as far as the end of a run asks it: Workflows and pods that a test puts there."""

from collections.abc import Iterator
from typing import Any

import msgspec

from orchestrator.argo.names import ARGO_WORKFLOW, RUN
from orchestrator.cluster.errors import ObjectNotFoundError, UnreachableError
from orchestrator.cluster.objects import Pod, Workflow


class FakeCluster:
    """Of one namespace.

    Attributes:
        there: its Workflows by name; a test changes them.
        running: names of the Workflows that have a pod which runs.
        away: True when it does not answer.
        patches: what Workflows were changed by, by their names.
        identity: uid of its namespace.
    """

    def __init__(self, *workflows: Workflow, namespace: str = "scanmatrix") -> None:
        self.namespace = namespace
        self.there = {each.metadata.name: each for each in workflows}
        self.running: set[str] = set()
        self.away = False
        self.identity = "uid-here"
        self.patches: list[tuple[str, Any]] = []

    def workflow(self, name: str) -> Workflow:
        self._answer()
        if name not in self.there:
            raise ObjectNotFoundError(f"no Workflow {name}")
        return self.there[name]

    def workflows(self, selector: str = "") -> Iterator[Workflow]:
        self._answer()
        label, _, value = selector.partition("=")
        yield from [each for each in self.there.values() if each.metadata.labels.get(label) == value]

    def patch_workflow(self, name: str, patch: Any) -> Workflow:
        self.patches.append((name, patch))
        return self.there[name]

    def pods(self, selector: str, *, fields: str = "") -> Iterator[Pod]:
        self._answer()
        label, _, value = selector.partition("=")
        if label == ARGO_WORKFLOW and value in self.running:
            yield msgspec.convert({"metadata": {"name": f"{value}-pod"}, "status": {"phase": "Running"}}, Pod)

    def warnings(self) -> Iterator[Any]:
        yield from ()

    def log(self, *_: object, **__: object) -> str:
        return ""

    def _answer(self) -> None:
        if self.away:
            raise UnreachableError("the API server is away")


def workflow(
    name: str,
    phase: str = "Running",
    *,
    run: str | None = "run-1",
    uid: str = "",
    owner: str = "",
    shutdown: str = "",
    labels: dict[str, str] | None = None,
    **more: Any,
) -> Workflow:
    """A Workflow of a run; its uid is its name with `uid-` before it."""
    owners = [{"apiVersion": "x", "kind": "Workflow", "name": "x", "uid": owner}] if owner else []
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "uid": uid or f"uid-{name}",
                "labels": ({RUN: run} if run else {}) | (labels or {}),
                "ownerReferences": owners,
                "creationTimestamp": more.pop("created", "2025-01-01T00:00:00Z"),
            },
            "spec": {"shutdown": shutdown, "arguments": {"parameters": more.pop("parameters", [])}},
            "status": {"phase": phase, **more},
        },
        Workflow,
    )
