"""Images that run in a cluster: whose they are, which are meant, and what becomes of a listing that is disturbed."""

import threading

import pytest

from orchestrator.config.loading import default_config
from orchestrator.config.targets import ClusterSource
from orchestrator.inventory import SourceUnavailableError, collect
from orchestrator.inventory.annotations import MAX_LIFETIME, OWNER, SCANS, SKIP
from orchestrator.inventory.landscape import Landscape
from tests.integration.kube_api import KubeApi

DIGEST = "sha256:" + "a1" * 32


@pytest.fixture
def api(api: KubeApi) -> KubeApi:
    api.others = {"namespaces": [named("shop"), named("bank")], "replicasets": [], "deployments": [], "jobs": []}
    api.kinds = {
        "apps/v1": {"ReplicaSet": "replicasets", "Deployment": "deployments"},
        "batch/v1": {"Job": "jobs"},
    }
    return api


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


def node(name: str, architecture: str = "", system: str = "linux", *, labelled: bool = False) -> dict:
    labels = {"kubernetes.io/arch": architecture, "kubernetes.io/os": system} if labelled else {}
    info = {} if labelled else {"nodeInfo": {"architecture": architecture, "operatingSystem": system}}
    return named(name, labels=labels) | {"status": info}


def on(name: str, found: dict) -> dict:
    found["spec"]["nodeName"] = name
    return found


def test_an_image_that_three_namespaces_run_with_one_owner_is_three_entries(api: KubeApi):
    api.others["namespaces"] = [named(name, annotations={OWNER: "team"}) for name in ("a", "b", "c")]
    api.pods = [pod(f"app-{name}", name, annotations={MAX_LIFETIME: "30d"}) for name in ("a", "b", "c")]
    assert [entry.labels["namespace"] for entry in entries()] == ["a", "b", "c"]


def test_pods_and_containers_of_one_workload_that_differ_are_entries_of_their_own(api: KubeApi):
    two = pod("cart-1", owner=("Unheard", "cart"), annotations={MAX_LIFETIME: "30d"})
    two["spec"]["containers"].append({"name": "side", "image": "app:1"})
    two["status"]["containerStatuses"].append({**two["status"]["containerStatuses"][0], "name": "side"})
    api.pods = [two, *(pod(f"cart-{n}", owner=("Unheard", "cart"), annotations={MAX_LIFETIME: "9d"}) for n in (2, 3))]
    found = {(entry.labels["container"], entry.labels["maxLifetime"]) for entry in entries()}
    assert found == {("main", "30d"), ("side", "30d"), ("main", "9d")}
    assert len(entries()) == 3


@pytest.mark.parametrize("labelled", [True, False])
def test_an_image_is_for_the_platform_of_the_node_that_runs_it(api: KubeApi, labelled):
    api.others["nodes"] = [
        node("x86", "amd64", labelled=labelled), node("arm", "arm64", labelled=labelled),
        node("win", "amd64", "windows", labelled=labelled),
    ]  # fmt: skip
    api.pods = [on(name, pod(f"on-{name}-{number}")) for name in ("x86", "arm", "win") for number in range(2)]
    found = {entry.labels["workload"]: (str(entry.platform), entry.note) for entry in entries()}
    assert found == {
        f"Pod/on-{name}-{number}": (platform, "")
        for name, platform in (("x86", "linux/amd64"), ("arm", "linux/arm64"), ("win", "windows/amd64"))
        for number in range(2)
    }
    assert api.asked["nodes"] == 1


@pytest.mark.parametrize(("fault", "asked"), [({"nodes": 403}, 2), ({"nodes$": 403}, 3)])
def test_nodes_that_may_not_be_read_are_noted(api: KubeApi, fault, asked, caplog):
    api.others["nodes"] = [node("x86", "amd64"), node("arm", "arm64")]
    api.faults = fault
    api.pods = [on("x86", pod("a")), on("arm", pod("b"))]
    found = entries()
    assert sum(api.asked[name] for name in ("nodes", "x86", "arm")) == asked
    if fault == {"nodes": 403}:
        assert all(entry.platform is None and "may not be read" in entry.note for entry in found)
        assert len([message for message in caplog.messages if "scanmatrix-inventory" in message]) == 1
    else:  # each may be read, only not listed
        assert [str(entry.platform) for entry in found] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("there", [[], [node("lost")], [node("lost", "amd64", "lin ux")]])
def test_a_node_that_does_not_tell_its_platform_is_noted(api: KubeApi, there):
    api.others["nodes"] = there
    api.pods = [on("lost", pod("a"))]
    [entry] = entries()
    assert entry.platform is None
    assert "lost" in entry.note


