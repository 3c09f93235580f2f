"""The seed's nine cells on a real cluster, in each way that a run can be started."""

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


def test_submitted_as_a_rendered_file(site: Site, tmp_path):
    plan = orchestrator.make_plan(site.config, run="rendered")
    (tmp_path / "workflow.yaml").write_text(orchestrator.render(plan, site.config))
    name = site.argo("submit", str(tmp_path / "workflow.yaml"), "-o", "name").strip()
    assert site.wait(name) == "Succeeded"
    check(site, "rendered")


def test_run_from_the_sdk_and_its_results_brought_here(site: Site):
    plan = orchestrator.make_plan(site.config, run="sdk")
    ledger = orchestrator.run(plan, site.config)
    nine.check(ledger, orchestrator.read_findings(site.config, "sdk"))
    assert orchestrator.status(site.config, "sdk").state == "succeeded"
    assert ledger == site.ledger("sdk")
    assert all(row.attempts == 1 and row.finished for row in ledger.rows)
    virus = [row for row in ledger.rows if row.scan == "virus"]
    assert all(row.database_version for row in virus)


def test_started_by_its_schedule(site: Site):
    schedule = orchestrator.render(
        orchestrator.make_plan(site.config, run="unused"),
        site.config.model_copy(update={"argo": site.config.argo.model_copy(update={"schedule": "* * * * *"})}),
        kind="schedule",
    )
    site.kubectl("apply", "-f", "-", stdin=schedule)
    try:
        await_(lambda: bool(scheduled(site)), 90, "the schedule to fire")
        site.argo("cron", "suspend", "scanmatrix")
        (run,) = scheduled(site)
        assert site.wait(run) == "Succeeded"
        check(site, run)
        again = site.argo("submit", "--from", "cronwf/scanmatrix", "-o", "name").strip()
        assert site.wait(again) == "Succeeded"
        check(site, again)
    finally:
        site.kubectl("delete", "cronworkflow", "scanmatrix")


def scheduled(site: Site) -> list[str]:
    listed = site.kubectl("get", "wf", "-l", "workflows.argoproj.io/cron-workflow=scanmatrix", "-o", "name")
    return [line.rpartition("/")[2] for line in listed.split()]
