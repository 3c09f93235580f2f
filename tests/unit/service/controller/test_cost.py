"""What looks cost: requests to the API server, however many resources there are, and what is kept of each."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.cluster.errors import ObjectExistsError, ObjectNotFoundError
from orchestrator.cluster.installed import KINDS
from orchestrator.service.controller import reconciler
from orchestrator.service.controller.applying import MADE

MATRICES = "/apis/scanmatrix.github.io/v1alpha1"
PLURALS = {kind.plural for kind in KINDS.values()} | {"workflows", "scanmatrices"}


class Server:
    """Keeps objects by their path, as an API server does of which nobody else asks anything."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.version = 0

    def add(self, namespace: str) -> None:
        """A resource in a namespace of its own."""
        metadata = {"name": "main", "namespace": namespace, "uid": namespace, "generation": 1}
        metadata |= {"creationTimestamp": "2026-01-02T03:04:05Z", "resourceVersion": "1"}
        path = f"{MATRICES}/namespaces/{namespace}/scanmatrices/main"
        self.objects[path] = {"metadata": metadata, "spec": {"suspend": True}}

    def request(self, method: str, path: str, *, body: Any = None, query: Any = None, **_: Any) -> bytes:
        last = path.rpartition("/")[2]
        self.asked["list" if method == "GET" and last in PLURALS else method] += 1
        if last in {"status", "events"}:
            if last == "status":
                self.objects[path.removesuffix("/status")]["status"] = body[1]["value"]
            return b"{}"
        if method == "GET" and last in PLURALS:
            below = [one for name, one in self.objects.items() if name.startswith(f"{path}/")]
            wanted = "labelSelector" in (query or {})
            items = [one for one in below if not wanted or "labels" in one["metadata"]]
            return json.dumps({"metadata": {"resourceVersion": "1"}, "items": items}).encode()
        if method == "GET":
            if path not in self.objects:
                raise ObjectNotFoundError(path)
            return json.dumps(self.objects[path]).encode()
        return self._write(method, path, body)

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> bytes:
        name = path if method == "PATCH" else f"{path}/{body['metadata']['name']}"
        if method == "POST" and name in self.objects:
            raise ObjectExistsError(name)
        self.version += 1
        found = json.loads(json.dumps(body))
        found["metadata"]["resourceVersion"] = str(self.version)
        found.setdefault("status", {"phase": "Pending"})
        self.objects[name] = found
        return json.dumps(found).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()
    monkeypatch.setattr(reconciler, "Connection", lambda *_: found)
    return found


def test_the_first_look_asks_by_kind_and_not_by_object_and_the_next_one_writes_nothing(server: Server) -> None:
    server.add("team")
    looks = reconciler.Reconciler()
    looks.look("team", "main")
    # By label, by name where nothing has our label yet; and a list of resources, and of Workflows.
    assert server.asked["list"] <= 2 * len(MADE) + 2
    assert server.asked["GET"] <= 4
    server.asked.clear()
    looks.look("team", "main")
    assert server.asked["list"] <= len(MADE) + 2
    assert set(server.asked) <= {"list", "GET", "POST"}
    assert server.asked["POST"] <= 2  # Secrets, which nobody may look at
    assert server.asked["GET"] <= 4


def test_what_is_kept_of_each_does_not_grow_with_their_number(server: Server) -> None:
    looks = reconciler.Reconciler()
    for number in range(40):
        server.add(f"team-{number}")
        looks.look(f"team-{number}", "main")
    assert len(looks._rendered) <= reconciler._KEPT
    first = next(iter(looks._applier._right["team-0"].values()))
    assert len(looks._applier._right["team-0"]) < 60
    assert all(isinstance(part, (str, bytes)) and len(part) <= 32 for part in first)
