"""The flow that users of the source know, with real pods: a resource, two pods, their results, and one to be ignored.

The controller runs on this machine, as `scanmatrix controller` does; `test_helm.py` has it in pods.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from websockets.sync.client import connect

from orchestrator.workflows.install.custom_resource import custom_resource
from tests.cluster import containers
from tests.cluster.state import API_SERVER, NODE_IP, State
from tests.e2e.in_pod import InPod, make_tokens
from tests.e2e.site import await_, run
from tests.e2e.test_controller import controller
from tests.tools.upstream import Upstream, start_upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2

SPACE, IGNORE = "e2e-source", "ignore"
NAMES = ("alpine", "python")
USER = 65532


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    return run("kubectl", "-n", SPACE, *arguments, stdin=stdin, check=check)


def volume(folder: Path) -> list[dict[str, Any]]:
    """The claim that a resource finds in its namespace, and a folder of the node behind it."""
    folder.mkdir()
    os.chown(folder, USER, USER)
    folder.chmod(0o2770)
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    claim = {"name": "scanmatrix", "namespace": SPACE}
    name = f"{SPACE}-volume"
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
         "spec": {**common, "capacity": {"storage": "1Gi"}, "claimRef": claim, "hostPath": {"path": str(folder)}}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim,
         "spec": {**common, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}},
    ]  # fmt: skip


def resource(upstream: Upstream) -> dict[str, Any]:
    """As the source has it, `ignoreLabel` alone, and what this cluster and its registry need."""
    spec = {
        "ignoreLabel": IGNORE,
        "scans": {"default": ["root-user"]},
        "cache": [{"upstream": upstream.host, "url": upstream.url}],
        "insecure": [upstream.host],
        "schedule": {"inventory": "5s"},
        "argo": {
            "service": {},
            "apiServer": {"cidrs": [f"{NODE_IP}/32"], "ports": [int(API_SERVER.rpartition(":")[2])]},
        },
    }
    metadata = {"name": "images", "namespace": SPACE}
    return {"apiVersion": "scanmatrix.github.io/v1alpha1", "kind": "ScanMatrix", "metadata": metadata, "spec": spec}


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    """One that the node pulls from, as the pods of scans do."""
    with start_upstream(tmp_path / "registry", NODE_IP, protected=False) as found:
        yield found


@pytest.fixture
def service(state: State, upstream: Upstream, tmp_path: Path) -> Iterator[InPod]:
    """That of the resource, with its controller."""
    containers.pull_without_tls(state, upstream.host)
    with ExitStack() as stack:
        run("kubectl", "create", "namespace", SPACE)
        stack.callback(run, "kubectl", "delete", "pv", f"{SPACE}-volume", "--wait=false", check=False)
        stack.callback(run, "kubectl", "delete", "namespace", SPACE, "--wait=false", check=False)
        definition = json.dumps(custom_resource())
        run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=definition)
        run("kubectl", "wait", "--for=condition=Established", "crd/scanmatrices.scanmatrix.github.io", "--timeout=30s")
        claim = {"apiVersion": "v1", "kind": "List", "items": volume(tmp_path / "volume")}
        run("kubectl", "apply", "-f", "-", stdin=json.dumps(claim))
        token = make_tokens(SPACE, tmp_path)
        stack.enter_context(controller(SPACE))
        # Its finalizer goes while the controller is there.
        stack.callback(kubectl, "delete", "smx", "images", "--timeout=120s", check=False)
        kubectl("apply", "-f", "-", stdin=json.dumps(resource(upstream)))
        await_(lambda: "scanmatrix-service" in kubectl("get", "deploy", "-o", "name"), 60, "the service to be made")
        found = InPod(SPACE, token)
        found.await_ready()
        yield found


def outcomes(client: httpx2.Client) -> dict[str, str]:
    """How each image's cell stands."""
    cells = client.get("/api/v1/cells").json()["cells"]
    return {each["references"][0].rpartition("/")[2].partition(":")[0]: each["state"]["outcome"] for each in cells}


def findings(client: httpx2.Client) -> set[str]:
    rows = client.get("/api/v1/findings").json()["findings"]
    return {row["references"][0].rpartition("/")[2].partition(":")[0] for row in rows}


def test_two_pods_are_scanned_and_the_one_to_be_ignored_does_not_come_back(
    service: InPod, upstream: Upstream, state: State
) -> None:
    pause = state.folder / "bin" / "pause"
    images = {
        name: upstream.push(f"library/{name}:latest", containers.program(pause, user="0:0", beside={"name": name}))
        for name in NAMES
    }
    address = service.url.replace("http", "ws", 1) + "/subscribe"
    with service.client() as client:
        with connect(address, additional_headers={"authorization": f"Bearer {service.token}"}) as socket:
            for name, image in images.items():
                kubectl("run", f"{name}-sleep", f"--image={image}", "--restart=Never")
            told: set[str] = set()
            while not all(any(name in each for each in told) for name in NAMES):
                told.add(json.loads(socket.recv(timeout=180)))
        assert outcomes(client) == dict.fromkeys(NAMES, "ok")
        assert findings(client) == set(NAMES)
        kubectl("wait", "--for=condition=Ready", "smx/images", "--timeout=60s")
        page = client.get("/", headers={"accept": "text/html"}).text
        assert all(f"library/{name}" in page for name in NAMES)

        kubectl("label", "pod", "alpine-sleep", f"{IGNORE}=true")
        [image_id] = [each for each in told if "alpine" in each]
        answer = client.delete(f"/scan-results/{quote(image_id, safe='')}")
        assert answer.status_code == 204, answer.text
        assert (findings(client), outcomes(client).get("alpine")) == ({"python"}, None)

        last = client.post("/api/v1/runs", json={}).json()["run"]
        await_(lambda: bool(client.get(f"/api/v1/runs/{last}").json().get("summary")), 120, "the next run's results")
        assert outcomes(client) == {"alpine": "skipped", "python": "ok"}
        rows = client.get(f"/api/v1/runs/{last}/ledger").json()["rows"]
        [why] = [row["reason"] for row in rows if row["outcome"] == "skipped"]
        assert f"label {IGNORE}=true of a pod of" in why
        kubectl("wait", "--for=condition=Ready", "smx/images", "--timeout=60s")  # the scheduler has looked again
        assert findings(client) == {"python"}
        page = client.get("/", headers={"accept": "text/html"}).text
        assert "library/python" in page
