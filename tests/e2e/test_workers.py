"""Workers as pods: a run in which one is killed and all are scaled in, each in the middle of a cell."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.argo import beside
from orchestrator.model import Outcome
from tests.cluster.state import NODE_IP
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site, run
from tests.tools.postgres import Postgres, start_postgres
from tests.tools.upstream import Upstream

IMAGES = ("worked-a", "worked-b", "worked-c", "worked-d", "worked-e")
DEPLOYMENT = "deployment/scanmatrix-worker-slow"
SELECTOR = "app.kubernetes.io/component=worker"
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


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    quick.push(upstream, *IMAGES)
    with start_postgres(NODE_IP) as database:
        settings = settings_with(database, scans=["slow"], replicas=2)
        csv = "\n".join(["image,scans", *(f"{name}:1,slow" for name in IMAGES), ""])
        scans = {"slow": quick.scan("slow", PROGRAM)}
        with make_site(
            tmp_path_factory.mktemp("workers"), "e2e-workers", upstream, csv=csv, templates=scans, settings=settings
        ) as found:
            install(found, database)
            yield found


def start_run(site: Site, name: str) -> None:
    """Hand a run over from a pod that has what the scheduler has."""
    spec = json.loads(site.kubectl("get", "deployment", "scheduler", "-o", "json"))["spec"]["template"]
    [container] = spec["spec"]["containers"]
    container["command"] = ["scanmatrix", "run", "--config", "/config/scanmatrix.yaml", "--volume", "/volume"]
    container["args"] = ["--run-id", name]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec["spec"] | {"restartPolicy": "Never"}}
    pod["metadata"] = {"name": name, "labels": spec["metadata"]["labels"]}
    site.kubectl("create", "-f", "-", stdin=json.dumps(pod))


def at_work(site: Site) -> list[str]:
    """The pods that have a cell just now."""
    present = set(site.kubectl("get", "pods", "-l", SELECTOR, "-o", "jsonpath={.items[*].metadata.name}").split())
    return sorted(present & {path.parent.name for path in (site.storage / "workers").glob("*/image.tar")})


def settings_with(database: Postgres, **workers: object) -> dict[str, object]:
    """A configuration whose workers have their store in a database of this machine."""
    private = {"private": [f"{NODE_IP}/32"], "ports": [database.port]}
    argo = {"scheduler": {"storeSecret": "store"}, "network": private, "workers": workers}
    return {"engine": "queue", "queue": {"lease": "10s"}, "argo": argo}


def install(site: Site, database: Postgres) -> None:
    """Give workers their Secret, and install them."""
    site.kubectl("create", "secret", "generic", "store", f"--from-literal=url={database.create('queue')}")
    run("kubectl", "apply", "--server-side", "-f", "-", stdin=site.scanmatrix("install", "--workers"))


def named(site: Site, path: str) -> list[str]:
    """What all pods of workers have there."""
    return site.kubectl("get", "pods", "-l", SELECTOR, "-o", f"jsonpath={{.items[*].metadata.{path}}}").split()


def test_one_is_killed_and_all_are_scaled_in_at_work_and_each_cell_ends_once(site: Site):
    site.kubectl("rollout", "status", DEPLOYMENT, "--timeout=180s")
    start_run(site, "worked")
    await_(lambda: len(at_work(site)) == 2, 180, "two workers to be at work")
    victim = at_work(site)[0]
    site.kubectl("delete", "pod", victim, "--force", "--grace-period=0")
    await_(lambda: len(set(at_work(site)) - {victim}) == 2, 180, "another worker to be at work")
    site.kubectl("scale", DEPLOYMENT, "--replicas=0")
    await_(lambda: len(named(site, "deletionTimestamp")) == 2, 60, "both workers to be asked to end")
    assert len(at_work(site)) == 2
    (site.storage / "databases" / "slow" / "go").touch()
    await_(lambda: not named(site, "name"), 120, "all workers to go")
    site.kubectl("scale", DEPLOYMENT, "--replicas=2")
    phase = "jsonpath={.status.phase}"
    await_(lambda: site.kubectl("get", "pod", "worked", "-o", phase) in {"Succeeded", "Failed"}, 180, "the run's end")
    ledger = site.ledger("worked")
    assert [(row.outcome, row.reason) for row in ledger.rows] == [(Outcome.OK, "")] * len(IMAGES)
    assert sorted(row.references[0].rpartition("/")[2] for row in ledger.rows) == [f"{name}:1" for name in IMAGES]
    assert max(row.attempts for row in ledger.rows) == 2  # the one whose worker was killed


@pytest.mark.campaign
def test_cells_that_do_nothing_by_workers_and_by_pods_for_images(upstream: Upstream, tmp_path: Path):
    """25 images and four scans, by one worker a scan, and then as Workflow in `layout: image`."""
    images, names = [f"many-{number}" for number in range(25)], [f"nothing-{number}" for number in range(4)]
    quick.push(upstream, *images)
    report = json.dumps({"format": "scanmatrix/1", "scanner": {"name": "quick"}, "findings": []})
    command = ["/bin/sh", "-c", 'printf %s "$0" > "$1"', report, "{report}", "{tarball}"]
    scans = {name: quick.scan(name, command=command) for name in names}
    csv = "\n".join(["image,scans", *(f"{image}:1,{';'.join(names)}" for image in images), ""])
    with start_postgres(NODE_IP) as database:
        more = {"layout": "image", "limits": {"imagesInFlight": 12, "cellsInFlight": 48}}
        settings = settings_with(database, scans=names, replicas=1) | more
        with make_site(tmp_path, "e2e-many", upstream, csv=csv, templates=scans, settings=settings) as site:
            install(site, database)
            for name in names:
                site.kubectl("rollout", "status", f"deployment/scanmatrix-worker-{name}", "--timeout=300s")
            began = time.monotonic()
            start_run(site, "by-workers")
            await_((site.volume.results("by-workers") / "summary.md").exists, 600, "the end of the run")
            queued = time.monotonic() - began
            for name in names:
                site.kubectl("scale", f"deployment/scanmatrix-worker-{name}", "--replicas=0")
            await_(lambda: not named(site, "name"), 120, "all workers to go")
            began = time.monotonic()
            ended = site.submit()
            site.wait(ended, seconds=900)
            pods = time.monotonic() - began
            for found in (site.ledger("by-workers"), site.ledger(ended)):
                assert [row.reason for row in found.rows] == [""] * 100
            rows = site.ledger("by-workers").rows
            first, last = min(row.started for row in rows), max(row.finished for row in rows)
            said = f"{queued:.0f} s by four workers ({first} to {last}), {pods:.0f} s in layout: image"
            sys.stdout.write(f"\n100 cells: {said}\n")
