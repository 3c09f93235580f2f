"""What runs in a namespace is scanned and watched; one of it is then ignored and its result deleted, and stays away."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient

from orchestrator import load_config
from tests.integration.kube_api import KubeApi
from tests.integration.test_cluster_inventory import named
from tests.served import served
from tests.tools import samples
from tests.tools.images import Image
from tests.tools.servers import start_registry

IGNORE = "ignore"


def running(name: str, reference: str, image: Image) -> dict:
    repository = reference.rpartition(":")[0]
    status = {"name": "main", "imageID": f"{repository}@{image.digest}", "state": {"running": {}}}
    return named(name, "shop") | {
        "spec": {"containers": [{"name": "main", "image": reference}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.1)


def scan(client: TestClient) -> str:
    """A run of everything that is configured, once it is in the store."""
    run = client.post("/api/v1/runs", json={}).json()["run"]
    until(lambda: client.get(f"/api/v1/runs/{run}").json().get("summary") is not None)
    return run


def outcomes(client: TestClient) -> dict[str, str]:
    """How each image's cell stands."""
    cells = client.get("/api/v1/cells").json()["cells"]
    return {cell["references"][0].rpartition("/")[2].partition(":")[0]: cell["state"]["outcome"] for cell in cells}


def findings(client: TestClient) -> set[str]:
    rows = client.get("/api/v1/findings").json()["findings"]
    return {row["references"][0].rpartition("/")[2].partition(":")[0] for row in rows}


def test_an_image_that_is_ignored_and_deleted_does_not_come_back(tmp_path: Path, api: KubeApi) -> None:
    api.others = {"namespaces": [named("shop")]}
    images = {"python": samples.system(), "alpine": samples.system("alpine", "3.20")}
    with start_registry(tmp_path / "registry") as registry:
        references = {name: registry.push(f"library/{name}:latest", image) for name, image in images.items()}
        api.pods = [running(f"{name}-sleep", references[name], image) for name, image in images.items()]
        keys = {"insecure": [registry.host], "scans": {"default": ["root-user"]}, "limits": {"retries": 0}}
        keys |= {"targets": [{"cluster": {"namespaces": ["shop"], "skipLabel": f"{IGNORE}=true"}}]}
        (tmp_path / "scanmatrix.yaml").write_text(json.dumps(keys))
        with served(load_config(tmp_path / "scanmatrix.yaml", volume=tmp_path / "volume")) as client:
            with client.websocket_connect("ws://127.0.0.1/subscribe") as socket:
                scan(client)
                told = {socket.receive_json() for _ in images}
            assert {each.rpartition("/")[2].partition("@")[0].partition(":")[0] for each in told} == set(images)
            assert outcomes(client) == {"python": "ok", "alpine": "ok"}
            assert findings(client) == set(images)
            (alpine,) = (each for each in told if "alpine" in each)

            api.pods[1]["metadata"]["labels"] = {IGNORE: "true"}
            deleted = client.delete(f"/scan-results/{alpine.replace('/', '%2F').replace('@', '%40')}")
            assert deleted.status_code == 204, deleted.text
            assert (outcomes(client), findings(client)) == ({"python": "ok"}, {"python"})
            last = scan(client)
            assert outcomes(client) == {"python": "ok", "alpine": "skipped"}  # it is there, and somebody asked for that
            assert findings(client) == {"python"}
            rows = client.get(f"/api/v1/runs/{last}/ledger").json()["rows"]
            assert [row["reason"] for row in rows if row["outcome"] == "skipped"] != []

            api.pods[1]["metadata"]["labels"] = {}
            scan(client)
            assert findings(client) == set(images)
