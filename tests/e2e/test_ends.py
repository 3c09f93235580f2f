"""Runs whose Workflow is deleted, terminated or replaced: each gets its ledger, and the volume holds nothing of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import orchestrator
from orchestrator.argo.names import ARGO_CRON, REAPER
from orchestrator.model import Decision, Ledger, Outcome
from orchestrator.results.provisional import LEDGER
from orchestrator.upkeep.claims import claims
from orchestrator.upkeep.plans import read_plan
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site
from tests.tools.upstream import Upstream

IMAGES = ("first", "second", "third")
SCANS = ("steady", "quick")


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One scan takes a minute, so that runs are ended in the middle of it."""
    scans = {"steady": quick.scan("steady", "time.sleep(60)"), "quick": quick.scan("quick")}
    settings = {
        "limits": {"imagesInFlight": 2, "deadline": "10m", "retries": 2},
        "argo": {"schedule": "0 0 1 1 *", "concurrency": "Replace"},
    }
    quick.push(upstream, *IMAGES)
    csv = "image,scans\n" + "".join(f"{image}:1,{';'.join(SCANS)}\n" for image in IMAGES)
    folder = tmp_path_factory.mktemp("ends")
    with make_site(folder, "e2e-ends", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


def reap(site: Site) -> None:
    """Have the reaper come now."""
    name = site.argo("submit", "--from", f"cronwf/{REAPER}", "-o", "name").strip()
    assert site.wait(name) == "Succeeded"


def in_the_middle(site: Site, run: str) -> None:
    """Wait until one scan of a run has ended well, and another one runs."""
    quick.await_pod(site, run, "scan")
    await_(lambda: any(site.volume.run(run).glob("*/quick/report.json")), 180, f"a quick cell of {run}")


def check_accounted(site: Site, run: str, said: str) -> Ledger:
    """Each planned cell once, some ok, the others with the reason; nothing is held."""
    ledger, plan = site.ledger(run), read_plan(run, site.volume)
    assert sorted(row.cell for row in ledger.rows) == sorted(cell.id for cell in plan.cells)
    assert ledger.count(Outcome.OK)
    failed = [row for row in ledger.rows if row.outcome is Outcome.FAILED]
    assert failed
    assert [row.reason for row in failed if said not in row.reason and "cancelled" not in row.reason] == []
    links = [site.volume.tarball(run, cell.target, cell.scan) for cell in plan.cells if cell.decision is Decision.RUN]
    assert [link for link in links if link.exists()] == []
    assert not site.volume.reserve(run).exists()
    assert [claim.run for claim in claims(site.volume) if claim.run == run] == []
    return ledger


def delete(site: Site, run: str) -> None:
    site.kubectl("delete", "workflow", run)


def terminate(site: Site, run: str) -> None:
    site.argo("terminate", run)
    site.wait(run)


@pytest.mark.parametrize(("end", "said"), [(delete, "deleted"), (terminate, "terminated")])
def test_a_run_that_ends_without_its_exit_handler_is_finished_by_the_reaper(
    site: Site, end: Callable[[Site, str], None], said: str
) -> None:
    run = quick.start(site, f"reaped-{said}", IMAGES, SCANS)
    in_the_middle(site, run)
    reap(site)
    assert not (site.volume.results(run) / LEDGER).exists()  # it was active
    end(site, run)
    await_(lambda: not quick.pods(site, run, "scan"), 120, "the last pods of the run to end")
    reap(site)
    before = check_accounted(site, run, said)
    reap(site)
    assert site.ledger(run) == before


@pytest.mark.campaign  # unit/steps/test_owning.py has all its kinds
def test_a_second_workflow_of_a_run_fails_and_the_first_is_not_disturbed(site: Site) -> None:
    run = quick.start(site, "once", IMAGES[:1], SCANS)
    in_the_middle(site, run)
    second = site.submit(run=run)
    assert site.wait(second) == "Failed"
    assert orchestrator.status(site.config, run).state == "running"
    assert site.wait(run) == "Succeeded"
    assert {row.outcome for row in site.ledger(run).rows} == {Outcome.OK}


@pytest.mark.campaign  # unit/steps/test_replace.py has what stops it
def test_a_run_of_the_schedule_stops_the_one_before_and_that_has_its_ledger(site: Site) -> None:
    first = site.argo("submit", "--from", "cronwf/scanmatrix", "-o", "name").strip()
    in_the_middle(site, first)
    second = site.argo("submit", "--from", "cronwf/scanmatrix", "-o", "name").strip()
    try:
        site.wait(first, seconds=300)
        check_accounted(site, first, "cancelled")
        await_(lambda: site.volume.plan(second).exists(), 300, "the second run to begin")
        listed = site.kubectl("get", "wf", "-l", f"{ARGO_CRON}=scanmatrix", "-o", "name")
        assert {first, second} <= {name.rpartition("/")[2] for name in listed.split()}
    finally:
        orchestrator.cancel(site.config, second)
        site.wait(second)


def test_fetch_says_why_a_run_has_no_results(site: Site, tmp_path: Path) -> None:
    run = quick.start(site, "unfetched", IMAGES[:1], SCANS)
    in_the_middle(site, run)
    with pytest.raises(orchestrator.EngineError, match=rf"Workflow {run}.*running"):
        orchestrator.fetch(site.config, run)
    orchestrator.cancel(site.config, run)
    site.wait(run)
    assert len(orchestrator.fetch(site.config, run).rows) == 2
