"""What goes wrong in a cluster, made to happen; whatever is a `with` is undone when it ends.

Only the cluster of `python -m tests.cluster` can be treated like this: the functions need its `State`.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import containers, control_plane, host, node, processes
from tests.cluster.addons import await_rollout, kubectl
from tests.cluster.processes import ClusterError
from tests.cluster.state import NODE, State
from tests.tools import find

API_SERVER = "kube-apiserver"
#: User and group of the pods that scanmatrix starts.
_OWNER = 65532
_LABELS = "io.kubernetes.{}"


@contextmanager
def api_server_away(state: State) -> Iterator[None]:
    """The API server is killed; a new one starts at the end."""
    processes.stop(state, API_SERVER, how=signal.SIGKILL)
    try:
        yield
    finally:
        control_plane.start_api_server(state)


def crash_containerd(state: State) -> None:
    """containerd is killed, and starts again; containers live on. Returns once it answers the kubelet."""
    processes.stop(state, "containerd", how=signal.SIGKILL)
    node.start_containerd(state)


def crash_kubelet(state: State) -> None:
    """The kubelet is killed, and starts again. Returns once the node is ready."""
    processes.stop(state, "kubelet", how=signal.SIGKILL)
    node.start_kubelet(state)


@contextmanager
def frozen(state: State, name: str) -> Iterator[None]:
    """A process of the cluster (`kube-apiserver`, `etcd`, `kubelet`, …) answers nobody, and does not end."""
    processes.tell(state, name, signal.SIGSTOP)
    try:
        yield
    finally:
        processes.tell(state, name, signal.SIGCONT)


@contextmanager
def away(state: State, namespace: str, deployment: str) -> Iterator[None]:
    """A Deployment has no pods: a cache, the workflow controller, the name server."""
    spec = json.loads(kubectl(state, "get", "deployment", deployment, "-n", namespace, "-o=json"))["spec"]
    pods = ",".join(f"{key}={value}" for key, value in spec["selector"]["matchLabels"].items())
    scale = ("scale", "-n", namespace, f"deployment/{deployment}")
    kubectl(state, *scale, "--replicas=0")
    try:
        kubectl(state, "wait", "pods", "-n", namespace, f"--selector={pods}", "--for=delete", "--timeout=60s")
        yield
    finally:
        kubectl(state, *scale, f"--replicas={spec['replicas']}")
        await_rollout(state, namespace, deployment)


def crash(state: State, namespace: str, selector: str) -> set[str]:
    """Kill the pods that a label selector chooses, without a word of warning, such as `app=workflow-controller`.

    Returns:
        Their names.

    Raises:
        ClusterError: there are none.
    """
    names = _pods(state, namespace, selector)
    if not names:
        raise ClusterError(f"no pod of {namespace} is {selector}")
    kubectl(state, "delete", "pods", "-n", namespace, "--force", "--grace-period=0", *sorted(names))
    return names


def crash_controller(state: State) -> None:
    """Argo's workflow controller dies, and another one comes.

    Raises:
        ClusterError: it does not come.
    """
    where = ("argo", "app=workflow-controller")
    dead = crash(state, *where)
    if not processes.wait_until(lambda: bool(_pods(state, *where, ready=True) - dead), 60):
        raise ClusterError("the workflow controller did not come back")


def kill_container(state: State, namespace: str, pod: str, container: str = "main") -> None:
    """One container of a pod dies by SIGKILL, as when the node runs out of memory; the others do not notice.

    Raises:
        ClusterError: it does not run.
    """
    labels = {"pod.namespace": namespace, "pod.name": pod, "container.name": container}
    wanted = ",".join(f'labels."{_LABELS.format(key)}"=={value}' for key, value in labels.items())
    running = set(containers.ctr(state, "tasks", "ls", "--quiet").split())
    found = running & set(containers.ctr(state, "containers", "ls", "--quiet", wanted).split())
    if not found:
        raise ClusterError(f"{namespace}/{pod}: no container {container} runs")
    for each in found:
        containers.ctr(state, "tasks", "kill", "--signal", "SIGKILL", "--all", each)


@contextmanager
def unschedulable(state: State) -> Iterator[None]:
    """The node takes no new pods."""
    kubectl(state, "cordon", NODE)
    try:
        yield
    finally:
        kubectl(state, "uncordon", NODE)


@contextmanager
def small_volume(state: State, name: str, size: int) -> Iterator[Path]:
    """A file system of a given size, mounted at a folder of the node; pods of scanmatrix may write to it.

    Args:
        state: of the cluster.
        name: of the folder.
        size: in bytes, of which ext4 takes some for itself; it wants 2 MiB at least.
    """
    folder, image = state.volumes / name, state.volumes / f"{name}.ext4"
    folder.mkdir(parents=True)
    try:
        with image.open("wb") as file:
            file.truncate(size)
        owner = f"root_owner={_OWNER}:{_OWNER}"
        _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-E", owner, image)
        _run("mount", "-o", "loop", image, folder)
        (folder / "lost+found").rmdir()
        yield folder
    finally:
        host.unmount(folder)
        folder.rmdir()
        image.unlink(missing_ok=True)


@contextmanager
def filled(folder: Path, *, but: int = 0) -> Iterator[None]:
    """A file system is full, except for this many bytes; do it to one of `small_volume` only."""
    ballast = folder / ".ballast"
    room = os.statvfs(folder)
    try:
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - but))
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _pods(state: State, namespace: str, selector: str, *, ready: bool = False) -> set[str]:
    listed = json.loads(kubectl(state, "get", "pods", "-n", namespace, f"--selector={selector}", "--output=json"))
    return {
        pod["metadata"]["name"]
        for pod in listed["items"]
        if not ready
        or {("Ready", "True")} & {(each["type"], each["status"]) for each in pod["status"].get("conditions", ())}
    }


def _run(*command: str | Path) -> None:
    program = find(str(command[0])) or command[0]
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`{' '.join(map(str, command))}` failed: {done.stderr.strip()}")
