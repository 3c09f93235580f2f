"""What runs on the cluster cost: the CPU and memory of its processes, and the size of Workflows."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo.names import of_run
from orchestrator.argo.nodes import nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.e2e.site import Site

CONTROLLER = "workflow-contro"  # as long as the kernel keeps names
API_SERVER = "kube-apiserver"
ETCD = "etcd"
SCANS = ("one", "two", "three", "four")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Size(NamedTuple):
    """Of the Workflows of a run.

    Attributes:
        pods: they had, tries included.
        nodes: in their status.
        status: bytes of those nodes as the API server holds them, which Argo compresses when there are many.
        largest: bytes of the largest Workflow.
        workflows: how many.
    """

    pods: int
    nodes: int
    status: int
    largest: int
    workflows: int


def cpu(process: str) -> float:
    """Seconds of CPU that a process of this machine has taken.

    Raises:
        LookupError: it does not run here.
    """
    fields = _stat(process)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory(process: str) -> float:
    """MB that a process of this machine has in memory now."""
    return int(_stat(process)[21]) * _PAGE / 1e6


def size(site: Site, run: str) -> Size:
    """The Workflows of a run, its shards among them."""
    found = []
    for raw in json.loads(site.kubectl("get", "workflows", "-l", of_run(run), "-o", "json"))["items"]:
        each = nodes(site.cluster.workflow(raw["metadata"]["name"])).values()
        status = raw["status"].get("compressedNodes") or _compact(raw["status"].get("nodes"))
        pods = sum(node.type == "Pod" for node in each)
        found.append(Size(pods, len(each), len(status), len(_compact(raw)), 1))
    return Size(
        pods=sum(each.pods for each in found),
        nodes=sum(each.nodes for each in found),
        status=sum(each.status for each in found),
        largest=max(each.largest for each in found),
        workflows=len(found),
    )


def head(*columns: str, words: int) -> None:
    """The first lines of a table on stdout; the columns after this many with words hold numbers."""
    row(columns)
    row("---" if number < words else "---:" for number in range(len(columns)))


def row(cells: Iterable[str]) -> None:
    """A line of a table on stdout, at once."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _stat(process: str) -> Sequence[str]:
    """Fields of proc(5)'s stat after the name, the first being the state."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if (stat.parent / "comm").read_text().strip() == process:
                return stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
    raise LookupError(f"{process} does not run on this machine")
