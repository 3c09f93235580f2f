"""The node: containerd, kubelet and kube-proxy, as processes."""

import json
import subprocess
from pathlib import Path
from urllib.request import urlopen

import yaml

from tests.cluster import containers, cri
from tests.cluster.control_plane import tool
from tests.cluster.processes import await_ready, spawn, stop, wait_until
from tests.cluster.state import DNS, NODE, NODE_IP, PODS, State

#: Where Debian puts the CNI plugins.
PLUGINS = "/usr/lib/cni"


def start_containerd(state: State) -> None:
    """Start containerd and wait for its CRI plugin, without which the kubelet gives up."""
    folder = state.folder / "containerd"
    folder.mkdir(exist_ok=True)
    config = f"""\
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{state.socket}"
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true   # a virtual machine's root may not be allowed to lower it
netns_mounts_under_state_dir = true
sandbox_image = "{containers.PAUSE}"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{state.registries}"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "{state.folder}/cni"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
"""
    (state.folder / "etc" / "containerd.toml").write_text(config)
    # Every pod has a link of its own and all its packets are routed, so that policies can be enforced on them.
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": str(state.folder / "cni-addresses"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    (state.folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))
    spawn(state, "containerd", [tool("containerd"), "--config", state.folder / "etc" / "containerd.toml"])
    await_ready(state, "containerd", lambda: cri.answers(state.socket))


def start_kubelet(state: State) -> None:
    """Start kubelet and kube-proxy and wait until the node is ready."""
    (state.folder / "etc" / "resolv.conf").write_text("options ndots:1\n")  # nothing outside is asked
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "containerLogMaxSize": "50Mi",
        "containerRuntimeEndpoint": f"unix://{state.socket}",
        "volumeStatsAggPeriod": "10s",  # instead of a minute: what writes too much is evicted by it
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        # Never: on a disk that is 85 % full it would remove images, which cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "kubeAPIBurst": 400,
        "kubeAPIQPS": 200,
        "maxPods": 250,
        "podLogsDir": str(state.folder / "pods"),
        "registryPullQPS": 0,
        "resolvConf": str(state.folder / "etc" / "resolv.conf"),
        "serializeImagePulls": False,
        "syncFrequency": "10s",
        "volumePluginDir": str(state.folder / "volume-plugins"),
    }
    _write(state, "kubelet.yaml", kubelet)
    spawn(
        state,
        "kubelet",
        [
            tool("kubelet"),
            f"--config={state.folder}/etc/kubelet.yaml",
            f"--kubeconfig={state.kubeconfig}",
            f"--root-dir={state.folder}/kubelet",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_IP}",
        ],
    )
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": str(state.kubeconfig)},
        "conntrack": {"maxPerCore": 0},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
    _write(state, "kube-proxy.yaml", proxy)
    spawn(
        state,
        "kube-proxy",
        [tool("kube-proxy"), f"--config={state.folder}/etc/kube-proxy.yaml", f"--hostname-override={NODE}"],
    )
    # What the API server says of the node may be of the kubelet before.
    await_ready(state, "kubelet", lambda: _kubelet_answers() and "True" in _node_ready(state), patience=120)


def stop_pods(state: State) -> None:
    """End every container, so that nothing of it is left once containerd ends."""
    stop(state, "kubelet")
    if cri.answers(state.socket):
        containers.end_all(state)
    stop(state, "containerd")
    for shim in _shims(state):
        wait_until(lambda shim=shim: not shim.exists(), 5)  # type: ignore[misc]


def _shims(state: State) -> list[Path]:
    """Processes of containerd's shims of this cluster, as folders of proc(5)."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = command.read_bytes()
        except OSError:
            continue
        if b"containerd-shim" in line and str(state.socket).encode() in line:
            found.append(command.parent)
    return found


def _write(state: State, name: str, content: object) -> None:
    """Write a configuration, unless it is there already: kube-proxy ends when its file is written to."""
    path, text = state.folder / "etc" / name, yaml.safe_dump(content)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _kubelet_answers() -> bool:
    try:
        with urlopen("http://127.0.0.1:10248/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _node_ready(state: State) -> str:
    path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    command = [tool("kubectl"), f"--kubeconfig={state.kubeconfig}", "get", "node", NODE, path]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
