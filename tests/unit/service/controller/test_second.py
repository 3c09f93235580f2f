"""One resource acts in a namespace: the oldest; the others cost next to nothing, however large and many they are."""

import json
from typing import Any

import pytest

from orchestrator.cluster.errors import ObjectNotFoundError
from orchestrator.cluster.installed import METADATA
from orchestrator.service.controller import reconciler

PATH = "/apis/scanmatrix.github.io/v1alpha1/namespaces/team/scanmatrices"


def resource(name: str, second: int) -> dict[str, Any]:
    when = f"2026-01-02T03:04:{second:02}Z"
    metadata = {"name": name, "namespace": "team", "uid": f"uid-{name}", "creationTimestamp": when, "generation": 1}
    return {"metadata": metadata, "spec": {"files": {"large": "x" * 1000}}}


class Server:
    """An API server with resources; it tells how many bytes it was asked for in lists."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = {each["metadata"]["name"]: each for each in resources}
        self.listed = 0

    def request(self, method: str, path: str, *, accept: str = "", **rest: Any) -> bytes:
        if (method, path) == ("GET", PATH):
            items = [{"metadata": each["metadata"]} if accept == METADATA else each for each in self.resources.values()]
            found = json.dumps({"items": items, "metadata": {}}).encode()
            self.listed += len(found)
            return found
        if method == "GET" and path.startswith(f"{PATH}/"):
            return json.dumps(self.resources[path.rpartition("/")[2]]).encode()
        if path.endswith("/status"):
            self.resources[path.split("/")[-2]]["status"] = rest["body"][1]["value"]
            return b"{}"
        if path.endswith("/events"):
            return b"{}"
        raise ObjectNotFoundError(path)


def test_a_second_one_says_so_waits_long_and_reads_no_other_one_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(*(resource(f"r{number}", number) for number in range(40)))
    monkeypatch.setattr(reconciler, "Connection", lambda *_: server)
    assert reconciler.Reconciler().look("team", "r7") == reconciler.AT_LAST
    (condition,) = server.resources["r7"]["status"]["conditions"]
    assert condition["reason"] == "Failed"
    assert "r0 is older" in condition["message"]
    assert server.listed < 40 * 300


def test_when_the_oldest_is_gone_the_next_one_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(resource("b", 1), resource("a", 1), resource("c", 0))
    monkeypatch.setattr(reconciler, "Connection", lambda *_: server)
    del server.resources["c"]
    looks = reconciler.Reconciler()
    looks.look("team", "a")
    looks.look("team", "b")
    assert "a is older" in server.resources["b"]["status"]["conditions"][0]["message"]
    assert "older" not in server.resources["a"]["status"]["conditions"][0]["message"]
