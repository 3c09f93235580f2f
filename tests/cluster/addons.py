"""What runs in the cluster before anything of ours: CoreDNS, and Argo from its own manifests."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import tzdata

from tests.cluster import containers
from tests.cluster.control_plane import tool
from tests.cluster.processes import ClusterError
from tests.cluster.state import DNS, State
from tests.tools import _catalog
from tests.tools.images import Image

COREDNS = "localhost/coredns:1"
ARGO = next(each for each in _catalog.GO_TOOLS if each.name == "argo-workflows")
INSTALL = Path(__file__).parents[2] / "argo-install"
_REMOTE = re.compile(r"- https://\S+/argo-workflows//manifests/cluster-install\?ref=\S+")
_ARGO_USER = "8737"
_COREFILE = """\
.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa
    cache 30
}
"""


def kubectl(state: State, *arguments: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Run kubectl as the administrator."""
    command = [tool("kubectl"), f"--kubeconfig={state.kubeconfig}", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ClusterError(f"`kubectl {' '.join(map(str, arguments))}` failed: {done.stderr.strip()}")
    return done.stdout


def import_images(state: State) -> None:
    """The images of CoreDNS and of Argo, under the names that manifests give them."""
    known = containers.present(state)
    for name, image in _images().items():
        if name not in known:
            containers.import_image(state, name, _argo(image) if "argo" in name else containers.program(image))


def _images() -> dict[str, str]:
    version = ARGO.version
    return {
        COREDNS: tool("coredns"),
        f"quay.io/argoproj/argoexec:{version}": tool("argoexec"),
        f"quay.io/argoproj/workflow-controller:{version}": tool("workflow-controller"),
        f"quay.io/argoproj/argocli:{version}": tool("argo"),
    }


def _argo(binary: str) -> Image:
    return containers.program(binary, user=_ARGO_USER, beside=_time_zones())


def _time_zones() -> dict[str, bytes]:
    """For schedules, from the package that pandas needs: the machine may have none."""
    folder = Path(tzdata.__file__).parent
    names = (folder / "zones").read_text().split()
    return {f"usr/share/zoneinfo/{name}": (folder / "zoneinfo" / name).read_bytes() for name in names}


def install_dns(state: State) -> None:
    """CoreDNS, for names within the cluster only."""
    _apply(state, _dns())


def await_rollout(state: State, namespace: str, *names: str, patience: int = 180) -> None:
    """Wait for Deployments."""
    for name in names:
        kubectl(state, "rollout", "status", f"deployment/{name}", "-n", namespace, f"--timeout={patience}s")


def _apply(state: State, objects: Sequence[dict[str, object]]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    kubectl(state, "apply", "--server-side", "-f", "-", stdin=json.dumps(listed))


def _dns() -> list[dict[str, object]]:
    labels = {"k8s-app": "kube-dns"}
    place = {"name": "coredns", "namespace": "kube-system"}
    reads = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    container = {
        "name": "coredns",
        "image": COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "securityContext": {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    ports = [{"name": each.lower(), "port": 53, "protocol": each} for each in ("UDP", "TCP")]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "coredns"},
            "rules": reads,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"},
            "subjects": [{"kind": "ServiceAccount", **place}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": {"Corefile": _COREFILE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": place,
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {"clusterIP": DNS, "selector": labels, "ports": ports},
        },
    ]


def install_argo(state: State) -> None:
    """Argo as `argo-install/argo` has it, with the manifests of the built module in the place of the remote ones."""
    apply_folder(state, "argo")
    await_rollout(state, "argo", "workflow-controller", "argo-server")


def apply_folder(state: State, name: str, source: Path = INSTALL) -> None:
    """Apply a kustomization below `argo-install/`; what it takes from the network comes from Argo's module instead."""
    rendered = kubectl(state, "kustomize", localised(state, source) / name)
    kubectl(state, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=rendered)


def localised(state: State, source: Path = INSTALL) -> Path:
    """A copy of `argo-install/` that needs no network."""
    copy = state.folder / "install"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy / "argo-install")
    shutil.copytree(source.parent / "pv", copy / "pv")
    shutil.copytree(ARGO.folder / "manifests", copy / "manifests")
    argo = copy / "argo-install" / "argo" / "kustomization.yaml"
    text, count = _REMOTE.subn("- ../../manifests/cluster-install", argo.read_text())
    if count != 1:
        raise ClusterError(f"{source}/argo/kustomization.yaml: expected one remote resource, found {count}")
    argo.write_text(text)
    return copy / "argo-install"
