"""The seed's nine cells on a real cluster, in each way that a run can be started."""

from pathlib import Path

import orchestrator
from tests.cluster.state import NODE_IP
from tests.e2e import nine
from tests.e2e.site import Site, await_
from tests.tools.git_servers import GitHttp, git


def check(site: Site, run: str) -> None:
    nine.check(site.ledger(run), site.findings(run))


def test_submitted_from_the_workflow_template_and_each_blob_read_once(site: Site):
    run = site.submit()
    assert site.wait(run) == "Succeeded"
    check(site, run)
    reads = site.upstream.log.blob_reads()
    assert reads
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


def test_planned_from_a_git_repository(site: Site, tmp_path: Path):
    """Configuration and list of targets of one commit; the ConfigMap of the install is not looked at."""
    work = tmp_path / "images"
    work.mkdir()
    for file in site.folder.glob("*.yaml"):
        (work / file.name).write_text(file.read_text())
    (work / "targets.csv").write_text(nine.CSV.splitlines()[0] + "\n" + nine.CSV.splitlines()[1] + "\n")
    git("init", "-q", "-b", "main", cwd=work)
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "targets", cwd=work)
    git("tag", "v1", cwd=work)
    (work / "targets.csv").write_text("image\nno-such-image:1\n")
    git("commit", "-q", "-a", "-m", "other targets", cwd=work)
    git("clone", "-q", "--bare", str(work), str(tmp_path / "images.git"), cwd=tmp_path)
    server = GitHttp(tmp_path, address=(NODE_IP, 443))  # the plan's pod reaches git's usual ports only
    try:
        url = f"http://{NODE_IP}:443/images.git"
        run = site.submit(**{"config-git": url, "config-ref": "v1"})
        assert site.wait(run) == "Succeeded"
    finally:
        server.close()
    (image,) = {row.references[0] for row in site.ledger(run).rows}
    assert image.partition("docker.io/library/")[2] == nine.CSV.splitlines()[1].partition(",")[0]


def scheduled(site: Site) -> list[str]:
    listed = site.kubectl("get", "wf", "-l", "workflows.argoproj.io/cron-workflow=scanmatrix", "-o", "name")
    return [line.rpartition("/")[2] for line in listed.split()]
