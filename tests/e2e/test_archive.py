"""The production overlay's archive: Argo keeps ended runs in Postgres, with the overlay's own settings."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import addons, faults
from tests.cluster.state import NODE_IP, State
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site
from tests.tools.postgres import Postgres, start_postgres
from tests.tools.upstream import Upstream

pytestmark = [pytest.mark.alone, pytest.mark.campaign]
PRODUCTION = Path(__file__).parents[2] / "argo-install" / "overlays" / "production"


@pytest.fixture
def archive(state: State) -> Iterator[Postgres]:
    """A Postgres beside the cluster, as `docs/install.md` tells of one of your own, until the end of the test."""
    settings = yaml.safe_load((PRODUCTION / "settings.yaml").read_text())
    persistence = yaml.safe_load(settings["data"]["persistence"])
    name = persistence["postgresql"]["userNameSecret"]["name"]
    with start_postgres(NODE_IP) as server:
        persistence["postgresql"] |= {"host": server.host, "port": server.port}
        settings["data"]["persistence"] = yaml.safe_dump(persistence)
        login = f"--from-literal=username={server.user}", f"--from-literal=password={server.password}"
        addons.kubectl(state, "-n", "argo", "create", "secret", "generic", name, *login)
        try:
            patch = ("patch", "configmap", "workflow-controller-configmap", "--patch", json.dumps(settings))
            addons.kubectl(state, "-n", "argo", *patch)
            faults.crash_controller(state)
            yield server
        finally:
            gone = json.dumps({"data": {"persistence": None}})
            addons.kubectl(state, "-n", "argo", *patch[:-1], gone)
            addons.kubectl(state, "-n", "argo", "delete", "secret", name)
            faults.crash_controller(state)


@pytest.fixture
def site(upstream: Upstream, tmp_path: Path) -> Iterator[Site]:
    quick.push(upstream, "kept")
    scans = {"quick": quick.scan("quick")}
    with make_site(tmp_path, "e2e-archive", upstream, csv="image\nkept:1\n", templates=scans) as found:
        yield found


def test_a_run_is_archived_when_it_has_ended(site: Site, archive: Postgres):
    run = quick.start(site, "kept", ["kept"], ["quick"])
    assert site.wait(run) == "Succeeded"
    query = f"select name, namespace, phase from argo_archived_workflows where name = '{run}'"
    await_(lambda: bool(archive.rows(query)), 60, "the run to be in the archive")
    assert archive.rows(query) == [[run, site.namespace, "Succeeded"]]
    labels = dict(archive.rows("select name, value from argo_archived_workflows_labels where name like 'scanmatrix%'"))
    assert labels["scanmatrix/run"] == run
    site.cluster.delete_workflow(run)
    assert archive.rows(query) != []
