"""The ledger tells why: what only the cluster knows is a reason in it, with the last lines of the log."""

import os
from collections.abc import Iterator, Mapping

import pytest

from orchestrator.model import LedgerRow, Outcome
from orchestrator.workflows.pods import USER
from tests.cluster.images import ORCHESTRATOR
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools.upstream import Upstream

ABSENT = "docker.io/library/no-such-scanner:1"
AGED = "20250101T000000Z"
REFRESH = ["python3", "-c", "import sys; sys.exit('the mirror is away')", "{database}"]
SCANS = {
    "fine": quick.scan("fine"),
    "wrong": quick.scan("wrong", "[print('line', n) for n in range(99)]; print('cannot read it'); sys.exit(3)"),
    "hungry": quick.scan("hungry", "bytearray(500_000_000)", retries=1),
    "aged": quick.scan("aged", database={"refresh": REFRESH}),
    "bare": quick.scan("bare", database={"refresh": REFRESH}),
    "absent": quick.scan("absent") | {"image": ABSENT},
    "huge": quick.scan("huge", resources={"cpu": "20m", "memory": "100Gi", "memoryLimit": "100Gi"}),
    "lost": quick.scan("lost") | {"command": ["/no/such/program", "{tarball}", "{report}"], "image": ORCHESTRATOR},
}


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Scans that each fail in their own way, in runs that may take two minutes."""
    folder = tmp_path_factory.mktemp("truth")
    quick.push(upstream, "telling")
    settings = {"limits": {"deadline": "2m", "retries": 1}}
    with make_site(
        folder, "e2e-truth", upstream, csv="image\ntelling:1\n", templates=SCANS, settings=settings
    ) as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def kept(site: Site) -> str:
    """A run that waits for its deadline, so it is started before anything else."""
    return quick.start(site, "kept", ["telling"], ["fine", "absent", "huge"])


def run(site: Site, name: str, *scans: str) -> tuple[Mapping[str, LedgerRow], str]:
    """A run of these scans to its end; what it told."""
    return told(site, quick.start(site, name, ["telling"], scans))


def told(site: Site, started: str) -> tuple[Mapping[str, LedgerRow], str]:
    """Rows by scan, and the summary, of a run that has ended or will."""
    site.wait(started)
    summary = (site.volume.results(started) / "summary.md").read_text()
    return {scan: row for (_, scan), row in quick.rows(site.ledger(started)).items()}, summary


def test_what_scanners_did_is_reported(site: Site):
    rows, _ = run(site, "did", "fine", "wrong", "hungry", "lost")
    assert {scan for scan, row in rows.items() if row.outcome is Outcome.OK} == {"fine"}
    assert "exit code 3" in rows["wrong"].reason
    assert rows["wrong"].attempts == 1
    assert rows["wrong"].log.splitlines()[-2:] == ["line 98", "cannot read it"]
    assert "OOMKilled" in rows["hungry"].reason
    assert rows["hungry"].attempts == 2
    assert "/no/such/program" in rows["lost"].reason


def test_a_database_that_could_not_be_refreshed_is_stale_or_missing(site: Site):
    version = site.volume.databases("aged") / AGED
    version.mkdir(parents=True)
    (version / "data").write_text("of last year")
    (site.volume.databases("aged") / "current").symlink_to(AGED)
    for path in (site.volume.root / "databases", version.parent, version):
        os.chown(path, USER, USER)
    rows, summary = run(site, "stale", "aged", "bare")
    aged, bare = rows["aged"], rows["bare"]
    assert (aged.outcome, aged.database_version) == (Outcome.OK, AGED)
    assert "stale since 2025-01-01T00:00:00Z" in aged.note
    assert aged.database_age is not None
    assert aged.database_age > 86400
    assert bare.outcome is Outcome.FAILED
    assert "database" in bare.reason
    assert "stale since" in summary
    assert "the mirror is away" in summary


def test_what_kept_cells_from_starting_is_reported_when_the_run_ends(site: Site, kept: str):
    rows, summary = told(site, kept)
    assert rows["fine"].outcome is Outcome.OK
    assert ABSENT in rows["absent"].reason
    assert "cannot be pulled" in rows["absent"].reason
    assert "never scheduled" in rows["huge"].reason
    assert "Insufficient memory" in rows["huge"].reason
    assert "deadline" in summary
