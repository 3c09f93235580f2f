"""Targets that are what runs in the cluster: planned in it, and watched as they start."""

import queue
import threading
import time
from collections.abc import Iterator

import pytest

from orchestrator.config.targets import ClusterSource
from orchestrator.inventory import collect
from orchestrator.inventory.annotations import MAX_LIFETIME, OWNER, SCANS, SKIP
from orchestrator.inventory.landscape import Landscape
from orchestrator.inventory.running import RunningImage
from orchestrator.model import Outcome
from tests.cluster import faults
from tests.cluster.state import State
from tests.e2e import quick
from tests.e2e.site import Site, make_site, run
from tests.e2e.workloads import deploy
from tests.tools.images import Image, layer
from tests.tools.upstream import Upstream

SHOP = "e2e-inventory-shop"
#: An image that the node has, so that it runs there; the upstream has one of the same name to scan.
IMAGE = "docker.io/library/debian:12"


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    upstream.push("library/debian:12", Image.build([layer({"a": "b"})]))
    settings = {"targets": [{"cluster": {"namespaces": [SHOP]}, "owner": "platform@example.com"}]}
    folder = tmp_path_factory.mktemp("inventory")
    scans = {"quick": quick.scan("quick")}
    run("kubectl", "create", "namespace", SHOP)
    try:
        with make_site(folder, "e2e-inventory", upstream, csv="image\n", templates=scans, settings=settings) as found:
            yield found
    finally:
        run("kubectl", "delete", "namespace", SHOP, "--wait=false")


def test_what_runs_is_planned_in_the_cluster_and_scanned(site: Site):
    deploy(SHOP, "cart", IMAGE, **{OWNER: "cart@example.com", SCANS: "quick", MAX_LIFETIME: "30d"})
    deploy(SHOP, "secret", IMAGE, **{SKIP: "true"})
    cart, secret = sorted(collect(site.config), key=lambda entry: entry.labels["workload"])
    assert (cart.reference, cart.owner, cart.scans, cart.skip) == (IMAGE, "cart@example.com", ("quick",), "")
    assert cart.labels == cart.labels | {"namespace": SHOP, "workload": "Deployment/cart", "maxLifetime": "30d"}
    assert SKIP in secret.skip
    assert str(cart.platform) == str(secret.platform) == "linux/amd64"  # of the node
    name = site.submit()
    assert site.wait(name) == "Succeeded"
    rows = site.ledger(name).rows
    (scanned,) = [row for row in rows if row.outcome is not Outcome.SKIPPED]
    assert (scanned.references, scanned.scan, scanned.outcome) == ((IMAGE,), "quick", Outcome.OK)
    assert "cart@example.com" in scanned.owners
    left_out = [row for row in rows if row is not scanned]  # the usual scans, which only the other one would have had
    assert left_out
    assert all(SKIP in row.reason and "Deployment/secret" in row.reason for row in left_out)


@pytest.mark.alone
def test_what_starts_is_known_within_seconds_also_after_the_api_server_was_away(site: Site, state: State):
    found: queue.Queue[RunningImage] = queue.Queue()
    stop = threading.Event()
    landscape = Landscape(ClusterSource(namespaces=(SHOP,)), None, ())

    def follow() -> None:
        for image in landscape.follow(SHOP, stop):
            found.put(image)

    threading.Thread(target=follow, daemon=True).start()
    try:
        deploy(SHOP, "before", IMAGE)
        began = time.monotonic()
        assert _next(found, "Deployment/before").pod.startswith("before-")
        assert time.monotonic() - began < 10
        with faults.api_server_away(state):
            time.sleep(5)
        deploy(SHOP, "after", IMAGE)
        assert _next(found, "Deployment/after").reference == IMAGE
        assert [image.workload for image in list(found.queue)].count("Deployment/before") == 0  # told once
    finally:
        stop.set()


def _next(found: "queue.Queue[RunningImage]", workload: str) -> RunningImage:
    """The next image of a workload, whatever else comes before it."""
    while (image := found.get(timeout=60)).workload != workload:
        pass
    return image
