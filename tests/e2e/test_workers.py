"""Workers as pods: a run in which one is killed and all are scaled in, each in the middle of a cell."""

import json
from collections.abc import Iterator

import pytest

from orchestrator.argo import beside
from orchestrator.model import Outcome
from tests.cluster.state import NODE_IP
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site, run
from tests.tools.postgres import start_postgres
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
        private = {"private": [f"{NODE_IP}/32"], "ports": [database.port]}
        workers = {"scans": ["slow"], "replicas": 2}
        settings = {
            "engine": "queue",
            "queue": {"lease": "10s"},
            "argo": {"scheduler": {"storeSecret": "store"}, "network": private, "workers": workers},
        }
        csv = "\n".join(["image,scans", *(f"{name}:1,slow" for name in IMAGES), ""])
        scans = {"slow": quick.scan("slow", PROGRAM)}
        with make_site(
            tmp_path_factory.mktemp("workers"), "e2e-workers", upstream, csv=csv, templates=scans, settings=settings
        ) as found:
            found.kubectl("create", "secret", "generic", "store", f"--from-literal=url={database.create('queue')}")
            rendered = found.scanmatrix("install", "--workers")
            run("kubectl", "apply", "--server-side", "-f", "-", stdin=rendered)
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
