"""The seed's nine cells on a real cluster, in each way that a run can be started."""

import pytest

import orchestrator
from tests.e2e import nine
from tests.e2e.site import Site, await_
from tests.integration import nine_cells


def check(site: Site, run: str) -> None:
    nine.check(site.ledger(run), site.findings(run))


def test_submitted_from_the_workflow_template_and_each_blob_read_once(site: Site):
    site.upstream.log.clear()  # of what other namespaces have read through caches of their own
    run = site.submit()
    assert site.wait(run) == "Succeeded"
    check(site, run)
    reads = site.upstream.log.blob_reads()
    assert set(nine_cells.unique_blobs(nine.images())) <= reads.keys()
    assert set(reads.values()) == {1}


@pytest.fixture(scope="module")
def rendered(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A rendered file was submitted, and nobody has waited for its end; the name of its Workflow."""
    plan = orchestrator.make_plan(site.config, run="rendered")
    file = tmp_path_factory.mktemp("rendered") / "workflow.yaml"
    file.write_text(orchestrator.render(plan, site.config))
    return site.argo("submit", str(file), "-o", "name").strip()


def test_run_from_the_sdk_while_another_run_goes_on(site: Site, rendered: str):
    plan = orchestrator.make_plan(site.config, run="sdk")
    ledger = orchestrator.run(plan, site.config)
    nine.check(ledger, orchestrator.read_findings(site.config, "sdk"))
    assert orchestrator.status(site.config, "sdk").state == "succeeded"
    assert ledger == site.ledger("sdk")
    assert all(row.attempts == 1 and row.finished for row in ledger.rows)
    virus = [row for row in ledger.rows if row.scan == "virus"]
    assert all(row.database_version for row in virus)


def test_submitted_as_a_rendered_file(site: Site, rendered: str):
    assert site.wait(rendered) == "Succeeded"
    check(site, "rendered")


def test_started_by_its_schedule_and_from_it_by_hand(site: Site):
    schedule = orchestrator.render(
        orchestrator.make_plan(site.config, run="unused"),
        site.config.model_copy(update={"argo": site.config.argo.model_copy(update={"schedule": "* * * * *"})}),
        kind="schedule",
    )
    site.kubectl("apply", "-f", "-", stdin=schedule)
    try:
        by_hand = site.argo("submit", "--from", "cronwf/scanmatrix", "-o", "name").strip()
        await_(lambda: bool(scheduled(site) - {by_hand}), 90, "the schedule to fire")
        site.argo("cron", "suspend", "scanmatrix")
        (fired,) = scheduled(site) - {by_hand}
        for run in (by_hand, fired):
            assert site.wait(run) == "Succeeded"
            check(site, run)
    finally:
        site.kubectl("delete", "cronworkflow", "scanmatrix")


def scheduled(site: Site) -> set[str]:
    """Names of the Workflows that come from the schedule."""
    listed = site.kubectl("get", "wf", "-l", "workflows.argoproj.io/cron-workflow=scanmatrix", "-o", "name")
    return {line.rpartition("/")[2] for line in listed.split()}
