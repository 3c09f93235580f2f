"""A real cluster with everything installed, for the end-to-end tests.

With KUBECONFIG set, that cluster is used; its node must be this machine, whose servers and folders it needs. Otherwise
it is the one-node cluster of `tests/cluster`, which `python -m tests.e2e` brings up.
"""

import os
import threading
from collections.abc import Generator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.cluster import databases
from tests.cluster.state import NODE_IP, State, default_folder
from tests.e2e import nine, witness
from tests.e2e.site import Site, make_site
from tests.groups import Grouped, file_of
from tests.tools.upstream import Upstream, start_upstream

ROOT = Path(__file__).parents[2]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a failure say what the cluster looked like, before anything of the test is removed."""
    report = yield
    if report.failed and os.environ.get("KUBECONFIG"):
        report.sections += witness.statements()
    return report


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """A cluster that `KUBECONFIG` names, or that is up on this machine, with the images of the tests in it."""
    if os.environ.get("KUBECONFIG"):
        return
    if not default_folder().exists():
        reason = "no cluster: set KUBECONFIG, or run `make e2e` as root on a machine with Go"
        required = os.environ.get("SCANMATRIX_REQUIRE_TOOLS", "") not in {"", "0"}
        raise (pytest.fail.Exception(reason) if required else pytest.skip.Exception(reason))
    os.environ["KUBECONFIG"] = str(State(default_folder()).kubeconfig)


#: Files of which all tests are on one worker: there is one port 80 for `mirror`, and one controller of resources acts.
_TOGETHER = {
    "test_isolation.py": "mirror",
    "test_nine_cells.py": "mirror",
    "test_repositories.py": "mirror",
    "test_sboms.py": "mirror",
    "test_controller.py": "controller",
    "test_helm.py": "controller",
    "test_source_flow.py": "controller",
}


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Grouped:
    """A file stays on one worker, and so do those that share what there is once."""
    return Grouped(config, log, lambda nodeid: _TOGETHER.get(file_of(nodeid), file_of(nodeid)))


@pytest.fixture(scope="session")
def state(cluster: None) -> State:
    """The cluster of the tests' own: nobody wants the API server of another one killed."""
    folder = default_folder()
    if not folder.exists() or os.environ.get("KUBECONFIG") != str(State(folder).kubeconfig):
        pytest.skip("only the cluster of `make cluster` is broken on purpose")
    return State(folder)


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """A registry that wants a password, on an address that pods reach, and a log of what it served."""
    with start_upstream(tmp_path_factory.mktemp("upstream"), NODE_IP) as found:
        nine.push(found, tmp_path_factory.mktemp("databases"))
        yield found


@pytest.fixture(scope="session")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `mirror` serves, with Grype's database."""
    return databases.grype(tmp_path_factory.mktemp("mirror"))


@pytest.fixture(scope="session")
def mirror(mirrored: Path) -> Iterator[str]:
    """URL of what serves Grype's database: on port 80, because databases are let go to 80 and 443 only."""
    server = ThreadingHTTPServer((NODE_IP, 80), partial(_Quiet, directory=str(mirrored)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://{NODE_IP}"
    server.shutdown()
    server.server_close()
    thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Nothing: pytest has the output."""


@pytest.fixture(scope="session")
def site(upstream: Upstream, mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The seed's nine cells, installed; what most tests use."""
    folder = tmp_path_factory.mktemp("nine")
    scans = nine.templates(mirror)
    with make_site(folder, "e2e-nine", upstream, csv=nine.CSV, templates=scans, settings=nine.SETTINGS) as found:
        yield found
