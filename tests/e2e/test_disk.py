"""What scanners write: too much of it ends them, wherever it is, and nothing reaches the volume but their reports."""

import sys
import time
from collections.abc import Iterator

import pytest

from orchestrator.kit.trees import TreeSize, measure
from orchestrator.model import LedgerRow, Outcome
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools.upstream import Upstream

#: Namespaces by layout.
SITES = {"cell": "e2e-disk", "image": "e2e-disk-image"}
#: What a scanner may keep, and a third of what those write that keep more.
BOUND = 64
#: Of all reports, in bytes: 1Mi.
LIMIT = 1024 * 1024
_WRITES = f"""
with open({{place}}, "wb") as file:
    for _ in range({3 * BOUND}):
        file.write(bytes(1024 * 1024))
time.sleep(240)
"""
_TO_TMP = _WRITES.format(place='"/tmp/large"')
_TO_ITS_FOLDER = _WRITES.format(place='pathlib.Path(sys.argv[1]).parent / "large"')
_TO_ITS_REPORT = _WRITES.format(place="sys.argv[1]")
_LITTER = """
folder = pathlib.Path(sys.argv[1]).parent
(folder / "core").write_bytes(bytes(5_000_000))
(folder / "a" / "b").mkdir(parents=True)
(folder / "a" / "b").chmod(0)
(folder / "a").chmod(0)
"""
_TOO_LARGE = """
with open(sys.argv[1], "wb") as file:
    file.truncate(40 * 1024 * 1024)
sys.exit()
"""
_FAILING = """
pathlib.Path(sys.argv[1]).write_text("half")
sys.exit(3)
"""
#: By layout: what ends the whole pod there ends each time that it runs.
WRITERS = {
    "cell": {"to-tmp": _TO_TMP, "to-its-folder": _TO_ITS_FOLDER, "to-its-report": _TO_ITS_REPORT},
    "image": {"to-its-folder": _TO_ITS_FOLDER},
}


@pytest.fixture(scope="module", params=SITES)
def site(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    quick.push(upstream, "disk")
    once = {"retries": 0, "reportLimit": "1Mi"}
    writers = WRITERS[request.param].items()
    scans = {name: quick.scan(name, program, **once | {"retries": 1, "timeout": "5m"}) for name, program in writers}
    scans |= {"litter": quick.scan("litter", _LITTER, **once), "too-large": quick.scan("too-large", _TOO_LARGE, **once)}
    if request.param == "cell":  # Argo would end a pod for several scans because of it, before the kubelet does
        scans |= {"failing": quick.scan("failing", _FAILING, **once)}
    settings = {"layout": request.param, "limits": {"deadline": "10m", "cellDisk": f"{BOUND}Mi"}}
    csv = f"image,scans\ndisk:1,{';'.join(scans)}\n"
    folder = tmp_path_factory.mktemp("disk")
    with make_site(folder, SITES[request.param], upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


class Ended:
    """A run that has ended.

    Attributes:
        run: its id.
        most: most bytes that its cells took on the volume at any moment.
        rows: of its ledger, by scan.
    """

    def __init__(self, site: Site) -> None:
        self.run, self.most = site.submit(), 0
        until = time.monotonic() + 600
        while not site.cluster.workflow(self.run).ended:
            assert time.monotonic() < until
            cells = site.volume.run(self.run).glob("*/")  # without the reserve beside them
            self.most = max(self.most, measure(cells, TreeSize(sys.maxsize, sys.maxsize)).disk)
            time.sleep(1)
        assert site.cluster.workflow(self.run).status.phase == "Failed"  # by the policy: some cells have
        self.rows: dict[str, LedgerRow] = {scan: row for (_, scan), row in quick.rows(site.ledger(self.run)).items()}


@pytest.fixture(scope="module")
def ended(site: Site) -> Ended:
    return Ended(site)


def test_a_scanner_that_keeps_more_than_its_bound_is_ended_once_with_the_key_as_its_reason(site: Site, ended: Ended):
    for name in WRITERS[site.config.layout]:
        row = ended.rows[name]
        assert row.outcome is Outcome.FAILED
        assert "exceeds the limit" in row.reason
        assert "limits.cellDisk" in row.reason
        # In a pod for all scans it is ended with that, and once more in its own.
        assert row.attempts == (1 if site.config.layout == "cell" else 2)


def test_others_pass_and_what_they_left_is_no_more(site: Site, ended: Ended):
    row = ended.rows["litter"]
    assert row.outcome is Outcome.OK
    assert [path.name for path in site.volume.cell(ended.run, row.target, "litter").iterdir()] == ["report.json"]


def test_the_volume_is_not_filled(site: Site, ended: Ended):
    assert 0 < ended.most < (len(ended.rows) + 1) * LIMIT
    row = ended.rows["too-large"]
    assert (site.volume.cell(ended.run, row.target, "too-large") / "report.json").stat().st_size == LIMIT + 1
    assert "too large" in row.reason


def test_what_a_scanner_that_failed_had_written_is_kept(site: Site, ended: Ended):
    if site.config.layout == "image":
        pytest.skip("see above")
    row = ended.rows["failing"]
    assert "exit code 3" in row.reason
    assert (site.volume.cell(ended.run, row.target, "failing") / "report.json").read_text() == "half"
