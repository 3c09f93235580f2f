"""The scheduler as the install has it: what starts in the cluster is scanned, whatever becomes of its pod."""

import time
from collections.abc import Iterator

import pytest

from orchestrator.model import Outcome
from orchestrator.queries import Store
from orchestrator.store.backlog.store import BacklogStore
from tests.cluster.images import REGISTRY
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site, run
from tests.e2e.workloads import deploy
from tests.tools.images import Image, layer
from tests.tools.upstream import Upstream

SHOP = "e2e-scheduler-shop"
#: Images that the node has, so that they run there; the upstream has others of the same names to scan.
DEBIAN = "docker.io/library/debian:12"
OWNER = "scanmatrix/owner"


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for name in ("library/debian:12", "library/registry:3"):
        upstream.push(name, Image.build([layer({"of": name})]))
    scans = {"quick": quick.scan("quick"), "slow": quick.scan("slow", "time.sleep(8)")}
    settings = {
        "targets": [{"cluster": {"namespaces": [SHOP]}, "owner": "platform@example.com", "scans": ["quick"]}],
        "schedule": {"lease": "6s", "inventory": "1h"},
        "argo": {"scheduler": {"replicas": 1}},
    }
    run("kubectl", "create", "namespace", SHOP)
    try:
        folder = tmp_path_factory.mktemp("scheduler")
        with make_site(folder, "e2e-scheduler", upstream, csv="image\n", templates=scans, settings=settings) as found:
            found.kubectl("rollout", "status", "deployment/scheduler", "--timeout=120s")
            yield found
    finally:
        run("kubectl", "delete", "namespace", SHOP, "--wait=false")


def url(site: Site) -> str:
    return f"sqlite:///{site.volume.root / 'store.sqlite3'}"


def store(site: Site) -> BacklogStore:
    return BacklogStore(url(site))


def states(site: Site) -> dict[str, Outcome | None]:
    """How each image stands, by scan and name."""
    with store(site) as backlog:
        now = backlog.backlog().at
    with Store(url(site)) as opened:
        found = {}
        for digest in {entry.target for entry in opened.stale({}, now)}:
            view = opened.target(digest)
            assert view is not None
            found |= {f"{state.scan} of {view.references[0]}": state.outcome for state in view.states}
        return found


def said(site: Site) -> str:
    return site.kubectl("logs", "deployment/scheduler", "--tail=50")


def test_what_starts_is_scanned_within_seconds_and_then_not_again(site: Site):
    deploy(SHOP, "cart", DEBIAN, **{OWNER: "cart@example.com"})
    # Far less than the time between two looks at the whole cluster.
    await_(lambda: "workflow" in site.kubectl("get", "workflows", "-o", "name"), 30, "a run of what has started")
    await_(lambda: states(site).get(f"quick of {DEBIAN}") is Outcome.OK, 120, "its result in the store")
    runs = site.kubectl("get", "workflows", "-o", "name").split()
    (ledger,) = [site.ledger(name.partition("/")[2]) for name in runs]
    (row,) = ledger.rows
    assert (row.owners, row.outcome) == (("cart@example.com",), Outcome.OK)
    # Another workload of the same image: there is a fresh result.
    deploy(SHOP, "till", DEBIAN, **{OWNER: "cart@example.com"})
    time.sleep(5)
    assert site.kubectl("get", "workflows", "-o", "name").split() == runs


def test_its_pod_is_killed_while_a_run_continues(site: Site):
    deploy(SHOP, "registry", REGISTRY, wait=False, **{"scanmatrix/scans": "slow"})
    name = f"slow of {REGISTRY}"

    def in_flight() -> bool:
        with store(site) as opened:
            return any(flight.stage == "running" for flight in opened.backlog().flights)

    await_(in_flight, 60, "a run in flight")
    before = set(site.kubectl("get", "workflows", "-o", "name").split())
    selector = "-lapp.kubernetes.io/component=scheduler"
    site.kubectl("delete", "pod", selector, "--force", "--grace-period=0")
    await_(lambda: states(site).get(name) is Outcome.OK, 180, "the result of the run that was taken over")
    assert set(site.kubectl("get", "workflows", "-o", "name").split()) == before
    assert "taken over" in said(site)
    with store(site) as opened:
        assert opened.backlog().flights == ()
