"""What it takes to find out what runs in a cluster.

python -m tests.benchmarks.inventory [PODS] [--cluster]        default 5000; ten pods a workload, five namespaces

By default the API server is the tests' own on loopback, which answers as fast as Python can. With `--cluster` it is
the real one of `make cluster`, on a node without a kubelet (nothing of the pods runs, but they say so), and kubectl
lists the same pods for comparison. What is paid once per process, whatever the cluster holds, stands by itself: our own
modules, and the `kubernetes` package, whose hundreds of classes take about 2 s to import.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from tests.benchmarks import costs
from tests.cluster.addons import kubectl
from tests.cluster.state import API_SERVER, State, default_folder
from tests.integration import kube_api
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.kube_api import KubeApi

_NODE = "inventory"
_NAMESPACES = tuple(f"inventory-{number}" for number in range(5))
_PODS_A_WORKLOAD = 10
_WORKERS = 8
_PATIENCE = 30.0
_REPEATS = 3
# Its highest memory is read from /proc, because rusage hands down what the parent had when it forked.
_PROGRAM = """
import re, sys, time
began = time.perf_counter()
from orchestrator.config.loading import default_config
from orchestrator.inventory import collect
config = default_config(environment={}, targets=[{"cluster": {"namespaces": ["inventory-*"]}}])
started = time.perf_counter()
import orchestrator.inventory.cluster
ready, busy = time.perf_counter(), time.process_time()
found = collect(config)
done = time.perf_counter()
memory = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1000
counts = len(found), len({entry.reference for entry in found})
print(*counts, started - began, ready - started, done - ready, time.process_time() - busy, memory)
"""


def main() -> int:
    """Make the pods, find them, and take them away; a table on stdout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pods", type=int, nargs="?", default=5000)
    parser.add_argument("--cluster", action="store_true")
    options = parser.parse_args()
    if options.cluster and not default_folder().exists():
        sys.stdout.write("skipped: there is no cluster; make one by `make cluster`\n")
        return 0
    costs.head("how", "pods", "workloads", "digests", "start s", "kubernetes s", "inventory s", "CPU s", "MB",
               words=1)  # fmt: skip
    if options.cluster:
        state = State(default_folder())
        with _pods_of_cluster(state, options.pods):
            _measure("the cluster's API server", state.kubeconfig, options.pods)
            _measure_kubectl(state.kubeconfig, options.pods)
    else:
        with tempfile.TemporaryDirectory() as folder, kube_api.serve(Path(folder)) as (api, kubeconfig):
            _make_pods(api, options.pods)
            _measure("loopback API server", kubeconfig, options.pods)
    return 0