def test_a_node_that_joins_later_is_read_when_a_pod_starts_on_it(api: KubeApi):
    api.others["nodes"] = [node("x86", "amd64")]
    api.pods = [on("x86", pod("old", image="old"))]
    api.watches = [[("ADDED", on("arm", pod("new", image="new")))]]
    stop, found = threading.Event(), {}
    for image in Landscape(ClusterSource(), None, ()).follow("", stop):
        found[image.pod] = str(image.platform)
        api.others["nodes"].append(node("arm", "arm64"))
        if image.pod == "new":
            stop.set()
    assert found == {"old": "linux/amd64", "new": "linux/arm64"}


def test_images_that_are_mounted_as_volumes_are_entries(api: KubeApi):
    api.pods = [pod("a")]
    api.pods[0]["spec"]["volumes"] = [
        {"name": "model", "image": {"reference": "ghcr.io/a/model:3"}}, {"name": "data", "emptyDir": {}},
    ]  # fmt: skip
    app, model = entries()
    assert (model.reference, model.labels["volume"], model.labels["workload"]) == (
        "ghcr.io/a/model:3",
        "model",
        "Pod/a",
    )
    assert "container" not in model.labels
    assert "volume" not in app.labels


def test_containers_that_wait_for_their_image_are_reported(api: KubeApi, caplog):
    waiting = pod("new")
    waiting["status"]["containerStatuses"] = [
        {"name": "main", "imageID": "", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    ]
    api.pods = [pod("a"), waiting]
    assert len(entries()) == 1
    (said,) = [message for message in caplog.messages if "shop/new" in message]
    assert "ImagePullBackOff" in said


@pytest.mark.parametrize("allowed", [True, False])
def test_who_asks_to_be_left_out_is_an_entry_that_says_so(api: KubeApi, allowed):
    api.others["namespaces"][1]["metadata"]["annotations"] = {SKIP: "true"}
    api.others["deployments"] = [named("cart", "shop", annotations={SKIP: "true"})]
    api.pods = [
        pod("labelled", labels={"scanmatrix/skip": "true"}),
        pod("annotated", annotations={SKIP: "true"}),
        pod("cart-1", owner=("Deployment", "cart")),
        pod("within", "bank"),
        pod("kept", annotations={SKIP: "false"}),
        pod("wanted-within", "bank", annotations={SKIP: "false"}),
    ]
    found = entries(allowSkip=allowed)
    heeded = {entry.labels["workload"]: entry.skip for entry in found}
    noted = {entry.labels["workload"]: entry.note for entry in found}
    said = heeded if allowed else noted
    context = found[0].labels["cluster"]
    for workload, key, who in [
        ("Pod/labelled", "label scanmatrix/skip", f"pod of {context}/shop/Pod/labelled"),
        ("Pod/annotated", "annotation scanmatrix/skip", f"pod of {context}/shop/Pod/annotated"),
        ("Deployment/cart", "annotation scanmatrix/skip", f"workload {context}/shop/Deployment/cart"),
        ("Pod/within", "annotation scanmatrix/skip", f"namespace {context}/bank"),
    ]:
        assert key in said[workload]
        assert who in said[workload]
    assert heeded["Pod/kept"] == heeded["Pod/wanted-within"] == ""
    if not allowed:
        assert set(heeded.values()) == {""}
        assert "allowSkip" in noted["Pod/within"]
        assert "skip" not in noted["Pod/kept"]


@pytest.mark.parametrize(
    ("source", "scans"), [({}, ["root-user"]), ({"allowSkip": False}, ["sbom", "image-lifetime", "root-user"])]
)
def test_where_nobody_may_leave_an_image_out_nobody_leaves_out_scans(api: KubeApi, source, scans):
    api.pods = [pod("a", annotations={SCANS: "root-user"})]
    [entry] = entries(**source)
    assert sorted(entry.scans) == sorted(scans)


def test_what_is_to_be_skipped(api: KubeApi):
    api.others["namespaces"][1]["metadata"]["annotations"] = {SKIP: "true"}
    api.pods = [
        pod("labelled", labels={"scanmatrix/skip": "true"}),
        pod("annotated", annotations={SKIP: "true"}),
        pod("kept", annotations={SKIP: "false"}),
        pod("within", "bank"),
        pod("wanted-within", "bank", annotations={SKIP: "false"}),
    ]
    assert {entry.labels["workload"] for entry in entries() if not entry.skip} == {"Pod/kept", "Pod/wanted-within"}


def test_a_namespace_that_may_not_be_read_is_reported(api: KubeApi):
    api.pods = [pod("a", "shop"), pod("b", "bank")]
    api.faults = {"namespaces/bank/pods": 403}
    with pytest.raises(SourceUnavailableError, match="bank") as refused:
        entries(namespaces=["bank", "shop"])
    assert "scanmatrix-inventory" in str(refused.value)
    assert "shop" not in str(refused.value).partition("bank")[2].partition(";")[0]
    assert entries(namespaces=["shop"])


def test_a_namespace_that_does_not_exist_is_reported(api: KubeApi):
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


def test_a_list_that_expires_begins_again(api: KubeApi, monkeypatch):
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
    assert api.asked["pods"] == 2  # listed again once
