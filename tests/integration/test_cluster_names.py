"""What runs in a cluster, from its pods to the ledger: every workload is named, each as its own node runs the image."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.config.loading import default_config
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.inventory import collect
from orchestrator.inventory.annotations import SKIP
from orchestrator.model import Ledger, Outcome, Plan
from orchestrator.results.ledger import read_ledger
from orchestrator.service.lookout import Lookout
from orchestrator.service.notes import Notes
from orchestrator.service.planner import Planner
from orchestrator.store.backlog.messages import Claim, StaleRules, Submission
from orchestrator.volume.layout import Volume
from tests.integration.engine import GOOD, Watch, scan, wait_for
from tests.integration.kube_api import KubeApi
from tests.planned import plan_here
from tests.stored_runs import AskedStore
from tests.tools import samples
from tests.tools.images import Image, Index, layer
from tests.tools.servers import Registry

CATALOG = {"good": scan("good", GOOD)}


@pytest.fixture
def api(api: KubeApi) -> KubeApi:
    api.others = {
        "namespaces": [{"metadata": {"name": name}} for name in ("a", "b", "c")],
        "nodes": [
            {"metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": name}}}
            for name in ("amd64", "arm64")
        ],
    }
    return api


def pod(namespace: str, node: str, reference: str) -> dict:
    name, digest = reference.split("@")
    status = {"name": "main", "imageID": f"{name}@{digest}", "state": {"running": {}}}
    return {
        "metadata": {"name": "app", "namespace": namespace, "uid": f"{namespace}-{node}"},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": f"{name}:1"}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }


def plan(registry: Registry, **cluster: object) -> Plan:
    targets = [{"cluster": cluster, "owner": "team", "scans": ["good"]}]
    config = default_config(environment={}, targets=targets, limits={"retries": 0})
    entries = collect(config, catalog=CATALOG)
    return plan_here(config, entries, CATALOG, run="r1", now=datetime.now(UTC))


def push(registry: Registry, repository: str, index: Index) -> str:
    registry.push(f"{repository}:1", index)
    return f"{registry.host}/{repository}@{index.digest}"


def run(made: Plan, volume: Volume) -> Ledger:
    LocalEngine(volume, runner="process").run(made, Watch())
    return read_ledger(volume, made.run)


def test_every_workload_is_in_the_ledger_beside_the_image_that_its_node_runs(
    api: KubeApi, registry: Registry, repository: str, tmp_path: Path
) -> None:
    index = samples.multi_platform()
    reference = push(registry, repository, index)
    api.pods = [pod("a", "amd64", reference), pod("b", "arm64", reference), pod("c", "arm64", reference)]
    volume = Volume(tmp_path / "volume")
    ledger = run(plan(registry), volume)
    found = {row.platform: row for row in ledger.rows}
    context = ledger.rows[0].workloads[0].rsplit("/", 3)[0]
    amd64, arm64 = (image.digest for image in index.images)
    assert {platform: (row.digest, row.workloads) for platform, row in found.items()} == {
        "linux/amd64": (amd64, (f"{context}/a/Pod/app",)),
        "linux/arm64": (arm64, (f"{context}/b/Pod/app", f"{context}/c/Pod/app")),
    }
    assert {row.outcome for row in ledger.rows} == {Outcome.OK}
    assert [name.labels["namespace"] for name in ledger.names[found["linux/arm64"].target]] == ["b", "c"]
    for file in ("summary.md", "report.html", "bom.cdx.json"):
        text = (volume.results("r1") / file).read_text()
        assert all(f"/{namespace}/Pod/app" in text for namespace in "abc"), file


def test_what_a_namespace_has_left_out_is_a_skipped_row(
    api: KubeApi, registry: Registry, repository: str, tmp_path: Path
) -> None:
    api.others["namespaces"][0]["metadata"]["annotations"] = {SKIP: "true"}
    api.pods = [pod("a", "amd64", push(registry, repository, samples.multi_platform()))]
    volume = Volume(tmp_path / "volume")
    (row,) = run(plan(registry), volume).rows
    assert row.outcome is Outcome.SKIPPED
    for text in (row.reason, *((volume.results("r1") / file).read_text() for file in ("summary.md", "report.html"))):
        assert SKIP in text
        assert "/a asks to leave it out" in text
    made = plan(registry, allowSkip=False)
    assert [cell.decision.value for cell in made.cells] == ["run"]
    assert "allowSkip" in made.targets[0].names[0].note


@pytest.mark.parametrize(
    ("platforms", "scanned"),
    [
        (["linux/amd64", "linux/arm/v7", "linux/arm/v6"], "linux/arm/v7"),
        (["linux/arm/v7", "linux/arm64"], "linux/arm64"),
        (["linux/amd64"], "linux/amd64"),  # emulated, or the image says something wrong of itself
    ],
)
def test_an_image_without_the_very_platform_of_its_node(
    api: KubeApi, registry: Registry, repository: str, platforms, scanned
) -> None:
    images = [Image.build([layer({"p": platform})], platform=platform) for platform in platforms]
    api.pods = [pod("a", "arm64", push(registry, repository, Index.build(images)))]
    (target,) = plan(registry).targets
    assert str(target.platform) == scanned
    assert ("linux/arm64" in target.names[0].note) is (scanned == "linux/amd64")
    assert not target.error


def test_an_image_that_no_platform_fits_says_which_its_node_is(
    api: KubeApi, registry: Registry, repository: str
) -> None:
    index = Index.build([Image.build([layer({"p": "s390x"})], platform="linux/s390x")])
    api.pods = [pod("a", "arm64", push(registry, repository, index))]
    (target,) = plan(registry).targets
    assert str(target.platform) == "linux/arm64"
    assert "linux/arm64" in target.error


def test_the_scheduler_keeps_the_names_of_each_platform_apart(
    api: KubeApi, registry: Registry, repository: str, tmp_path: Path
) -> None:
    reference = push(registry, repository, samples.multi_platform())
    api.pods = [pod("a", "amd64", reference), pod("b", "arm64", reference)]
    config = default_config(
        environment={}, targets=[{"cluster": {}, "scans": ["root-user"]}], volume={"path": str(tmp_path / "volume")}
    )
    planner = Planner(config)
    found = {each.wanted.platform: each for each in planner.look_up(collect(config))}
    spaces = {platform: [entry.labels["namespace"] for entry in each.entries] for platform, each in found.items()}
    assert spaces == {"linux/amd64": ["a"], "linux/arm64": ["b"]}
    wanted = found["linux/arm64"].wanted
    claim = Claim(target=wanted.target, scans=("root-user",), entries=wanted.entries)
    made = planner.plan(Submission(id=1, run="r1", attempts=0, claims=(claim,)), datetime.now(UTC))
    assert [(str(target.platform), target.workloads[0].rsplit("/", 3)[1]) for target in made.targets] == [
        ("linux/arm64", "b")
    ]


def test_the_same_image_that_starts_in_another_namespace_is_news(
    api: KubeApi, registry: Registry, repository: str, tmp_path: Path
) -> None:
    reference = push(registry, repository, samples.multi_platform())
    api.pods = [pod("a", "amd64", reference)]
    config = default_config(
        environment={}, targets=[{"cluster": {}, "scans": ["root-user"]}], volume={"path": str(tmp_path / "volume")}
    )
    rules = StaleRules(ages={}, default_age=1, versions=frozenset(), version_age=1, first_retry=1, longest_retry=1)
    stop, planner = threading.Event(), Planner(config)
    with AskedStore(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        lookout = Lookout(config, planner, store, rules, holder="me", notes=Notes(), changed=bool, stop=stop)
        lookout.look()
        api.watches = [[("ADDED", pod("b", "amd64", reference))]]
        [target] = [found.wanted.target for found in planner.look_up(collect(config))]
        threads = [threading.Thread(target=each) for each in lookout.watch()]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: {name.labels["namespace"] for name in store.target(target).names} == {"a", "b"})
        finally:
            stop.set()
            for thread in threads:
                thread.join()
