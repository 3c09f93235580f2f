"""What goes wrong in a cluster while a run is active; each run ends with every cell accounted for.

What passes leaves no trace in the ledger but attempts; what stays is a reason in it.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import orchestrator
from orchestrator.argo import names as labels
from orchestrator.argo.nodes import nodes
from orchestrator.model import Outcome
from orchestrator.upkeep.plans import read_plan
from tests.campaign.expected import UNDISTURBED, Expected
from tests.campaign.judge import judge
from tests.cluster import faults
from tests.cluster.state import State
from tests.e2e import quick
from tests.e2e.site import CACHE, Site, await_, make_site
from tests.tools.faults import Fault, slow
from tests.tools.upstream import Upstream

pytestmark = pytest.mark.alone
IMAGES = ("one", "two", "three")
SCANS = ("steady", "quick")


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Scans that succeed, one of them not at once."""
    scans = {"steady": quick.scan("steady", "time.sleep(8)"), "quick": quick.scan("quick")}
    settings = {"limits": {"imagesInFlight": 3, "deadline": "10m", "retries": 2}}
    folder = tmp_path_factory.mktemp("faults")
    quick.push(upstream, *IMAGES)
    csv = "image\n" + "".join(f"{image}:1\n" for image in IMAGES)
    with make_site(folder, "e2e-faults", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


def check_all_ok(site: Site, run: str, *, cells: int = len(IMAGES) * len(SCANS)) -> None:
    assert site.wait(run) == "Succeeded"
    plan = read_plan(run, site.volume)
    assert len(plan.cells) == cells
    assert judge(site.volume, plan, UNDISTURBED, alone=False) == []


def test_the_workflow_controller_is_killed(site: Site, state: State):
    run = quick.start(site, "controller", IMAGES, SCANS)
    quick.await_pod(site, run, "scan")
    faults.crash_controller(state)
    check_all_ok(site, run)


@pytest.mark.campaign  # test_inventory has it away as well
def test_the_api_server_is_away_for_a_while(site: Site, state: State):
    run = quick.start(site, "api-server", IMAGES, SCANS)
    quick.await_pod(site, run, "scan")
    with faults.api_server_away(state):
        time.sleep(10)  # longer than a steady scan still takes: its executor must wait to tell its end
    check_all_ok(site, run)


@pytest.mark.campaign
def test_containerd_and_the_kubelet_are_killed(site: Site, state: State):
    run = quick.start(site, "node", IMAGES, SCANS)
    quick.await_pod(site, run, "scan")
    faults.crash_containerd(state)
    faults.crash_kubelet(state)
    check_all_ok(site, run)


def test_a_pull_is_killed(site: Site, state: State, upstream: Upstream):
    quick.push(upstream, "heavy", size=3_000_000)
    upstream.faults.add(slow(rate=200_000))
    try:
        run = quick.start(site, "pull", ["heavy"], SCANS)
        faults.kill_container(state, site.namespace, quick.await_pod(site, run, "pull"))
    finally:
        upstream.faults.clear()
    check_all_ok(site, run, cells=2)
    assert attempts(site, run, "pull") == 2


@pytest.mark.campaign
def test_a_pull_s_pod_is_deleted(site: Site, state: State, upstream: Upstream):
    quick.push(upstream, "bulky", size=3_000_000)
    upstream.faults.add(slow(rate=200_000))
    try:
        run = quick.start(site, "deleted", ["bulky"], SCANS)
        quick.await_pod(site, run, "pull")
        assert faults.crash(state, site.namespace, f"{labels.RUN}={run},{labels.COMPONENT}=pull")
    finally:
        upstream.faults.clear()
    check_all_ok(site, run, cells=2)


@pytest.mark.campaign
def test_the_cache_is_away_for_a_while(site: Site, state: State):
    plan = quick.plan(site, "cache", IMAGES, SCANS)
    shutil.rmtree(site.storage / "blobs", ignore_errors=True)
    with faults.away(state, site.namespace, CACHE):
        run = orchestrator.submit(plan, site.config)
        await_(lambda: attempts(site, run, "pull", failed=True) > 0, 90, "a pull to fail")
    check_all_ok(site, run)


def test_a_cancelled_run_has_a_ledger(site: Site):
    run = quick.start(site, "cancelled", IMAGES, SCANS)
    quick.await_pod(site, run, "scan")
    orchestrator.cancel(site.config, run)
    site.wait(run)
    ledger = site.ledger(run)
    assert len(ledger.rows) == len(IMAGES) * len(SCANS)
    unfinished = [row for row in ledger.rows if row.outcome is not Outcome.OK]
    assert unfinished
    others = [row for row in unfinished if row.outcome is not Outcome.FAILED or "cancelled" not in row.reason]
    assert others == []


@pytest.mark.campaign  # test_command retries as well
def test_a_retry_runs_only_what_failed(site: Site, upstream: Upstream):
    quick.push(upstream, "good", "bad")
    plan = quick.plan(site, "again", ["good", "bad"], SCANS)
    config = site.config
    upstream.faults.add(Fault(path="/v2/library/bad/*", status=403, times=None))
    try:
        run = orchestrator.submit(plan, config)
        site.wait(run)
    finally:
        upstream.faults.clear()
    before = quick.rows(site.ledger(run))
    assert {cell for cell, row in before.items() if row.outcome is Outcome.OK} == {("good", scan) for scan in SCANS}
    assert all(row.reason for (image, _), row in before.items() if image == "bad")
    again = orchestrator.retry(config, run)
    assert site.wait(again) == "Succeeded"
    after = quick.rows(site.ledger(run))
    assert {row.outcome for row in after.values()} == {Outcome.OK}
    assert {cell: row for cell, row in after.items() if cell[0] == "good"} == {
        cell: row for cell, row in before.items() if cell[0] == "good"
    }


def test_the_volume_is_full(state: State, upstream: Upstream, tmp_path: Path):
    quick.push(upstream, "small", size=1_000_000)
    quick.push(upstream, "large", size=60_000_000)
    with (
        faults.small_volume(state, "e2e-full", 40_000_000) as storage,
        make_site(
            tmp_path,
            "e2e-full",
            upstream,
            csv="image\nsmall:1\nlarge:1\n",
            templates={"quick": quick.scan("quick")},
            settings={"limits": {"deadline": "5m", "retries": 1}},
            storage=storage,
        ) as site,
    ):
        run = quick.start(site, "full", ["small", "large"], ["quick"])
        site.wait(run)
        expected = Expected("large/*", must_fail=True, reasons=("no space",))
        assert judge(site.volume, read_plan(run, site.volume), expected) == []
        leftovers = [path for path in storage.rglob("*") if path.is_file() and path.stat().st_size > 2_000_000]
        assert leftovers == []


def attempts(site: Site, run: str, template: str, *, failed: bool = False) -> int:
    """Pods that a template of a run had."""
    several = [each for each in nodes(site.cluster.workflow(run)).values() if each.template_name == template]
    pods = [each for each in several if each.type == "Pod"]
    return sum(each.phase in {"Failed", "Error"} for each in pods) if failed else len(pods)
