"""The cluster client against an API server on loopback that misbehaves."""

import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cluster.client import Cluster
from orchestrator.cluster.errors import ForbiddenError, NoClusterError, ObjectNotFoundError, UnreachableError
from orchestrator.cluster.transport import Connection
from tests.integration.kube_api import KubeApi

SELECTOR = "scanmatrix/run=r"


def workflow(name: str, run: str = "r") -> dict:
    return {"metadata": {"name": name, "labels": {"scanmatrix/run": run}}, "status": {"phase": "Running"}}


def test_pages_are_put_together_and_the_selector_is_kept(api: KubeApi) -> None:
    api.workflows = [workflow(f"w{n}") for n in range(12)] + [workflow("other", "else")]
    with Cluster("n") as cluster:
        names = [each.metadata.name for each in cluster.workflows(SELECTOR)]
    assert names == [f"w{n}" for n in range(12)]
    assert api.asked["workflows"] > 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_until_it_answers(api: KubeApi, status: int) -> None:
    api.workflows = [workflow("w")]
    api.faults["workflows"] = status
    answer = api.answer

    def recovers(path: str, query: dict[str, str]) -> tuple[int, bytes]:
        if api.asked["workflows"]:
            api.faults.clear()
        return answer(path, query)

    api.answer = recovers  # type: ignore[method-assign]
    with Cluster("n", patience=30) as cluster:
        assert [each.metadata.name for each in cluster.workflows(SELECTOR)] == ["w"]
    assert api.asked["workflows"] == 2


def test_a_server_that_stays_busy_is_an_error_that_may_pass(api: KubeApi) -> None:
    api.faults["workflows"] = 503
    with Cluster("n", patience=0.1) as cluster, pytest.raises(UnreachableError, match="503"):
        list(cluster.workflows(SELECTOR))


def test_what_is_refused_is_not_asked_twice_and_names_the_role(api: KubeApi) -> None:
    api.faults["workflows"] = 403
    with Cluster("n") as cluster, pytest.raises(ForbiddenError, match="scanmatrix-operator"):
        list(cluster.workflows(SELECTOR))
    assert api.asked["workflows"] == 1


def test_what_is_not_there_is_said_so(api: KubeApi) -> None:
    api.faults["workflows"] = 404
    with Cluster("n") as cluster, pytest.raises(ObjectNotFoundError):
        cluster.workflow("w")


@pytest.mark.parametrize("line", ["", json.dumps({"type": "MODIFIED", "object": workflow("v")})[:40]])
def test_a_watch_that_is_cut_off_gives_what_came_whole(api: KubeApi, line: str) -> None:
    whole = json.dumps({"type": "MODIFIED", "object": workflow("w")}) + "\n"
    api.answer = lambda _path, _query: (200, (whole + line).encode())  # type: ignore[method-assign]
    with Cluster("n") as cluster:
        changes = [(kind, each.metadata.name) for kind, each in cluster.watch(SELECTOR, "1")]
    assert changes == [("MODIFIED", "w")]


def test_an_answer_that_breaks_off_is_asked_for_again(api: KubeApi, tmp_path: Path) -> None:
    body = json.dumps({"items": [workflow("w")], "metadata": {}}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    answers = [head + body[:20], head + body]

    def serve_each(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, kubeconfig = listener.getsockname()[1], tmp_path / "kubeconfig"
        kubeconfig.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", kubeconfig.read_text()))
        thread = threading.Thread(target=serve_each, args=(listener,), daemon=True)
        thread.start()
        with Cluster("n", patience=30) as cluster:
            assert [each.metadata.name for each in cluster.workflows(SELECTOR)] == ["w"]
        thread.join(timeout=10)


def test_a_container_is_put_into_its_pod_once_when_the_answer_is_lost(
    api: KubeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod: dict[str, Any] = {"metadata": {"resourceVersion": "1"}, "spec": {}}
    api.answer = lambda _path, _query: (200, json.dumps(pod).encode())  # type: ignore[method-assign]
    ask = Connection.whole

    def lost(self: Connection, method: str, path: str, **rest: Any) -> bytes:
        if method != "PATCH":
            return ask(self, method, path, **rest)
        pod["spec"] = rest["body"]["spec"]
        raise UnreachableError("the answer broke off")

    monkeypatch.setattr(Connection, "whole", lost)
    with Cluster("n", patience=3) as cluster:
        cluster.add_container("p", {"name": "drop-1"})
    assert pod["spec"]["ephemeralContainers"] == [{"name": "drop-1"}]


def test_the_token_is_in_no_repr(api: KubeApi, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(path.read_text().replace("token: x", "token: verysecret"))
    with Cluster("n") as cluster:
        assert "verysecret" not in repr(cluster)


def test_without_a_cluster_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = str(tmp_path / "none")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", missing)
    with pytest.raises(NoClusterError, match="KUBECONFIG"):
        Cluster("n")
