"""`layout: image`: one pod for all scans of an image, and one for each cell that failed in it."""

from collections.abc import Iterator

import pytest

import orchestrator
from orchestrator.argo import names as labels
from orchestrator.argo.nodes import nodes
from orchestrator.model import Outcome
from tests.cluster import faults
from tests.cluster.state import State
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site
from tests.tools.faults import slow
from tests.tools.upstream import Upstream

IMAGES = ("whole", "flaky")
#: Fails in a pod with others, where its container has its own name, if the image has so large a tarball.
_FAILS_ONCE = """
if pathlib.Path(sys.argv[2]).stat().st_size > 100_000 and pathlib.Path("/var/run/argo/ctr/once").exists():
    sys.exit(3)
"""
_HANGS = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    quick.push(upstream, "whole")
    quick.push(upstream, "flaky", size=200_000)
    quick.push(upstream, "hung")
    scans = {
        "once": quick.scan("once", _FAILS_ONCE, retries=0),
        "quick": quick.scan("quick"),
        "hangs": quick.scan("hangs", _HANGS, timeout="10s"),
    }
    settings = {"layout": "image", "limits": {"deadline": "10m"}}
    # The sets of scans that have a template, the most common first.
    csv = "image,scans\nwhole:1,once;quick\nflaky:1,once;quick\nhung:1,hangs;quick\n"
    folder = tmp_path_factory.mktemp("layout")
    with make_site(folder, "e2e-layout", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


def test_what_failed_with_others_in_a_pod_runs_again_alone_and_nothing_else_does(site: Site):
    run = quick.start(site, "flaky", IMAGES, ("once", "quick"))
    assert site.wait(run) == "Succeeded"
    assert {row.outcome for row in site.ledger(run).rows} == {Outcome.OK}
    found = list(nodes(site.cluster.workflow(run)).values())
    pods = [node.template_name for node in found if node.type == "Pod"]
    assert pods.count("image-set-1") == 2
    assert pods.count("left") == 1
    again = [node for node in found if node.type == "Pod" and node.template_name.startswith("scan-")]
    assert {node.phase for node in again} == {"Succeeded"}
    assert "scan-once" in {node.template_name for node in again}
    assert len({node.parameter("target") for node in again}) == 1


def test_where_nothing_failed_there_is_no_pod_for_it(site: Site):
    run = orchestrator.submit(quick.plan(site, "whole", IMAGES[:1], ("once", "quick")), site.config)
    assert site.wait(run) == "Succeeded"
    assert {row.outcome for row in site.ledger(run).rows} == {Outcome.OK}
    pods = [node.template_name for node in nodes(site.cluster.workflow(run)).values() if node.type == "Pod"]
    assert sorted(pods) == ["aggregate", "image-set-1", "plan"]


def test_a_scanner_that_hangs_is_ended_at_its_own_timeout(site: Site):
    """And is not tried again, because it would hang again; what ended before it stays."""
    run = quick.start(site, "hung", ["hung"], ("hangs", "quick"))
    assert site.wait(run) == "Failed"  # by the policy: one cell has
    rows = quick.rows(site.ledger(run))
    assert rows["hung", "hangs"].reason == "timed out after 10 s: raise the scan's timeout"
    assert [rows["hung", scan].outcome for scan in ("hangs", "quick")] == [Outcome.FAILED, Outcome.OK]
    pods = [node.template_name for node in nodes(site.cluster.workflow(run)).values() if node.type == "Pod"]
    assert len([pod for pod in pods if pod.startswith("image-set-")]) == 1
    assert not [pod for pod in pods if pod.startswith("scan-")]


def test_a_pull_that_is_killed_is_tried_again_before_any_scan_has_begun(site: Site, state: State, upstream: Upstream):
    quick.push(upstream, "slow", size=90_000)
    upstream.faults.add(slow(rate=6_000))
    try:
        run = quick.start(site, "killed", ["slow"], ("once", "quick"))
        await_(lambda: bool(staging(site, run)), 120, f"the pod of {run} to pull")
        faults.kill_container(state, site.namespace, staging(site, run), labels.STAGE)
    finally:
        upstream.faults.clear()
    assert site.wait(run) == "Succeeded"
    assert {row.outcome for row in site.ledger(run).rows} == {Outcome.OK}
    pods = [node.template_name for node in nodes(site.cluster.workflow(run)).values() if node.type == "Pod"]
    assert sorted(pods) == ["aggregate", "image-set-1", "image-set-1", "plan"]


def staging(site: Site, run: str) -> str:
    """The pod of a run whose init container pulls just now."""
    path = "{.items[?(@.status.initContainerStatuses[1].state.running)].metadata.name}"
    return site.kubectl("get", "pods", "-l", f"{labels.RUN}={run},{labels.TARGET}", "-o", f"jsonpath={path}").strip()
