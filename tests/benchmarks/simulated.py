"""What thousands of cells cost those that look after them: Argo's controller, the API server, etcd.

python -m tests.benchmarks simulated [CELLS…]        default 1000 10000; four scans an image

Pulls and scans are placed on a node that kwok plays, where they end well after a second, and this program reports their
ends as Argo's executor would; `plan`, the pods of shards, `evict` and `aggregate` are real. So none of the time is a
scanner's, nor a container runtime's: what is measured is what orchestration itself costs, and how it grows. In
`layout: cell` only: nobody writes reports here, so in `layout: image` every cell would be run once more on its own.

Needs the cluster of `make cluster`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import orchestrator
from orchestrator.argo.nodes import nodes
from orchestrator.model import Cell, Name
from tests.benchmarks import costs
from tests.benchmarks.costs import SCANS
from tests.cluster import simulation
from tests.cluster.state import NODE_IP, State, default_folder
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools import _catalog, find
from tests.tools.upstream import Upstream, start_upstream

if TYPE_CHECKING:
    from orchestrator.model import Plan

NAME = "simulated"
IN_FLIGHT = 25  # images, of each shard
SHARDS = 2
_PLACED = ("pull", "scan-")
_COLUMNS = (
    "cells", "Workflows", "pods", "wall s", "pods/s", "controller CPU s", "ms/cell", "API server CPU s",
    "etcd CPU s", "controller MB", "largest object KB", "aggregate s",
)  # fmt: skip


def main(sizes: list[int]) -> int:
    """Measure each size; a table on stdout."""
    if not default_folder().exists():
        sys.stdout.write("skipped: there is no cluster; make one by `make cluster`\n")
        return 0
    if find("kwok") is None:
        sys.stdout.write(f"skipped: kwok is missing; get it by `{_catalog.INSTALLER} kwok`\n")
        return 0
    state = State(default_folder())
    os.environ["KUBECONFIG"] = str(state.kubeconfig)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(start_upstream(folder / "upstream", NODE_IP))
        quick.push(upstream, "one")
        stack.enter_context(simulation.node(state))
        costs.head(*_COLUMNS, words=0)
        (folder / NAME).mkdir()
        with _site(folder / NAME, upstream) as site, simulation.executors(state, NAME):
            spent = [_measure(site, cells) for cells in sizes]
        if len(sizes) > 1:
            growth = f"{sizes[-1] / sizes[0]:.0f}× the cells took {spent[-1] / spent[0]:.1f}× the controller's CPU"
            sys.stdout.write(f"\n{growth}\n")
    return 0


def _site(folder: Path, upstream: Upstream) -> Any:
    limits = {"imagesInFlight": IN_FLIGHT, "shardsInFlight": SHARDS, "deadline": "3h"}
    settings = {
        "limits": limits,
        "policy": {"warnOnly": True},  # no report is ever written
        "argo": {"quota": {"pods": 5000, "cpu": "5000", "memory": "5Ti", "memoryLimit": "50Ti"}},
    }
    return make_site(
        folder,
        NAME,
        upstream,
        csv=f"image,scans\none:1,{';'.join(SCANS)}\n",
        templates={scan: quick.scan(scan, retries=0) for scan in SCANS},
        settings=settings,
    )


def _measure(site: Site, cells: int) -> float:
    """One run of this many cells; the controller's CPU in seconds."""
    _place(site)
    run = f"cells-{cells}"
    plan = _plan(quick.plan(site, run, ["one"], SCANS), cells // len(SCANS))
    processes = (costs.CONTROLLER, costs.API_SERVER, costs.ETCD)
    began, before = time.monotonic(), {each: costs.cpu(each) for each in processes}
    orchestrator.submit(plan, site.config)
    phase = site.wait(run, seconds=3 * 3600)
    wall = time.monotonic() - began
    spent = {each: costs.cpu(each) - before[each] for each in processes}
    assert phase == "Succeeded", phase
    assert len(site.ledger(run).rows) == cells
    size = costs.size(site, run)
    costs.row([
        str(cells), str(size.workflows), str(size.pods), f"{wall:.0f}", f"{size.pods / wall:.1f}",
        f"{spent[costs.CONTROLLER]:.0f}", f"{spent[costs.CONTROLLER] / cells * 1000:.0f}",
        f"{spent[costs.API_SERVER]:.0f}", f"{spent[costs.ETCD]:.0f}", f"{costs.memory(costs.CONTROLLER):.0f}",
        f"{size.largest / 1000:.0f}", f"{_seconds(site, run, 'aggregate'):.0f}",
    ])  # fmt: skip
    site.scanmatrix("delete", run)
    return spent[costs.CONTROLLER]


def _place(site: Site) -> None:
    """Have pulls and scans placed on the simulated node."""
    template = json.loads(site.kubectl("get", "workflowtemplate", "scanmatrix", "-o", "json"))
    for each in template["spec"]["templates"]:
        if each["name"].startswith(_PLACED):
            each.update(simulation.PLACED)
    site.kubectl("replace", "-f", "-", stdin=json.dumps(template))


def _plan(one: Plan, images: int) -> Plan:
    """A plan of this many images that are nowhere."""
    targets = []
    for number in range(images):
        digest = hashlib.sha256(f"{one.run} {number}".encode()).hexdigest()
        names = (Name(f"docker.io/library/simulated-{number:04}:1"),)
        targets.append(msgspec.structs.replace(one.targets[0], id=digest[:32], digest=f"sha256:{digest}", names=names))
    targets.sort(key=lambda target: target.id)
    cells = tuple(Cell(target=target.id, scan=scan) for target in targets for scan in sorted(SCANS))
    return msgspec.structs.replace(
        one, targets=tuple(targets), cells=cells, waves=(tuple(target.id for target in targets),)
    )


def _seconds(site: Site, run: str, template: str) -> float:
    """How long the pod of a template took."""
    for node in nodes(site.cluster.workflow(run)).values():
        if node.type == "Pod" and node.template_name == template:
            began, ended = (datetime.fromisoformat(each or "") for each in (node.started_at, node.finished_at))
            return (ended - began).total_seconds()
    return float("nan")


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]] or [1000, 10_000]))
