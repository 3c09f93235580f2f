"""Which pod has which address, out of the notes of the network plugins."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.policy_objects import Addresses, Objects


class Known:
    """Pods by their names, in the place of those that are watched."""

    def __init__(self, **uids: str) -> None:
        self._uids = uids

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        uid = self._uids.get(name)
        return uid and {"metadata": {"namespace": namespace, "name": name, "uid": uid, "labels": {"app": name}}}  # type: ignore[return-value]


def note(folder: Path, name: str, uid: str, address: str, *, network: str = "pods") -> Path:
    arguments = [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "ours"], ["K8S_POD_NAME", name], ["K8S_POD_UID", uid]]
    content = {"cniArgs": arguments, "result": {"ips": [{"address": f"{address}/16"}]}}
    path = folder / f"{network}-{uid}-eth0"
    path.write_text(json.dumps(content))
    return path


def found(addresses: Addresses, **uids: str) -> dict[str, str]:
    return {pod.labels["app"]: pod.address for pod in addresses.pods(Known(**uids))}  # type: ignore[arg-type]


def test_pods_come_and_go(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path)
    assert not addresses.look()
    first = note(tmp_path, "web", "1", "10.244.0.2")
    assert addresses.look()
    assert found(addresses, web="1") == {"web": "10.244.0.2"}
    assert not addresses.look()
    first.unlink()
    assert addresses.look()
    assert found(addresses, web="1") == {}


def test_a_pod_is_known_only_once_the_api_knows_it(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path)
    note(tmp_path, "web", "1", "10.244.0.2")
    addresses.look()
    assert found(addresses) == {}
    assert found(addresses, web="1") == {"web": "10.244.0.2"}


def test_an_address_left_by_an_earlier_pod_of_that_name_is_nobody_s(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path)
    note(tmp_path, "web", "old", "10.244.0.2")
    note(tmp_path, "web", "new", "10.244.0.3")
    addresses.look()
    assert found(addresses, web="new") == {"web": "10.244.0.3"}


@pytest.mark.parametrize("content", ["", "{", '{"cniArgs": []}', '{"result": {"ips": []}, "cniArgs": []}'])
def test_a_note_that_is_half_written_is_read_again(tmp_path: Path, content: str) -> None:
    addresses = Addresses(tmp_path)
    (tmp_path / "pods-1-eth0").write_text(content)
    assert not addresses.look()
    note(tmp_path, "web", "1", "10.244.0.2")
    assert addresses.look()
    assert found(addresses, web="1") == {"web": "10.244.0.2"}


def test_notes_of_other_networks_and_a_missing_folder_are_no_trouble(tmp_path: Path) -> None:
    note(tmp_path, "web", "1", "10.244.0.2", network="podman")
    assert not Addresses(tmp_path).look()
    assert not Addresses(tmp_path / "gone").look()


class Listed:
    """A list of the API that nothing is heard of afterwards."""

    __name__ = "list_everything"

    def __init__(self, *items: dict[str, Any]) -> None:
        self.data = json.dumps({"items": items, "metadata": {"resourceVersion": "1"}})
        self._asked = 0

    def __call__(self, **_: object) -> "Listed":
        self._asked += 1
        if self._asked > 1:
            threading.Event().wait()
        return self


def pod(uid: str = "1", phase: str = "Pending", **labels: str) -> dict[str, Any]:
    metadata = {"namespace": "ours", "name": "web", "uid": uid, "labels": labels}
    return {"metadata": metadata, "spec": {"nodeName": phase}, "status": {"phase": phase}}


def policy(**spec: object) -> dict[str, Any]:
    return {"metadata": {"namespace": "ours", "name": "closed", "uid": "2"}, "spec": spec}


@pytest.mark.parametrize(
    ("kind", "told", "news"),
    [
        ("MODIFIED", pod(phase="Running", app="a"), False),
        ("MODIFIED", pod(app="b"), True),
        ("ADDED", pod(uid="of another", app="a"), True),
        ("DELETED", pod(app="a"), True),
        ("MODIFIED", policy(podSelector={}, ingress=[]), False),
        ("MODIFIED", policy(podSelector={}, ingress=[{}]), True),
        ("MODIFIED", policy(podSelector={"matchLabels": {"app": "a"}}, ingress=[]), True),
        ("ADDED", policy(podSelector={}, ingress=[]) | {"metadata": {"namespace": "ours", "name": "other"}}, True),
    ],
)
def test_news_is_what_rules_are_made_from(kind: str, told: dict[str, Any], news: bool) -> None:
    changed = threading.Event()
    objects = Objects(Listed(pod(app="a"), policy(podSelector={}, ingress=[])), changed)
    assert changed.wait(10)
    assert objects._take(kind, told) is news
    key = told["metadata"]["namespace"], told["metadata"]["name"]
    assert objects.get(*key) == (None if kind == "DELETED" else told)
