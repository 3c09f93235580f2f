"""What a scanner writes: it ends one that writes too much to its node, and nothing stays on the volume but reports."""

from collections.abc import Iterator

import pytest

from orchestrator.model import Outcome
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools.upstream import Upstream

_WRITER = """
with open("/tmp/large", "wb") as file:
    for _ in range(200):
        file.write(bytes(1024 * 1024))
time.sleep(240)
"""
_LITTER = """
folder = pathlib.Path(sys.argv[1]).parent
(folder / "core").write_bytes(bytes(5_000_000))
(folder / "a" / "b").mkdir(parents=True)
(folder / "a" / "b").chmod(0)
(folder / "a").chmod(0)
"""


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    quick.push(upstream, "disk")
    scans = {
        "writer": quick.scan("writer", _WRITER, retries=1, timeout="5m"),
        "litter": quick.scan("litter", _LITTER, retries=0),
    }
    settings = {"limits": {"deadline": "10m", "cellDisk": "64Mi"}}
    csv = "image,scans\ndisk:1,writer;litter\n"
    folder = tmp_path_factory.mktemp("disk")
    with make_site(folder, "e2e-disk", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


def test_a_scanner_that_fills_its_node_is_ended_once_and_leftovers_go(site: Site):
    run = site.submit()
    assert site.wait(run) == "Failed"  # by the policy: one cell has
    rows = quick.rows(site.ledger(run))
    writer = rows["disk", "writer"]
    assert writer.outcome is Outcome.FAILED
    assert "exceeds the limit" in writer.reason
    assert writer.attempts == 1
    assert rows["disk", "litter"].outcome is Outcome.OK
    folder = site.volume.cell(run, rows["disk", "litter"].target, "litter")
    assert [path.name for path in folder.iterdir()] == ["report.json"]
