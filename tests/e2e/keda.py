"""KEDA, for one namespace: its operator and its metrics adapter as processes of this machine, and its resources.

Both use the cluster as its administrator. What of KEDA is in the cluster is taken away before they end: resources of
its kinds wait for the operator to let them go, and an API that nobody serves keeps every namespace from going.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.cluster.state import NODE_IP
from tests.e2e.site import run
from tests.tools import require
from tests.tools.certificates import Authority
from tests.tools.listening import free_ports
from tests.tools.servers import stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.site import Site

_GROUP, _VERSION = "external.metrics.k8s.io", "v1beta1"
_NAME = "keda-of-tests"


@contextmanager
def run_keda(site: Site, folder: Path) -> Iterator[None]:
    """Run it for the namespace of a site, in which it has to be there before anything of its kinds.

    Args:
        site: what it scales is there.
        folder: for its keys and logs.
    """
    operator, adapter = require("operator"), require("adapter")
    # Both have the same, and trust nobody with another one.
    keys = Authority(folder / "keys")
    certificate, key = keys.sign(NODE_IP)
    certificate.rename(keys.file.with_name("tls.crt"))
    key.rename(keys.file.with_name("tls.key"))
    inner, secure, plain = free_ports(3, NODE_IP)
    kubeconfig = os.environ["KUBECONFIG"]
    as_operator = [
        operator, "--enable-prometheus-metrics=false", "--health-probe-bind-address=0", f"--cert-dir={folder}/keys",
        f"--metrics-service-bind-address={NODE_IP}:{inner}",
    ]  # fmt: skip
    as_adapter = [
        adapter, f"--cert-dir={folder}/keys", f"--tls-cert-file={folder}/keys/tls.crt",
        f"--tls-private-key-file={folder}/keys/tls.key", f"--lister-kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        "--authentication-skip-lookup", f"--bind-address={NODE_IP}", f"--secure-port={secure}", f"--port={plain}",
        f"--metrics-service-address={NODE_IP}:{inner}",
    ]  # fmt: skip
    with _applied("-k", str(operator.parents[1] / "config" / "crd")):
        run("kubectl", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        with (
            _process(site, folder / "operator.log", as_operator),
            _process(site, folder / "adapter.log", as_adapter),
            _applied("-f", "-", stdin=json.dumps(_objects(site.namespace, secure))),
        ):
            try:
                run("kubectl", "wait", "--for=condition=Available", "--timeout=120s", f"apiservice/{_VERSION}.{_GROUP}")
                yield
            finally:
                site.kubectl("delete", "scaledobjects,triggerauthentications", "--all", "--timeout=90s", check=False)


@contextmanager
def _applied(*what: str, stdin: str | None = None) -> Iterator[None]:
    """Objects of the cluster, as long as this lasts."""
    run("kubectl", "apply", "--server-side", *what, stdin=stdin)
    try:
        yield
    finally:
        run("kubectl", "delete", "--ignore-not-found", "--timeout=90s", *what, stdin=stdin, check=False)


@contextmanager
def _process(site: Site, log: Path, command: list[Any]) -> Iterator[None]:
    """One of its programs; what it wrote at last is in the message when it did not stay."""
    watched = dict.fromkeys(("WATCH_NAMESPACE", "KEDA_CLUSTER_OBJECT_NAMESPACE", "POD_NAMESPACE"), site.namespace)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | watched,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        ended = process.poll()
        stop(process)
        assert ended is None, f"{log.stem} ended with {ended}:\n{log.read_text(errors='replace')[-3000:]}"


def _objects(namespace: str, port: int) -> dict[str, Any]:
    """The API of its metrics, and who may read them.

    The API server of this cluster has no certificate by which the adapter would know it, so it comes as nobody.
    """
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [_GROUP], "resources": ["*"], "verbs": ["get", "list"]},
        {"nonResourceURLs": ["/apis", "/apis/*"], "verbs": ["get"]},
    ]
    autoscaler = {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}
    nobody = {"kind": "User", "name": "system:anonymous", "apiGroup": rbac}
    metrics = {
        "group": _GROUP,
        "version": _VERSION,
        "service": {"namespace": namespace, "name": _NAME, "port": port},
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    reach = {"type": "ExternalName", "externalName": NODE_IP, "ports": [{"port": port}]}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Service", "metadata": _named(_NAME, namespace), "spec": reach},
            {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": _named(_NAME), "rules": rules},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": _named(_NAME),
                "subjects": [autoscaler, nobody],
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": _NAME},
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": _named(f"{_VERSION}.{_GROUP}"),
                "spec": metrics,
            },
        ],
    }


def _named(name: str, namespace: str = "") -> dict[str, str]:
    return {"name": name} | ({"namespace": namespace} if namespace else {})
