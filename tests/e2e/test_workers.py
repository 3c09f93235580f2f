"""Workers as pods: a run in which one is killed and all are scaled in, each in the middle of a cell."""

from collections.abc import Iterator

import pytest

import orchestrator
from orchestrator.argo import beside
from tests.cluster.state import NODE_IP
from tests.e2e import nine, quick
from tests.e2e.site import Site, await_, make_site
from tests.e2e.workers import assert_each_once, at_work, await_end, install, named, settings_with, start_run
from tests.tools.postgres import start_postgres
from tests.tools.upstream import Upstream

IMAGES = ("worked-a", "worked-b", "worked-c", "worked-d", "worked-e")
DEPLOYMENT = "deployment/scanmatrix-worker-slow"
#: Fails where it sees more than it should; then waits until it is let go.
PROGRAM = f"""
import os
assert os.listdir("{beside.CELL_AT}") == ["image.tar"], os.listdir("{beside.CELL_AT}")
assert not os.access(sys.argv[2], os.W_OK) and not os.listdir("/made") and not os.listdir("/dev/shm")
assert not any(map(os.path.exists, ("/volume", "/var/run/secrets", "/config", "/beside")))
assert not [name for name in os.environ if "STORE" in name]
while not os.path.exists("{beside.DATABASES_AT}/go"):
    time.sleep(0.2)
"""


#: An image that has something to find, and the columns in which that is the same wherever it was found.
REAL = ["real-java-tool"]
FOUND = ["target", "scan", "id", "package", "version", "location", "severity", "fixed_version"]


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    quick.push(upstream, *IMAGES)
    with start_postgres(NODE_IP) as database:
        settings = settings_with(database, scans=["slow", "general", "virus"], replicas=2)
        csv = "\n".join(["image,scans", *(f"{name}:1,slow" for name in IMAGES), ""])
        small = {"cpu": "20m", "memory": "64Mi", "memoryLimit": "1Gi"}
        scans = {"slow": quick.scan("slow", PROGRAM), "general": nine.general(), "virus": nine.virus()}
        scans |= {name: scan | {"resources": small} for name, scan in scans.items() if name != "slow"}
        with make_site(
            tmp_path_factory.mktemp("workers"), "e2e-workers", upstream, csv=csv, templates=scans, settings=settings
        ) as found:
            install(found, database)
            yield found


@pytest.fixture(scope="module")
def in_pods(site: Site, upstream: Upstream) -> str:
    """A run of the same cells as Workflow, which nobody has waited for."""
    for name in REAL:
        upstream.push(f"library/{name}:1", nine.images()[name.removeprefix("real-")])
    config = site.config.model_copy(update={"engine": "argo"})
    return orchestrator.submit(quick.plan(site, "by-pods", REAL, ["general", "virus"], config), config)


def test_one_is_killed_and_all_are_scaled_in_at_work_and_each_cell_ends_once(site: Site, in_pods: str):
    site.kubectl("rollout", "status", DEPLOYMENT, "--timeout=180s")
    start_run(site, "worked")
    await_(lambda: len(at_work(site)) == 2, 180, "two workers to be at work")
    victim = at_work(site)[0]
    site.kubectl("delete", "pod", victim, "--force", "--grace-period=0")
    await_(lambda: len(set(at_work(site)) - {victim}) == 2, 180, "another worker to be at work")
    site.kubectl("scale", DEPLOYMENT, "--replicas=0")
    await_(lambda: len(named(site, "deletionTimestamp", "slow")) == 2, 60, "both workers to be asked to end")
    assert len(at_work(site)) == 2
    (site.storage / "databases" / "slow" / "go").touch()
    await_(lambda: not named(site, "name", "slow"), 120, "all workers to go")
    site.kubectl("scale", DEPLOYMENT, "--replicas=2")
    await_end(site, "worked")
    assert_each_once(site, "worked", IMAGES)
    assert max(row.attempts for row in site.ledger("worked").rows) == 2  # the one whose worker was killed


def test_real_scanners_find_what_they_find_in_a_pod_for_each_cell(site: Site, in_pods: str):
    references = [f"docker.io/library/{image}:1" for image in REAL]
    start_run(site, "by-workers", *references, "--scan=general", "--scan=virus")
    await_end(site, "by-workers")
    assert_each_once(site, "by-workers", [*REAL, *REAL])
    site.wait(in_pods)
    found, expected = (site.findings(run)[FOUND].sort_values(FOUND) for run in ("by-workers", in_pods))
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()
    assert nine.LOG4SHELL in set(found["id"])
    assert set(found["scan"]) == {"general", "virus"}
    # What clamd reads has no version in its log; clamscan's has.
    assert _versions(site, "by-workers") == {""}
    assert "" not in _versions(site, in_pods)


def _versions(site: Site, run: str) -> set[str]:
    return {row.scanner_version for row in site.ledger(run).rows if row.scan == "virus"}
