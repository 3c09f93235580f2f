"""etcd, the API server, the controller manager and the scheduler, as processes; and the file by which one uses them."""

import json
import secrets
import ssl
import subprocess
import urllib.error
import urllib.request

from tests.cluster.processes import ClusterError, await_ready, spawn
from tests.cluster.state import API_SERVER, ETCD, ETCD_PEER, NODE_IP, SERVICES, State
from tests.tools import find


def tool(name: str) -> str:
    """Path of a command of the cluster.

    Raises:
        ClusterError: it was not built or installed.
    """
    found = find(name)
    if found is None:
        raise ClusterError(f"{name} is missing; get it by `python -m tests.tools --cluster`")
    return str(found)


def start(state: State) -> None:
    """Start what holds the cluster's objects, without a node yet."""
    _make_keys(state)
    start_etcd(state)
    start_api_server(state)
    write_kubeconfig(state)
    secure = ("--bind-address=127.0.0.1", "--leader-elect=false", f"--kubeconfig={state.kubeconfig}")
    pki = state.folder / "pki"
    spawn(
        state,
        "kube-controller-manager",
        [
            tool("kube-controller-manager"),
            *secure,
            f"--service-account-private-key-file={pki}/sa.key",
            f"--root-ca-file={pki}/apiserver.crt",
            "--use-service-account-credentials=true",
            "--allocate-node-cidrs=false",
        ],
    )
    spawn(state, "kube-scheduler", [tool("kube-scheduler"), *secure])


def start_etcd(state: State) -> None:
    """Start etcd, which here does not wait for the disk: its content is worth nothing after a crash."""
    spawn(
        state,
        "etcd",
        [
            tool("etcd"),
            f"--data-dir={state.folder}/etcd",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            f"--listen-peer-urls={ETCD_PEER}",
            f"--initial-advertise-peer-urls={ETCD_PEER}",
            f"--initial-cluster=default={ETCD_PEER}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
    )
    await_ready(state, "etcd", lambda: _answers(f"{ETCD}/health"))


def start_api_server(state: State) -> None:
    """Start the API server and wait until it says it is ready."""
    pki = state.folder / "pki"
    spawn(
        state,
        "kube-apiserver",
        [
            tool("kube-apiserver"),
            f"--etcd-servers={ETCD}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--token-auth-file={pki}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={pki}/sa.key",
            f"--service-account-key-file={pki}/sa.pub",
            "--allow-privileged=true",
            f"--secure-port={API_SERVER.rpartition(':')[2]}",
            f"--bind-address={NODE_IP}",
            f"--advertise-address={NODE_IP}",
            f"--cert-dir={pki}",
            "--kubelet-preferred-address-types=InternalIP",
        ],
    )
    await_ready(state, "kube-apiserver", lambda: _answers(f"{API_SERVER}/readyz", insecure=True), patience=120)


def write_kubeconfig(state: State) -> None:
    """The administrator's kubeconfig."""
    token = (state.folder / "pki" / "tokens.csv").read_text().partition(",")[0]
    cluster = {"server": API_SERVER, "certificate-authority": str(state.folder / "pki" / "apiserver.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "scanmatrix-test", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "scanmatrix-test", "context": {"cluster": "scanmatrix-test", "user": "admin"}}],
        "current-context": "scanmatrix-test",
    }
    state.kubeconfig.write_text(json.dumps(config, indent=1))  # JSON is YAML
    state.kubeconfig.chmod(0o600)


def _make_keys(state: State) -> None:
    """A token for the administrator, and the key pair of service accounts."""
    pki = state.folder / "pki"
    if not (pki / "tokens.csv").exists():
        (pki / "tokens.csv").write_text(f'{secrets.token_hex(16)},admin,admin,"system:masters"\n')
    if not (pki / "sa.pub").exists():
        for command in (
            ["openssl", "genrsa", "-out", "sa.key", "2048"],
            ["openssl", "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"],
        ):
            subprocess.run(command, cwd=pki, check=True, capture_output=True)


def _answers(url: str, *, insecure: bool = False) -> bool:
    context = None
    if insecure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
