"""The policies of an install in a real packet filter: a pod's network, a node's, and what answers where a cloud would.

The rules are those that `tests/cluster` enforces in its cluster, and come from the very objects; here without
Kubernetes, in network namespaces of the test's own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config.loading import load_config
from orchestrator.workflows.install.network import policies
from tests.tools import require

POD = "10.244.0.9"
METADATA, PUBLIC, NAMED, PRIVATE = "169.254.169.254", "140.82.121.4", "10.9.0.1", "10.8.0.1"
CONFIG = "argo: {apiServer: {cidrs: [10.96.0.1/32]}, network: {private: [10.9.0.0/16]}}\ncache: [{upstream: docker.io}]"
PORTS = (80, 443, 8080)
# In the node's network: the rules of one pod, and a server at each port of each address.
NODE = """
import json, socket, sys, threading
from tests.cluster.policy_packets import Filter
from tests.cluster.policy_rules import Pod, work_out
found, labels, address, ports = json.loads(sys.argv[1])
servers = [socket.create_server(("0.0.0.0", port)) for port in ports]
def accept(server):
    while True:
        server.accept()[0].close()
for server in servers:
    threading.Thread(target=accept, args=(server,), daemon=True).start()
Filter().apply(work_out([Pod("scanmatrix", labels, address)], {"scanmatrix": {}}, found))
print("ready", flush=True)
sys.stdin.read()
"""
# In the pod's: what it reaches.
TRIES = """
import json, socket, sys
reached = []
for address, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((address, port), 2).close()
        reached.append(f"{address}:{port}")
    except OSError:
        pass
print(json.dumps(reached))
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@pytest.fixture
def networks() -> Iterator[tuple[str, str]]:
    """Names of the node's network and the pod's, with a way between them."""
    if os.geteuid() != 0:
        pytest.skip("networks are made by root")
    for tool in ("ip", "ipset", "iptables"):
        require(tool)
    node, pod = (f"scanmatrix-{what}-{os.getpid()}" for what in ("node", "pod"))
    made = []
    try:
        for each in (node, pod):
            ip("netns", "add", each)
            made.append(each)
        ip("-n", node, "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", pod)
        for network, device, addresses in (
            (node, "veth0", ["10.244.0.1/16"]),
            (node, "lo", [f"{each}/32" for each in (METADATA, PUBLIC, NAMED, PRIVATE)]),
            (pod, "eth0", [f"{POD}/16"]),
        ):
            for address in addresses:
                ip("-n", network, "address", "add", address, "dev", device)
            ip("-n", network, "link", "set", device, "up")
        ip("-n", pod, "route", "add", "default", "via", "10.244.0.1")
        yield node, pod
    finally:
        for each in made:
            ip("netns", "delete", each)


def reached(networks: tuple[str, str], component: str, folder: Path) -> set[str]:
    """What a pod of this kind reaches of all that there is."""
    node, pod = networks
    (folder / "scanmatrix.yaml").write_text(CONFIG)
    labels = {"app.kubernetes.io/part-of": "scanmatrix", "app.kubernetes.io/component": component}
    found = policies(load_config(folder / "scanmatrix.yaml", environment={}))
    inside = ["ip", "netns", "exec"]
    command = [*inside, node, sys.executable, "-c", NODE, json.dumps([found, labels, POD, PORTS])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "ready\n"
            tries = [(address, port) for address in (METADATA, PUBLIC, NAMED, PRIVATE) for port in PORTS]
            done = subprocess.run([*inside, pod, sys.executable, "-c", TRIES, json.dumps(tries)],
                                  capture_output=True, text=True, check=True, timeout=120)  # fmt: skip
        finally:
            server.stdin.close()
            server.wait(30)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("component", "ports"),
    [
        ("database", (80, 443)),
        ("cache", (80, 443)),
        ("fetch", (443,)),
        ("online", (443,)),
        ("scan", ()),
        ("plan", (443,)),
    ],
)
def test_a_pod_reaches_what_it_needs_and_no_metadata_service(
    networks: tuple[str, str], component: str, ports: tuple[int, ...], tmp_path: Path
) -> None:
    wanted = {f"{address}:{port}" for address in (PUBLIC, NAMED) for port in ports}
    assert reached(networks, component, tmp_path) == wanted
