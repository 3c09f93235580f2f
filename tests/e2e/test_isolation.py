"""What a scanner can reach: a scan that tries everything, and whose findings are what it managed to do.

The network policies are those that `scanmatrix install` renders. A cluster of one's own must enforce them.
"""

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.images import ORCHESTRATOR
from tests.cluster.state import API_SERVER, DNS, NODE_IP
from tests.e2e.site import CACHE, Site, make_site
from tests.tools.images import Image, layer
from tests.tools.upstream import Upstream

PROBE = (Path(__file__).parent / "probe.py").read_text()
API = API_SERVER.rpartition("/")[2]
KUBELET = f"{NODE_IP}:10250"
#: Where clouds tell anybody who asks the credentials of the machine.
METADATA, METADATA_PORT = "169.254.169.254", 80
CELLS = {"cell": "e2e-alone", "image": "e2e-alone-image"}


@pytest.fixture(scope="module")
def metadata() -> Iterator[None]:
    """Something that answers where the metadata service of a cloud does: the node itself has its address."""
    place = (f"{METADATA}/32", "dev", "lo")
    subprocess.run(["ip", "address", "replace", *place], check=True)
    try:
        with socket.create_server((METADATA, METADATA_PORT)) as server:
            threading.Thread(target=_accept, args=(server,), daemon=True).start()
            yield
    finally:
        subprocess.run(["ip", "address", "delete", *place], check=True)


def _accept(server: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed
        while True:
            server.accept()[0].close()


@pytest.fixture(scope="module", params=CELLS)
def isolated(
    request: pytest.FixtureRequest,
    upstream: Upstream,
    mirror: str,
    metadata: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Two images, and three scans that try everything.

    The database of the second is refreshed, and that of the third is loaded, by a command that tries everything too.
    """
    for name in "ab":
        upstream.push(f"library/{name}:1", Image.build([layer({name: name})]))
    folder = tmp_path_factory.mktemp("isolated")
    namespace = CELLS[request.param]
    probe = {"image": ORCHESTRATOR, "format": "scanmatrix", "description": "Tries everything", "retries": 0}
    probe |= {"resources": {"cpu": "50m", "memory": "64Mi", "memoryLimit": "256Mi"}, "timeout": "2m"}
    program = ["python3", "-c", PROBE]
    # By a comma: a port that a refresh names as usual is one that its policy lets it reach.
    addresses = [address.replace(":", ",") for address in targets(upstream).values()]
    scans = {
        # The tarball is named because every template must; nothing listens there.
        "first": {"name": "first", **probe, "command": [*program, "{report}", *addresses, "{tarball},1"]},
        "second": {"name": "second", **probe, "command": [*program, "{report}", *addresses, "{tarball},1"],
                   "database": {"refresh": [*program, "{database}/report.json", *addresses]}},
        "third": {"name": "third", **probe, "command": [*program, "{report}", *addresses, "{tarball},1"],
                  "database": {"fetch": {"grype": {"url": f"{mirror}/databases"}},
                               "load": [*program, "{database}/report.json", *addresses, "{fetched},1"]}},
    }  # fmt: skip
    csv = "image,scans\na:1,first;second;third\nb:1,first;second;third\n"
    settings = {"layout": request.param, "limits": {"deadline": "10m"}}
    with make_site(folder, namespace, upstream, csv=csv, templates=scans, settings=settings) as site:
        yield site


def targets(upstream: Upstream) -> dict[str, str]:
    """What there is to reach, by who it is; names of the namespace's own cache are the same in each."""
    return {
        "the Kubernetes API by its service": "10.96.0.1:443",
        "the Kubernetes API": API,
        "the name server": f"{DNS}:53",
        "the cache": f"{CACHE}:5000",
        "the upstream": upstream.host,
        "the kubelet": KUBELET,
        "the metadata service": f"{METADATA}:{METADATA_PORT}",
    }


@pytest.fixture(scope="module")
def run(isolated: Site) -> str:
    name = isolated.submit()
    assert isolated.wait(name) == "Succeeded"
    return name


def test_a_scanner_reaches_nothing_but_the_api(isolated: Site, run: str, upstream: Upstream) -> None:
    allowed = {"the Kubernetes API by its service", "the Kubernetes API"}
    if isolated.config.layout == "image":  # its pod is the one that pulls, and a pod has one network
        allowed |= {"the name server", "the cache"}
    found = reached(isolated, run, upstream)
    assert {name for names in found.values() for name in names if name != "resolves names"} == allowed
    assert {"resolves names" in names for names in found.values()} == {isolated.config.layout == "image"}


def test_all_that_it_tries_is_there(isolated: Site, upstream: Upstream) -> None:
    for name, address in targets(upstream).items():
        host, _, port = address.rpartition(":")
        if host == CACHE:
            host = isolated.kubectl("get", "service", CACHE, "-o", "jsonpath={.spec.clusterIP}")
        with socket.create_connection((host, int(port)), 5):
            assert name


def test_it_is_nobody_and_sees_its_own_cell_only(isolated: Site, run: str) -> None:
    assert len(isolated.ledger(run).rows) == 6
    assert {each for each in findings(isolated, run) if not each.startswith(("reaches", "resolves"))} == set()


def test_what_loads_a_database_reaches_nothing_but_the_api(isolated: Site, run: str, upstream: Upstream) -> None:
    said, names = of_database(isolated, "third"), labels(upstream)
    assert {names.get(each, each) for each in said} == {"the Kubernetes API by its service", "the Kubernetes API"}


def test_a_refresh_command_reaches_mirrors_but_nothing_inside(isolated: Site, run: str, upstream: Upstream) -> None:
    said, names = of_database(isolated, "second"), labels(upstream)
    assert {names[each] for each in said if each in names} == {
        "the Kubernetes API by its service",
        "the Kubernetes API",
        "the name server",
    }
    assert said - names.keys() == {"resolves names"}


def of_database(site: Site, scan: str) -> set[str]:
    """What the command that made a scan's database managed to do."""
    (report,) = {path.resolve() for path in (site.storage / "databases" / scan).glob("*/report.json")}
    return {each["id"] for each in json.loads(report.read_text())["findings"]}


def labels(upstream: Upstream) -> dict[str, str]:
    """What a finding of the probe means."""
    return {f"reaches {address.replace(':', ',')}": name for name, address in targets(upstream).items()}


def reached(site: Site, run: str, upstream: Upstream) -> dict[str, set[str]]:
    """By cell: whom it reached."""
    names = labels(upstream)
    table = site.findings(run)
    table = table[table["id"].str.startswith(("reaches", "resolves"))]
    return {cell: {names.get(each, each) for each in some["id"]} for cell, some in table.groupby("cell")}


def findings(site: Site, run: str) -> set[str]:
    return set(site.findings(run)["id"])