def _measure(how: str, kubeconfig: Path, pods: int) -> None:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    for _ in range(_REPEATS):
        done = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, stdout=subprocess.PIPE, check=True)
        workloads, digests, *seconds, memory = done.stdout.decode().split()
        assert int(workloads) == int(digests) == -(-pods // _PODS_A_WORKLOAD)
        costs.row([how, str(pods), workloads, digests, *(f"{float(each):.2f}" for each in seconds),
                   f"{float(memory):.0f}"])  # fmt: skip


def _measure_kubectl(kubeconfig: Path, pods: int) -> None:
    command = [str(require("kubectl")), f"--kubeconfig={kubeconfig}", "get", "pods", "-A", "-o", "json"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    costs.row(["kubectl get pods -o json", str(pods), "", "", "", "", f"{time.perf_counter() - began:.2f}",
               f"{used.ru_utime + used.ru_stime:.2f}", f"{used.ru_maxrss / 1000:.0f}"])  # fmt: skip


def _make_pods(api: KubeApi, count: int) -> None:
    """This many pods, each of a ReplicaSet of a Deployment, as the API server would list them."""
    api.kinds = {"apps/v1": {"ReplicaSet": "replicasets", "Deployment": "deployments"}}
    api.others = {"namespaces": [{"metadata": {"name": name, "uid": name}} for name in _NAMESPACES]}
    numbers = range(-(-count // _PODS_A_WORKLOAD))
    api.others["deployments"] = [{"metadata": _metadata(f"shop-{number}", number)} for number in numbers]
    api.others["replicasets"] = [
        {"metadata": _metadata(f"shop-{number}-5f", number, owner=("Deployment", f"shop-{number}"))}
        for number in numbers
    ]
    for number in range(count):
        workload = number // _PODS_A_WORKLOAD
        metadata = _metadata(f"shop-{number}", workload, owner=("ReplicaSet", f"shop-{workload}-5f"))
        api.pods.append({"metadata": metadata | _said(number), "spec": _spec(number), "status": _status(workload)})


def _metadata(name: str, workload: int, owner: tuple[str, str] | None = None) -> dict[str, Any]:
    """With `managedFields` of about the size they have, which nobody needs and everybody gets."""
    fields = {f"f:field-{number}": {".": {}, "f:name": {}, "f:value": {}} for number in range(30)}
    made = {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "fieldsV1": fields}
    found = {
        "name": name,
        "namespace": _NAMESPACES[workload % len(_NAMESPACES)],
        "uid": hashlib.md5(name.encode()).hexdigest(),
        "resourceVersion": "1",
        "managedFields": [made],
    }
    if owner is not None:
        kind, owner_name = owner
        uid = hashlib.md5(owner_name.encode()).hexdigest()
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": owner_name, "uid": uid, "controller": True}
        found["ownerReferences"] = [reference]
    return found


@contextmanager
def _pods_of_cluster(state: State, count: int) -> Iterator[None]:
    """This many pods that say they run, each with an owner that is there."""
    config = json.loads(state.kubeconfig.read_text())
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    authority = config["clusters"][0]["cluster"]["certificate-authority"]
    http = urllib3.PoolManager(headers=headers, ca_certs=authority, maxsize=_WORKERS)

    def make(number: int) -> None:
        workload = number // _PODS_A_WORKLOAD
        base = f"{API_SERVER}/api/v1/namespaces/{_NAMESPACES[workload % len(_NAMESPACES)]}/pods"
        name, uid = owners[workload]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "controller": True}
        metadata = {"name": f"pod-{number}", "ownerReferences": [owner], **_said(number)}
        _ask(http, "POST", base, {"metadata": metadata, "spec": _spec(number)})
        _ask(http, "PATCH", f"{base}/pod-{number}/status", {"status": _status(workload)})

    try:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE}}
        kubectl(state, "apply", "-f", "-", stdin=json.dumps(node))
        for namespace in _NAMESPACES:
            kubectl(state, "create", "namespace", namespace)
        owners = []
        for number in range(-(-count // _PODS_A_WORKLOAD)):
            url = f"{API_SERVER}/api/v1/namespaces/{_NAMESPACES[number % len(_NAMESPACES)]}/configmaps"
            made = _ask(http, "POST", url, {"metadata": {"name": f"workload-{number}"}})
            owners.append((made["metadata"]["name"], made["metadata"]["uid"]))
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(make, range(count)))
        yield
    finally:
        kubectl(state, "delete", "node", _NODE, "--ignore-not-found")
        for namespace in _NAMESPACES:
            kubectl(state, "delete", "pods", "--all", "-n", namespace, "--force", "--grace-period=0", "--wait=false")
            kubectl(state, "delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def _said(number: int) -> dict[str, Any]:
    """Labels and annotations that pods usually have."""
    checksum = hashlib.sha256(str(number).encode()).hexdigest()
    labels = {"app": f"pod-{number}", "pod-template-hash": "5f6d8c7b9"}
    return {"labels": labels, "annotations": {"checksum/config": checksum}}


def _spec(number: int) -> dict[str, Any]:
    environment = [{"name": f"VARIABLE_{each}", "value": "x" * 40} for each in range(20)]
    return {
        "nodeName": _NODE,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "main", "image": f"registry.example.com/pod-{number}:1", "env": environment}],
    }


def _status(workload: int) -> dict[str, Any]:
    digest = hashlib.sha256(str(workload).encode()).hexdigest()
    image = f"registry.example.com/workload-{workload}"
    status = {
        "name": "main", "image": f"{image}:1", "imageID": f"{image}@sha256:{digest}", "ready": True, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    }  # fmt: skip
    return {"phase": "Running", "containerStatuses": [status]}


def _ask(http: urllib3.PoolManager, method: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask, and once more where the controller manager has not given a new namespace its account yet."""
    headers = {**http.headers, "Content-Type": "application/merge-patch+json"} if method == "PATCH" else None
    deadline = time.monotonic() + _PATIENCE
    while (answer := http.request(method, url, json=body, headers=headers)).status == 403:
        assert time.monotonic() < deadline, answer.data[:300]
        time.sleep(0.2)
    assert answer.status < 300, answer.data[:300]
    return dict(json.loads(answer.data))


if __name__ == "__main__":
    sys.exit(main())
