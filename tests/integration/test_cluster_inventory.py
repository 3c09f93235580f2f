"""Images that run in a cluster: whose they are, which are meant, and what becomes of a listing that is disturbed."""

import threading
from pathlib import Path

import pytest

from orchestrator.config import default_config
from orchestrator.inventory import SourceUnavailableError, collect
from orchestrator.inventory.annotations import MAX_LIFETIME, OWNER, SCANS, SKIP
from orchestrator.inventory.landscape import Landscape
from orchestrator.sections import ClusterSource
from tests.integration import kube_api
from tests.integration.kube_api import KubeApi

DIGEST = "sha256:" + "a1" * 32


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with kube_api.serve(tmp_path) as (found, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        found.others = {"namespaces": [named("shop"), named("bank")], "replicasets": [], "deployments": [], "jobs": []}
        found.kinds = {
            "apps/v1": {"ReplicaSet": "replicasets", "Deployment": "deployments"},
            "batch/v1": {"Job": "jobs"},
        }
        yield found


def named(name: str, namespace: str = "", owner: tuple[str, str] | None = None, **metadata) -> dict:
    found = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", **metadata}
    found |= {"namespace": namespace} if namespace else {}
    if owner:
        kind, owner_name = owner
        group = "batch/v1" if kind == "Job" else "apps/v1" if kind in {"ReplicaSet", "Deployment"} else "x.example/v1"
        found["ownerReferences"] = [
            {"apiVersion": group, "kind": kind, "name": owner_name, "uid": f"uid-{owner_name}", "controller": True}
        ]
    return {"metadata": found}


def pod(name: str, namespace: str = "shop", image: str = "app", **rest) -> dict:
    status = {"name": "main", "imageID": f"docker.io/library/{image}@{DIGEST}", "state": {"running": {}}}
    return named(name, namespace, **rest) | {
        "spec": {"containers": [{"name": "main", "image": f"{image}:1"}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }


def entries(**source):
    return collect(default_config(environment={}, targets=[{"cluster": source}]))


def test_a_pods_images_belong_to_the_workload_at_the_top(api: KubeApi):
    api.others["deployments"] = [named("cart", "shop", annotations={OWNER: "cart@example.com", SCANS: "virus"})]
    api.others["replicasets"] = [named("cart-5f", "shop", owner=("Deployment", "cart"))]
    api.others["namespaces"][0]["metadata"]["annotations"] = {OWNER: "shop@example.com", MAX_LIFETIME: "30d"}
    api.pods = [
        *(pod(f"cart-5f-{number}", owner=("ReplicaSet", "cart-5f")) for number in range(3)),
        pod("alone", image="tool"),
        pod("strange", owner=("Unheard", "of")),
    ]
    found = {entry.labels["workload"]: entry for entry in entries()}
    assert list(found) == ["Deployment/cart", "Pod/alone", "Unheard/of"]
    cart = found["Deployment/cart"]
    assert (cart.reference, cart.owner, cart.scans) == (
        f"docker.io/library/app:1@{DIGEST}", "cart@example.com", ("virus",),
    )  # fmt: skip
    assert (cart.labels["namespace"], cart.labels["maxLifetime"]) == ("shop", "30d")
    assert found["Pod/alone"].owner == "shop@example.com"
    # One list of each kind, and no question for each pod.
    assert (api.asked["replicasets"], api.asked["deployments"], api.asked["pods"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("source", "namespaces"),
    [
        ({}, {"shop", "bank"}),
        ({"namespaces": ["shop"]}, {"shop"}),
        ({"namespaces": ["sh*"]}, {"shop"}),
        ({"namespaces": ["/.*(op|nk)/"], "exclude": ["bank"]}, {"shop"}),
        ({"namespaces": ["shop", "bank"], "exclude": ["/sh.*/"]}, {"bank"}),
    ],
)
def test_namespaces_are_named_by_glob_or_expression(api: KubeApi, source, namespaces):
    api.pods = [pod("a", "shop"), pod("b", "bank")]
    assert {entry.labels["namespace"] for entry in entries(**source)} == namespaces


def test_what_is_to_be_skipped(api: KubeApi):
    api.others["namespaces"][1]["metadata"]["annotations"] = {SKIP: "true"}
    api.pods = [
        pod("labelled", labels={"scanmatrix/skip": "true"}),
        pod("annotated", annotations={SKIP: "true"}),
        pod("kept", annotations={SKIP: "false"}),
        pod("within", "bank"),
        pod("wanted-within", "bank", annotations={SKIP: "false"}),
    ]
    assert {entry.labels["workload"] for entry in entries()} == {"Pod/kept", "Pod/wanted-within"}


def test_a_namespace_that_may_not_be_read_is_told(api: KubeApi):
    api.pods = [pod("a", "shop"), pod("b", "bank")]
    api.faults = {"namespaces/bank/pods": 403}
    with pytest.raises(SourceUnavailableError, match="bank") as refused:
        entries(namespaces=["bank", "shop"])
    assert "scanmatrix-inventory" in str(refused.value)
    assert "shop" not in str(refused.value).partition("bank")[2].partition(";")[0]
    assert entries(namespaces=["shop"])


def test_a_namespace_that_does_not_exist_is_told(api: KubeApi):
    with pytest.raises(SourceUnavailableError, match="shpo"):
        entries(namespaces=["shpo"])


def test_owners_that_may_not_be_read_are_known_by_name(api: KubeApi):
    api.faults = {"replicasets": 403}
    api.pods = [pod("cart-5f-1", owner=("ReplicaSet", "cart-5f")), pod("cart-5f-2", owner=("ReplicaSet", "cart-5f"))]
    assert [entry.labels["workload"] for entry in entries()] == ["ReplicaSet/cart-5f"]


def test_a_list_comes_in_pieces(api: KubeApi):
    api.pods = [pod(f"p{number}", image=f"i{number}") for number in range(1201)]
    assert len(entries()) == 1201
    assert api.asked["pods"] == 3


def test_a_list_that_expires_begins_anew(api: KubeApi, monkeypatch):
    api.pods = [pod(f"p{number}", image=f"i{number}") for number in range(1201)]
    whole, expired = api.answer, []

    def answer(path, query):
        if query.get("continue") == "500" and not expired:
            expired.append(path)
            return 410, b'{"message": "The provided continue parameter is too old", "reason": "Expired"}'
        return whole(path, query)

    monkeypatch.setattr(api, "answer", answer)
    assert len(entries()) == 1201
    assert expired


def test_a_watch_tells_each_image_once_and_survives_its_expiry(api: KubeApi):
    waiting = pod("new")
    waiting["status"]["containerStatuses"] = [{"name": "main", "imageID": "", "state": {"waiting": {}}}]
    gone = {"kind": "Status", "code": 410, "reason": "Expired"}
    api.pods = [pod("old", image="old")]
    api.watches = [
        [("ADDED", waiting), ("MODIFIED", pod("new", image="new")), ("MODIFIED", pod("new", image="new"))],
        [("BOOKMARK", named("", resourceVersion="7"))],
        [("DELETED", pod("new", image="new")), ("ADDED", pod("new", image="new")), ("ERROR", gone)],
        [("ADDED", pod("last", image="last"))],
    ]
    stop = threading.Event()
    landscape = Landscape(ClusterSource(), None, ())
    told = []
    for image in landscape.follow("", stop):
        told.append(image.pod)
        if image.pod == "last":
            stop.set()
    assert told == ["old", "new", "new", "last"]
    assert api.asked["pods"] == 2  # listed anew once
