"""Recorded Workflows, and small ones made up, for tests of what became of cells."""

import json
from pathlib import Path

import msgspec

from orchestrator.argo.fates import Fates, Surroundings
from orchestrator.argo.names import ARGO_NODE_ID
from orchestrator.cluster.objects import Node, Parameters, ParameterValue, Pod, PodEvent, Workflow

FOLDER = Path(__file__).parent / "recorded"


def recorded(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_bytes())


def around(data: dict, *, pods: bool = True, warnings: bool = True) -> Surroundings:
    found = msgspec.convert(data["pods"] if pods else [], type=list[Pod])
    told: dict[str, tuple[str, ...]] = {}
    for event in msgspec.convert(data["events"] if warnings else [], type=list[PodEvent]):
        suffix = event.involved_object.name.rpartition("-")[2]
        told[suffix] = (*told.get(suffix, ()), event.message)
    return Surroundings({pod.metadata.annotations[ARGO_NODE_ID]: pod for pod in found}, told)


def fates_of(name: str, **left: bool) -> Fates:
    data = recorded(name)
    fates = Fates()
    fates.add(msgspec.convert(data["workflow"], type=Workflow), around(data, **left))
    return fates


def made(name: str, *found: Node, labels: dict | None = None, shutdown: str = "", **status: str) -> Workflow:
    data = {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"shutdown": shutdown},
        "status": {"phase": "Succeeded", "nodes": {}} | status,
    }
    workflow = msgspec.convert(data, type=Workflow)
    workflow.status.nodes.update({node.id: node for node in found})
    return workflow


def node(template: str, phase: str, message: str = "", *, begun: str = "2025-03-01T10:00:00Z", **inputs: str) -> Node:
    return Node(
        id=f"x-{abs(hash((template, begun, tuple(inputs.items()))))}",
        type="Pod",
        template_name=template,
        phase=phase,
        message=message,
        started_at=begun,
        finished_at=begun.replace(":00Z", ":30Z"),
        inputs=Parameters(parameters=tuple(ParameterValue(name=name, value=value) for name, value in inputs.items())),
    )
