"""What tests of workers as pods have in common: their installation, a run for them, and what they are at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.argo import names
from orchestrator.model import Outcome
from tests.cluster.state import NODE_IP
from tests.e2e.site import await_, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.site import Site
    from tests.tools.postgres import Postgres

SELECTOR = "app.kubernetes.io/component=worker"


def settings_with(database: Postgres, **workers: object) -> dict[str, object]:
    """A configuration whose workers have their store in a database of this machine."""
    private = {"private": [f"{NODE_IP}/32"], "ports": [database.port]}
    argo = {"scheduler": {"storeSecret": "store"}, "network": private, "workers": workers}
    return {"engine": "queue", "queue": {"lease": "10s"}, "argo": argo}


def install(site: Site, database: Postgres) -> None:
    """Give workers their Secret, and install them."""
    site.kubectl("create", "secret", "generic", "store", f"--from-literal=url={database.create('queue')}")
    run("kubectl", "apply", "--server-side", "-f", "-", stdin=site.scanmatrix("install", "--workers"))


def start_run(site: Site, name: str, *words: str) -> None:
    """Hand a run over from a pod that has what the scheduler has; further words are those of `scanmatrix run`."""
    spec = json.loads(site.kubectl("get", "deployment", "scheduler", "-o", "json"))["spec"]["template"]
    [container] = spec["spec"]["containers"]
    container["command"] = ["scanmatrix", "run", "--config", "/config/scanmatrix.yaml", "--volume", "/volume"]
    container["args"] = ["--run-id", name, *words]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec["spec"] | {"restartPolicy": "Never"}}
    pod["metadata"] = {"name": name, "labels": spec["metadata"]["labels"]}
    site.kubectl("create", "-f", "-", stdin=json.dumps(pod))


def await_end(site: Site, name: str) -> None:
    """Wait for the pod that follows such a run to end."""
    ended = {"Succeeded", "Failed"}
    await_(lambda: site.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}") in ended, 180, "the run's end")


def assert_each_once(site: Site, name: str, images: Sequence[str]) -> None:
    """Every image is in the ledger of a run once, and nothing went wrong with it."""
    ledger = site.ledger(name)
    assert [(row.outcome, row.reason) for row in ledger.rows] == [(Outcome.OK, "")] * len(images)
    assert sorted(row.references[0].rpartition("/")[2] for row in ledger.rows) == [f"{each}:1" for each in images]


def at_work(site: Site) -> list[str]:
    """The pods that have a cell just now."""
    present = set(site.kubectl("get", "pods", "-l", SELECTOR, "-o", "jsonpath={.items[*].metadata.name}").split())
    return sorted(present & {path.parent.name for path in (site.storage / "workers").glob("*/image.tar")})


def named(site: Site, path: str, scan: str = "") -> list[str]:
    """What all pods of workers have there, or those of one scan."""
    selector = f"{SELECTOR},{names.SCAN}={scan}" if scan else SELECTOR
    return site.kubectl("get", "pods", "-l", selector, "-o", f"jsonpath={{.items[*].metadata.{path}}}").split()
