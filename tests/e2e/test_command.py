"""The command line and the SDK on runs in a cluster: start, watch, read logs, try again, cancel, delete."""

import asyncio
import subprocess
from collections.abc import Iterator

import pytest
import yaml

import orchestrator
from orchestrator.api import aio
from orchestrator.model import Outcome
from tests.e2e import quick
from tests.e2e.site import CACHE, Site, await_, make_site
from tests.tools import find
from tests.tools.upstream import Upstream

IMAGES = ("left-hand", "right-hand")
SCANS = {
    "fine": quick.scan("fine"),
    "wrong": quick.scan("wrong", "print('the disc is worn'); sys.exit(3)"),
    "slow": quick.scan("slow", "print('begun', flush=True); time.sleep(90)"),
}


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Beside the configuration of the cluster `here.yaml`, which knows the cache by an address that is reached here."""
    folder = tmp_path_factory.mktemp("command")
    quick.push(upstream, *IMAGES)
    csv = "image,scans\n" + "".join(f"{image}:1,fine;wrong\n" for image in IMAGES)
    settings = {"limits": {"deadline": "5m", "retries": 1}}
    with make_site(folder, "e2e-command", upstream, csv=csv, templates=SCANS, settings=settings) as found:
        config = yaml.safe_load((folder / "scanmatrix.yaml").read_text())
        address = found.kubectl("get", "service", CACHE, "-o", "jsonpath={.spec.clusterIP}")
        config["cache"][0] |= {"url": f"http://{address}:5000"}
        for key in ("remote", "secret", "size"):
            config["cache"][0].pop(key, None)
        config["volume"]["path"] = "fetched"
        (folder / "here.yaml").write_text(yaml.safe_dump(config))
        yield found


def scanmatrix(site: Site, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command with `here.yaml`; whatever its exit status."""
    command = [str(find("scanmatrix")), arguments[0], "--config", "here.yaml", *arguments[1:]]
    return subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=False, timeout=600)


def test_a_run_is_followed_and_its_results_are_brought_here(site: Site):
    done = scanmatrix(site, "run", "--run-id", "followed")
    assert done.returncode == 1, done.stderr  # the policy wants every cell to end ok
    assert "policy:" in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith(("fine of", "wrong of"))]
    assert sorted(line.partition(":1: ")[0] for line in told) == sorted(
        f"{scan} of docker.io/library/{image}" for image in IMAGES for scan in ("fine", "wrong")
    )
    assert (site.folder / "fetched" / "results" / "followed" / "ledger.json").exists()
    for image in IMAGES:
        assert image in done.stdout


def test_its_status_and_logs_can_be_read(site: Site):
    listed = scanmatrix(site, "status")
    assert "followed" in listed.stdout
    told = scanmatrix(site, "status", "followed")
    assert told.returncode == 0, told.stderr
    assert "2 ok, 2 failed" in told.stdout
    said = scanmatrix(site, "logs", "followed", "left-hand", "wrong")
    assert "the disc is worn" in said.stdout, said.stderr
    unclear = scanmatrix(site, "logs", "followed", "hand", "wrong")
    assert unclear.returncode == 2
    assert "left-hand" in unclear.stderr


def test_a_retry_tries_just_what_failed_again(site: Site):
    before = site.ledger("followed")
    again = scanmatrix(site, "retry", "followed")
    assert again.returncode == 1, again.stderr  # as of `run`: the policy wants every cell to end ok
    told = [line.partition(" of ")[0] for line in again.stderr.splitlines() if line.startswith(("fine of", "wrong of"))]
    assert told == ["wrong"] * len(IMAGES)  # what was ok before is not told again
    assert "2 of 4 cells ok, 2 failed" in again.stdout
    assert "failed" in scanmatrix(site, "status", "followed", "--watch").stdout
    fetched = scanmatrix(site, "fetch", "followed")
    assert fetched.returncode == 1, fetched.stderr
    after = site.ledger("followed")
    attempts = {row.cell: row.attempts for row in before.rows}
    for row in after.rows:
        more = 0 if row.outcome is Outcome.OK else 1
        assert row.attempts == attempts[row.cell] + more


def test_a_run_is_started_cancelled_and_deleted(site: Site):
    started = scanmatrix(site, "run", "left-hand:1", "--scan", "slow", "--detach")
    run = started.stdout.strip()
    assert started.returncode == 0, started.stderr
    assert scanmatrix(site, "retry", run).returncode == 2  # it has not ended
    pod = quick.await_pod(site, run, "scan")
    await_(lambda: "begun" in site.kubectl("logs", pod, "-c", "main", check=False), 60, "the scan to say something")
    assert run in scanmatrix(site, "cancel", run).stdout
    site.wait(run)
    status = scanmatrix(site, "status", run)
    assert "cancelled" in status.stdout
    (row,) = site.ledger(run).rows
    assert (row.outcome, "cancelled" in row.reason) == (Outcome.FAILED, True)
    assert run in scanmatrix(site, "delete", run).stdout
    assert scanmatrix(site, "status", run).returncode == 2
    assert len(site.ledger(run).rows) == 1  # its results stay


def test_a_run_is_followed_from_asyncio(site: Site):
    plan = quick.plan(site, "awaited", IMAGES, ["fine"])
    config = site.config

    async def follow() -> tuple[list[str], orchestrator.Ledger]:
        assert await aio.submit(plan, config) == plan.run
        states = [status.state async for status in aio.follow(config, plan.run)]
        return states, await aio.fetch(config, plan.run)

    states, ledger = asyncio.run(follow())
    assert states[-1] == "succeeded"
    assert {row.outcome for row in ledger.rows} == {Outcome.OK}
