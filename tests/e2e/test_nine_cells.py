"""The seed's nine cells on a real cluster, in each way that a run can be started."""

import shlex

import pytest

import orchestrator
from tests.cluster.addons import localised
from tests.cluster.state import State, default_folder
from tests.e2e import nine
from tests.e2e.site import Site, await_, run
from tests.integration import nine_cells
from tests.integration.test_readme import COMMANDS, IN_CLUSTER

NAMESPACES = ("scanmatrix", "scanmatrix-volume")


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


def test_run_from_the_sdk_while_another_run_continues(site: Site, rendered: str):
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
        await_(lambda: bool(scheduled(site)), 90, "the schedule to fire")
        site.argo("cron", "suspend", "scanmatrix")
        (fired,) = scheduled(site)
        # Not the other way round: what is started by hand counts as a run of the schedule, which then waits for it.
        by_hand = site.argo("submit", "--from", "cronwf/scanmatrix", "-o", "name").strip()
        for run in (by_hand, fired):
            assert site.wait(run) == "Succeeded"
            check(site, run)
    finally:
        site.kubectl("delete", "cronworkflow", "scanmatrix")


def test_the_readme_s_commands_for_a_cluster(site: Site):
    commands = [shlex.split(line) for line in COMMANDS if line.startswith(IN_CLUSTER)]
    assert [command[0] for command in commands] == ["kubectl", "kubectl", "argo", "scanmatrix"]
    *installs, submit, status = commands
    # Argo's own manifests come from the network there; what is installed here is not to be changed.
    folder = localised(State(default_folder())).parent
    try:
        for name in NAMESPACES:  # for the API server to look at what would be put into them
            run("kubectl", "create", "namespace", name)
        for install in installs:
            run(*(part.replace("argo-install/", f"{folder}/argo-install/") for part in install), "--dry-run=server")
    finally:
        run("kubectl", "delete", "namespace", "--ignore-not-found", *NAMESPACES, check=False)
    submit = [part.replace("scanmatrix", site.namespace) if part == "scanmatrix" else part for part in submit]
    assert "Succeeded" in run(*submit[:-1], "--wait")
    assert "succeeded" in site.scanmatrix(*status[1:])


def scheduled(site: Site) -> set[str]:
    """Names of the Workflows that come from the schedule."""
    listed = site.kubectl("get", "wf", "-l", "workflows.argoproj.io/cron-workflow=scanmatrix", "-o", "name")
    return {line.rpartition("/")[2] for line in listed.split()}
