"""What orchestration costs: cells on the real cluster by Argo in both layouts, and the same pods as plain Jobs.

python -m tests.benchmarks.orchestration [CELLS…]        default 12 100 500; four scans an image

Needs the cluster of `make cluster`. The scans look for nothing, so what is measured is everything around them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orchestrator
from orchestrator.cluster.nodes import nodes
from orchestrator.steps.plan import write_plan
from tests.cluster.images import ORCHESTRATOR
from tests.cluster.state import NODE_IP, State, default_folder
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools.proxy import Proxy
from tests.tools.servers import start_registry
from tests.tools.upstream import Upstream

SCANS = ("one", "two", "three", "four")
IN_FLIGHT = 4  # images; so at most 16 scanners' pods, on 2 cores
_TICKS = os.sysconf("SC_CLK_TCK")
#: Starts a command with the value of this pod's index behind it.
_PICK = (
    "import os,sys; at=int(os.environ['JOB_COMPLETION_INDEX']); _, values, *command = sys.argv;"
    "os.execvp(command[0], [*command, values.split(',')[at]])"
)


def main(sizes: list[int]) -> int:
    """Measure each size in each way; a table on stdout."""
    if not default_folder().exists():
        sys.stdout.write("skipped: there is no cluster; make one by `make cluster`\n")
        return 0
    os.environ["KUBECONFIG"] = str(State(default_folder()).kubeconfig)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        registry = stack.enter_context(start_registry(folder / "upstream", "upstream", protected=True))
        proxy = stack.enter_context(Proxy(registry.url, address=NODE_IP))
        upstream = Upstream(registry, proxy)
        images = [f"bench-{number}" for number in range(max(sizes) // len(SCANS))]
        quick.push(upstream, *images)
        sys.stdout.write(
            "| cells | how | pods | pods/cell | wall s | s/cell | controller CPU s | ms/cell | status bytes/node |\n"
            "|---:|---|---:|---:|---:|---:|---:|---:|---:|\n"
        )
        for size in sizes:
            some = images[: size // len(SCANS)]
            results = {}
            for layout in ("cell", "image"):
                site = stack.enter_context(_site(folder, f"bench-{layout}-{size}", upstream, layout))
                results[f"layout: {layout}"] = _argo(site, f"{layout}-{size}", some)
                if layout == "cell":
                    results["plain Jobs"] = _jobs(site, f"jobs-{size}", some)
            for how, found in results.items():
                _print(size, how, found)
            cell, image, jobs = (results[how]["wall"] for how in ("layout: cell", "layout: image", "plain Jobs"))
            sys.stdout.write(f"\n{size} cells: layout cell takes {cell / jobs:.2f}× the time of plain Jobs,"
                             f" layout image {cell / image:.1f}× less than layout cell\n\n")  # fmt: skip
            sys.stdout.flush()
    return 0


def _site(folder: Path, name: str, upstream: Upstream, layout: str) -> Any:
    (folder / name).mkdir()
    csv = f"image,scans\nbench-0:1,{';'.join(SCANS)}\n"  # so that the template knows which scans go together
    limits = {"imagesInFlight": IN_FLIGHT, "deadline": "2h"}
    scans = {scan: quick.scan(scan) for scan in SCANS}
    settings = {"limits": limits, "layout": layout}
    return make_site(folder / name, name, upstream, csv=csv, templates=scans, settings=settings)


def _argo(site: Site, run: str, images: list[str]) -> dict[str, float]:
    """One run, from the submission to its ledger."""
    plan = quick.plan(site, run, images, SCANS)
    began, cpu = time.monotonic(), _controller_cpu()
    orchestrator.submit(plan, site.config)
    assert site.wait(run, seconds=7200) == "Succeeded"
    wall, spent = time.monotonic() - began, _controller_cpu() - cpu
    assert all(row.outcome == "ok" for row in site.ledger(run).rows)
    raw = json.loads(site.kubectl("get", "workflow", run, "-o", "json"))
    found = nodes(site.cluster.workflow(run)).values()
    size = len(raw["status"].get("compressedNodes") or json.dumps(raw["status"].get("nodes"), separators=(",", ":")))
    return {
        "wall": wall,
        "cpu": spent,
        "pods": sum(node.type == "Pod" for node in found),
        "bytes": size / len(found),
    }


def _jobs(site: Site, run: str, images: list[str]) -> dict[str, float]:
    """The same containers as indexed Jobs: all pulls, then all cells, as many at a time as the runs have."""
    plan = quick.plan(site, run, images, SCANS)
    write_plan(plan, site.volume)
    for folder, _, names in os.walk(site.storage):  # as if a pod had written it
        for path in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118
            os.chown(path, 65532, 65532, follow_symlinks=False)
    targets = [target.id for target in plan.targets]
    step = ["scanmatrix-step", "--volume", "/volume", "--run", run, "--target"]
    pull = _container("pull", targets, [step[0], "pull", *step[1:]])
    began = time.monotonic()
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
    return {"wall": time.monotonic() - began, "cpu": 0.0, "pods": len(targets) * (1 + len(SCANS)), "bytes": 0.0}


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
        "parallelism": IN_FLIGHT,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    site.kubectl("apply", "-f", "-", stdin=json.dumps(job))


def _wait(site: Site, job: str) -> None:
    site.kubectl("wait", "--for=condition=complete", f"job/{job}", "--timeout=3600s")


def _controller_cpu() -> float:
    """Seconds of CPU that Argo's controller has taken; it runs on this machine."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if (stat.parent / "comm").read_text().strip() == "workflow-contro":
                fields = stat.read_text().rpartition(")")[2].split()
                return (int(fields[11]) + int(fields[12])) / _TICKS
        except OSError:
            continue
    raise RuntimeError("Argo's controller does not run on this machine")


def _print(size: int, how: str, found: dict[str, float]) -> None:
    cpu = f"{found['cpu']:.1f} | {found['cpu'] / size * 1000:.0f}" if found["cpu"] else " | "
    node = f"{found['bytes']:.0f}" if found["bytes"] else ""
    sys.stdout.write(
        f"| {size} | {how} | {found['pods']:.0f} | {found['pods'] / size:.2f} | {found['wall']:.0f} |"
        f" {found['wall'] / size:.2f} | {cpu} | {node} |\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]] or [12, 100, 500]))
