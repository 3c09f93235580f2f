"""Pods that nothing runs: kwok plays the kubelet of a node of its own, and we play the executor beside each container.

For benchmarks of what a great many pods cost those that look after them. A pod on this node ends well a second after it
was placed there. Argo 3.7 then waits for what its executor reports of it (`taskResultSynced` in its
`workflow/controller/taskresult.go`), which nobody does here unless we do.
"""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import urllib3

from tests.cluster import processes
from tests.cluster.addons import kubectl
from tests.cluster.control_plane import tool
from tests.cluster.state import API_SERVER, State

NODE = "simulated"
_KWOK = "kwok"
_ANNOTATION = "kwok.x-k8s.io/node"
#: What a pod needs to be placed there and nowhere else; merge it into a template of a Workflow.
PLACED = {
    "nodeSelector": {"kubernetes.io/hostname": NODE},
    "tolerations": [{"key": NODE, "operator": "Exists", "effect": "NoSchedule"}],
}
_WORKERS = 4
_WORKFLOW = "workflows.argoproj.io/workflow"
_NODE_ID = "workflows.argoproj.io/node-id"
_REPORTED = "workflows.argoproj.io/report-outputs-completed"
_STAGES = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ends}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: NotIn, values: [Succeeded, Failed]}
  delay: {durationMilliseconds: 1000}
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Succeeded
      startTime: {{ $now }}
      conditions:
      - {type: PodScheduled, status: "True", lastTransitionTime: {{ $now }}}
      - {type: Initialized, status: "True", lastTransitionTime: {{ $now }}, reason: PodCompleted}
      - {type: Ready, status: "False", lastTransitionTime: {{ $now }}, reason: PodCompleted}
      {{ if .spec.initContainers }}
      initContainerStatuses:
      {{ range .spec.initContainers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: simulated
        ready: true
        restartCount: 0
        state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now }}, finishedAt: {{ $now }}}}
      {{ end }}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: simulated
        ready: false
        restartCount: 0
        state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now }}, finishedAt: {{ $now }}}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-goes}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: Exists}
  next: {delete: true}
"""


@contextmanager
def node(state: State) -> Iterator[None]:
    """A node whose pods end well at once."""
    config = state.folder / "etc" / "kwok.yaml"
    config.write_text(_STAGES)
    processes.spawn(
        state,
        _KWOK,
        [
            tool("kwok"),
            f"--kubeconfig={state.kubeconfig}",
            f"--config={config}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={_ANNOTATION}=fake",
            "--server-address=127.0.0.1:10247",
            "--enable-crds=",
        ],
    )
    try:
        kubectl(state, "apply", "-f", "-", stdin=json.dumps(_node()))
        kubectl(state, "wait", f"node/{NODE}", "--for=condition=Ready", "--timeout=60s")
        yield
    finally:
        kubectl(state, "delete", "node", NODE, "--ignore-not-found")
        processes.stop(state, _KWOK)


def _node() -> dict[str, object]:
    room = {"cpu": "10000", "memory": "100Ti", "pods": "20000", "ephemeral-storage": "100Ti"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "annotations": {_ANNOTATION: "fake"},
            "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"},
        },
        "spec": {"taints": [{"key": NODE, "value": "true", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room},
    }


@contextmanager
def executors(state: State, namespace: str) -> Iterator[None]:
    """What Argo's executor reports of each container that ended well, for the pods of the simulated node."""
    ended: queue.Queue[dict[str, object] | None] = queue.Queue()
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(state, namespace, ended, stop), daemon=True)
    workers = [threading.Thread(target=_report, args=(state, namespace, ended), daemon=True) for _ in range(_WORKERS)]
    for thread in (watcher, *workers):
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for _ in workers:
            ended.put(None)
        for thread in (*workers, watcher):
            thread.join()


def _watch(state: State, namespace: str, ended: "queue.Queue[dict[str, object] | None]", stop: threading.Event) -> None:
    """Put every pod that has ended into the queue, once."""
    http, seen = _connection(state), set()
    url = f"{API_SERVER}/api/v1/namespaces/{namespace}/pods"
    fields = {"watch": "true", "timeoutSeconds": "5", "fieldSelector": f"spec.nodeName={NODE},status.phase=Succeeded"}
    while not stop.is_set():
        with suppress(urllib3.exceptions.HTTPError):
            answer = http.request("GET", url, fields=fields, preload_content=False)
            for line in answer:
                metadata = json.loads(line)["object"].get("metadata", {})
                if (key := metadata.get("annotations", {}).get(_NODE_ID)) and key not in seen:
                    seen.add(key)
                    ended.put(metadata)


def _report(state: State, namespace: str, ended: "queue.Queue[dict[str, object] | None]") -> None:
    """Write a WorkflowTaskResult for each pod of the queue."""
    http = _connection(state)
    url = f"{API_SERVER}/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflowtaskresults"
    while (metadata := ended.get()) is not None:
        result = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "WorkflowTaskResult",
            "metadata": {
                "name": metadata["annotations"][_NODE_ID],  # type: ignore[index]
                "labels": {_WORKFLOW: metadata["labels"][_WORKFLOW], _REPORTED: "true"},  # type: ignore[index]
            },
            "outputs": {"exitCode": "0"},
        }
        http.request("POST", url, json=result)


def _connection(state: State) -> urllib3.PoolManager:
    config = json.loads(Path(state.kubeconfig).read_text())
    token = config["users"][0]["user"]["token"]
    authority = config["clusters"][0]["cluster"]["certificate-authority"]
    return urllib3.PoolManager(headers={"Authorization": f"Bearer {token}"}, ca_certs=authority)
