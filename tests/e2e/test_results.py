"""Results that people act on, out of a cluster: merged, suppressed, judged there; read, compared and exported here."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from orchestrator.argo.log_archive import FILES
from orchestrator.results.tables.reading import read_merged
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools import find
from tests.tools.upstream import Upstream

_FINDS = """
found = dict(kind='vulnerability', package='log4j-core', version='2.14.1', fixed_version='2.15.0', **dict({}))
report = dict(format='scanmatrix/1', scanner=dict(name='finds'), findings=[found])
pathlib.Path(sys.argv[1]).write_text(json.dumps(report))
sys.exit(0)
"""
SCANS = {
    "by-cve": quick.scan("by-cve", _FINDS.format("id='CVE-2021-44228', severity='high'")),
    "by-ghsa": quick.scan(
        "by-ghsa", _FINDS.format("id='GHSA-jfh8-c2jp-5v3q', aliases=['CVE-2021-44228'], severity='critical'")
    ),
}


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two images with the same vulnerability, which is ignored in one of them; any other breaks the policy."""
    folder = tmp_path_factory.mktemp("results")
    quick.push(upstream, "spared", "exposed")
    soon = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
    rule = {"id": "GHSA-jfh8-c2jp-5v3q", "target": "*/spared:*", "reason": "no JNDI in this one", "expires": soon}
    (folder / "ignore.yaml").write_text(yaml.safe_dump({"ignore": [rule]}))
    settings = {
        "policy": {"severity": "high"},
        "suppression": {"rules": "ignore.yaml"},
        "limits": {"deadline": "5m", "retries": 0},
    }
    csv = "image,scans,owner\nspared:1,by-cve;by-ghsa,team-a\nexposed:1,by-cve;by-ghsa,team-b\n"
    with make_site(folder, "e2e-results", upstream, csv=csv, templates=SCANS, settings=settings) as found:
        config = yaml.safe_load((folder / "scanmatrix.yaml").read_text())
        config["volume"]["path"] = "fetched"
        (folder / "here.yaml").write_text(yaml.safe_dump(config))
        yield found


@pytest.fixture(scope="module")
def run(site: Site) -> str:
    """A run that was planned and judged in the cluster."""
    started = site.submit()
    assert site.wait(started) == "Failed"
    return started


def results(site: Site, *arguments: str) -> str:
    """What `scanmatrix results` prints of what was brought here."""
    command = [str(find("scanmatrix")), "results", *arguments, "--config", "here.yaml"]
    done = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_policy_counts_what_is_merged_and_not_suppressed(site: Site, run: str):
    rows = {row["owners"][0]: row for row in read_merged(site.volume, run).to_dict("records")}
    for row in rows.values():
        assert (row["id"], row["severity"], list(row["found_by"])) == (
            "CVE-2021-44228",
            "critical",
            ["by-cve", "by-ghsa"],
        )
    assert rows["team-a"]["suppressed_reason"] == "no JNDI in this one"
    assert list(rows["team-b"]["rules"]) == ["severity"]
    (broken,) = site.ledger(run).verdict.rules
    assert (broken.rule, broken.count) == ("severity", 1)
    nodes = site.cluster.workflow(run).status.nodes.values()
    assert [node.phase for node in nodes if node.display_name == "aggregate"][-1] == "Failed"


def test_results_are_brought_here_and_acted_on(site: Site, run: str):
    command = [str(find("scanmatrix")), "fetch", "--config", "here.yaml", run]
    done = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "severity" in done.stderr
    assert {path.name for path in (site.folder / "fetched" / "results" / run).iterdir()} == set(FILES)
    shown = json.loads(results(site, "show", "--suppressed", "--output", "json"))["findings"]
    assert sorted(row["suppressed"] for row in shown) == ["", "ignored"]
    (listed,) = json.loads(results(site, "list", "--output", "json"))["runs"]
    assert (listed["open"], listed["suppressed"], listed["passed"]) == ({"critical": 1}, 1, False)
    assert {row["status"] for row in json.loads(results(site, "diff", "--output", "json"))["differences"]} == {"new"}
    assert len(json.loads(results(site, "who-has", "CVE-2021-44228", "--output", "json"))["findings"]) == 2
    page = site.folder / "report.html"
    results(site, "export", "html", "--to", str(page))
    assert "GHSA-jfh8-c2jp-5v3q" in page.read_text()
