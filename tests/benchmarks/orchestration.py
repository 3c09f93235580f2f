"""What orchestration costs: cells on the real cluster by Argo in both layouts, and the same pods as plain Jobs.

python -m tests.benchmarks.orchestration [CELLS…]        default 12 100 500; four scans an image

Needs the cluster of `make cluster`. The scans look for nothing, so what is measured is everything around them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import orchestrator
from orchestrator.upkeep.plans import write_plan
from tests.benchmarks import costs
from tests.benchmarks.costs import SCANS
from tests.cluster.images import ORCHESTRATOR, REGISTRY, bring, builders
from tests.cluster.state import NODE_IP, State, default_folder
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools.upstream import Upstream, start_upstream

#: Images, by layout; in `cell` up to four scanners' pods each. The fastest on a node with 2 cores, see docs/scale.md.
IN_FLIGHT = {"cell": 4, "image": 12}
_COLUMNS = ("how", "cells", "pods", "pods/cell", "wall s", "s/cell", "CPU s", "ms/cell", "status bytes/node")
#: As long as the kernel keeps names.
JOBS_CONTROLLER = "kube-controller"
#: Starts a command with the value of this pod's index behind it.
_PICK = (
    "import os,sys; at=int(os.environ['JOB_COMPLETION_INDEX']); _, values, *command = sys.argv;"
    "os.execvp(command[0], [*command, values.split(',')[at]])"
)


class Cost(NamedTuple):
    """What some cells cost.

    Attributes:
        wall: seconds.
        pods: there were.
        cpu: seconds of the controller that made them: Argo's, or Kubernetes's own for Jobs.
        node: bytes of status a node.
    """

    wall: float
    pods: int
    cpu: float
    node: float = 0.0


def main(sizes: list[int]) -> int:
    """Measure each size in each way; a table on stdout."""
    if not default_folder().exists():
        sys.stdout.write("skipped: there is no cluster; make one by `make cluster`\n")
        return 0
    state = State(default_folder())
    os.environ["KUBECONFIG"] = str(state.kubeconfig)
    for name in (ORCHESTRATOR, REGISTRY):
        bring(state, name, builders()[name])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(start_upstream(folder / "upstream", NODE_IP))
        images = [f"bench-{number}" for number in range(max(sizes) // len(SCANS))]
        quick.push(upstream, *images)
        sites = {layout: stack.enter_context(_site(folder, layout, upstream)) for layout in IN_FLIGHT}
        costs.head(*_COLUMNS, words=1)
        compared = []
        for size in sizes:
            some = images[: size // len(SCANS)]
            jobs = _jobs(sites["cell"], f"jobs-{size}", some)
            _print("plain Jobs", size, jobs)
            found = {layout: _argo(site, f"{layout}-{size}", some) for layout, site in sites.items()}
            for layout, each in found.items():
                _print(f"layout: {layout}", size, each)
            compared.append(_compare(size, found["cell"], found["image"], jobs))
        sys.stdout.write("\n" + "".join(f"{line}\n" for line in compared))
    return 0


def _compare(size: int, cell: Cost, image: Cost, jobs: Cost) -> str:
    """What it all comes to."""
    wall, spent = cell.wall / image.wall, cell.cpu / image.cpu
    pods = cell.pods / image.pods
    return (
        f"{size} cells: layout cell takes {cell.wall / jobs.wall:.2f}× the time of plain Jobs; "
        f"layout image takes {wall:.1f}× less time than layout cell, {spent:.1f}× less of the controller's CPU, "
        f"{pods:.1f}× fewer pods"
    )


def _site(folder: Path, layout: str, upstream: Upstream) -> Any:
    name = f"bench-{layout}"
    (folder / name).mkdir()
    csv = f"image,scans\nbench-0:1,{';'.join(SCANS)}\n"  # so that the template knows which scans go together
    limits = {"imagesInFlight": IN_FLIGHT[layout], "deadline": "2h"}
    scans = {scan: quick.scan(scan) for scan in SCANS}
    settings = {"limits": limits, "layout": layout}
    return make_site(folder / name, name, upstream, csv=csv, templates=scans, settings=settings)


def _argo(site: Site, run: str, images: list[str]) -> Cost:
    """One run, from the submission to its ledger."""
    _forget_images(site)
    plan = quick.plan(site, run, images, SCANS)
    began, before = time.monotonic(), costs.cpu(costs.CONTROLLER)
    orchestrator.submit(plan, site.config)
    assert site.wait(run, seconds=7200) == "Succeeded"
    wall, spent = time.monotonic() - began, costs.cpu(costs.CONTROLLER) - before
    assert all(row.outcome == "ok" for row in site.ledger(run).rows)
    size = costs.size(site, run)
    return Cost(wall, size.pods, spent, size.status / size.nodes)


def _jobs(site: Site, run: str, images: list[str]) -> Cost:
    """The same containers as indexed Jobs: all pulls, then all cells, as many at a time as the runs have."""
    _forget_images(site)
    plan = quick.plan(site, run, images, SCANS)
    write_plan(plan, site.volume)
    for folder, _, names in os.walk(site.storage):  # as if a pod had written it
        for path in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118
            os.chown(path, 65532, 65532, follow_symlinks=False)
    targets = [target.id for target in plan.targets]
    step = ["scanmatrix-step", "--volume", "/volume", "--run", run, "--target"]
    pull = _container("pull", targets, [step[0], "pull", *step[1:]])
    began, before = time.monotonic(), costs.cpu(JOBS_CONTROLLER)
    _start(site, f"{run}-pull", len(targets), [pull])
    _wait(site, f"{run}-pull")
    for scan in SCANS:
        stage = _container("stage", targets, [step[0], "stage", "--no-pull", "--scan", scan, *step[1:]])
        reports = [f"/volume/runs/{run}/{target}/{scan}/report.json" for target in targets]
        _start(
            site, f"{run}-{scan}", len(targets), [stage, _container("main", reports, quick.scan(scan)["command"][:3])]
        )
    for scan in SCANS:
        _wait(site, f"{run}-{scan}")
    return Cost(time.monotonic() - began, len(targets) * (1 + len(SCANS)), costs.cpu(JOBS_CONTROLLER) - before)


def _forget_images(site: Site) -> None:
    """Each way pulls them itself."""
    for name in ("blobs", "layers"):
        shutil.rmtree(site.storage / name, ignore_errors=True)


def _container(name: str, values: list[str], command: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": ORCHESTRATOR,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _PICK, ",".join(values), *command],
        "env": [
            {"name": "TMPDIR", "value": "/tmp"},
            {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {
                "fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}},
        ],
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [{"name": "volume", "mountPath": "/volume"}, {"name": "tmp", "mountPath": "/tmp"}],
        "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True,
            "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
        },
    }  # fmt: skip


def _start(site: Site, name: str, count: int, containers: list[dict[str, Any]]) -> None:
    """An indexed Job; the last container is the pod's own, those before it come first."""
    pod = {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "runAsNonRoot": True},
        "initContainers": containers[:-1],
        "containers": containers[-1:],
        "volumes": [
            {"name": "volume", "persistentVolumeClaim": {"claimName": "scanmatrix"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    labels = {"app.kubernetes.io/part-of": "scanmatrix", "app.kubernetes.io/component": "pull"}
    spec = {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": IN_FLIGHT["cell"],
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    site.kubectl("apply", "-f", "-", stdin=json.dumps(job))


def _wait(site: Site, job: str) -> None:
    site.kubectl("wait", "--for=condition=complete", f"job/{job}", "--timeout=3600s")


def _print(how: str, cells: int, found: Cost) -> None:
    costs.row([
        how, str(cells), str(found.pods), f"{found.pods / cells:.2f}", f"{found.wall:.0f}", f"{found.wall / cells:.2f}",
        f"{found.cpu:.1f}", f"{found.cpu / cells * 1000:.0f}", f"{found.node:.0f}" if found.node else "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]] or [12, 100, 500]))
