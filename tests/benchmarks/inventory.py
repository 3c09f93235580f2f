"""What it takes to find out what runs in a cluster, against listing the same pods by kubectl.

python -m tests.benchmarks inventory [PODS]        default 5000; ten pods a workload, five namespaces

The pods are objects of the real API server on a node without a kubelet: nothing of them runs, but they say so.

Needs the cluster of `make cluster`.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import urllib3

from tests.benchmarks import costs
from tests.cluster.addons import kubectl
from tests.cluster.state import API_SERVER, State, default_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_NODE = "inventory"
_NAMESPACES = 5
_PODS_A_WORKLOAD = 10
_WORKERS = 8
_PROGRAM = """
import resource, time
began = time.perf_counter()
from orchestrator.inventory.landscape import Landscape
from orchestrator.sections import ClusterSource
ready = time.perf_counter()
found = list(Landscape(ClusterSource(namespaces=["inventory-*"]), None, ()).images())
done = time.perf_counter()
workloads = len({(each.namespace, each.workload) for each in found})
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(len(found), workloads, len({each.digest for each in found}), ready - began, done - ready, memory)
"""


def main(pods: int) -> int:
    """Make the pods, find them, and take them away; a table on stdout."""
    if not default_folder().exists():
        sys.stdout.write("skipped: there is no cluster; make one by `make cluster`\n")
        return 0
    state = State(default_folder())
    os.environ["KUBECONFIG"] = str(state.kubeconfig)
    with _pods(state, pods):
        costs.head("how", "pods", "workloads", "digests", "start s", "list s", "MB", words=1)
        for _ in range(3):
            done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
            count, workloads, digests, start, listing, memory = done.stdout.split()
            assert int(count) == pods
            costs.row(["inventory", count, workloads, digests, f"{float(start):.2f}", f"{float(listing):.2f}",
                       f"{float(memory):.0f}"])  # fmt: skip
        began = time.perf_counter()
        kubectl(state, "get", "pods", "-A", "-o", "json")
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
        costs.row(["kubectl get pods -o json", str(pods), "", "", "", f"{time.perf_counter() - began:.2f}",
                   f"{children:.0f}"])  # fmt: skip
    return 0


@contextmanager
def _pods(state: State, count: int) -> Iterator[None]:
    """So many pods that say they run, each with an owner that is there."""
    config = json.loads(state.kubeconfig.read_text())
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    authority = config["clusters"][0]["cluster"]["certificate-authority"]
    http = urllib3.PoolManager(headers=headers, ca_certs=authority, maxsize=_WORKERS)
    names = [f"inventory-{number}" for number in range(_NAMESPACES)]

    def make(number: int) -> None:
        workload = number // _PODS_A_WORKLOAD
        namespace = names[workload % _NAMESPACES]
        base = f"{API_SERVER}/api/v1/namespaces/{namespace}/pods"
        pod = _pod(f"pod-{number}", *owners[workload])
        _ask(http, "POST", base, pod)
        _ask(http, "PATCH", f"{base}/pod-{number}/status", _status(workload))

    try:
        kubectl(
            state,
            "apply",
            "-f",
            "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE}}),
        )
        owners = []
        for namespace in names:
            kubectl(state, "create", "namespace", namespace)
        for number in range(-(-count // _PODS_A_WORKLOAD)):
            url = f"{API_SERVER}/api/v1/namespaces/{names[number % _NAMESPACES]}/configmaps"
            made = _ask(http, "POST", url, {"metadata": {"name": f"workload-{number}"}})
            owners.append((made["metadata"]["name"], made["metadata"]["uid"]))
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(make, range(count)))
        yield
    finally:
        kubectl(state, "delete", "node", _NODE, "--ignore-not-found")
        for namespace in names:
            kubectl(state, "delete", "pods", "--all", "-n", namespace, "--force", "--grace-period=0", "--wait=false")
            kubectl(state, "delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def _pod(name: str, owner: str, uid: str) -> dict[str, Any]:
    """A pod with what pods usually have: labels, annotations, some environment."""
    environment = [{"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(20)]
    return {
        "metadata": {
            "name": name,
            "labels": {"app": name, "pod-template-hash": "5f6d8c7b9"},
            "annotations": {"checksum/config": hashlib.sha256(name.encode()).hexdigest()},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "controller": True}
            ],
        },
        "spec": {
            "nodeName": _NODE,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": f"registry.example.com/{name}:1", "env": environment}],
        },
    }


def _status(workload: int) -> dict[str, Any]:
    digest = hashlib.sha256(str(workload).encode()).hexdigest()
    image = f"registry.example.com/workload-{workload}"
    status = {
        "name": "main", "image": f"{image}:1", "imageID": f"{image}@sha256:{digest}", "ready": True, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    }  # fmt: skip
    return {"status": {"phase": "Running", "containerStatuses": [status]}}


def _ask(http: urllib3.PoolManager, method: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {**http.headers, "Content-Type": "application/merge-patch+json"} if method == "PATCH" else None
    answer = http.request(method, url, json=body, headers=headers)
    assert answer.status < 300, answer.data[:300]
    return dict(json.loads(answer.data))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
