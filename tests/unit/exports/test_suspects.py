"""What earlier runs found by a scanner that is not trusted any more is marked in every export, and never lost."""

import csv as csv_reader
import json
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from orchestrator.analysis.policy.cells import coverage
from orchestrator.config.loading import default_config
from orchestrator.exports import csv, cyclonedx, html, parquet, sarif
from orchestrator.exports.targets import run_targets
from orchestrator.model import Cell, Decision, Distrust
from orchestrator.queries import asking
from orchestrator.queries.frames import holders_frame
from orchestrator.results.run import RunResults
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import CLEAN, ENDED, SCANS, make_plan, put_record, put_report
from tests.differences import since_last

CONFIG = default_config(environment={})
GRYPE = {
    "matches": [
        {
            "vulnerability": {"id": "CVE-2025-1", "severity": "High", "fix": {"versions": [], "state": "unknown"}},
            "artifact": {
                "name": "zlib",
                "version": "1",
                "type": "deb",
                "purl": "pkg:deb/debian/zlib@1",
                "locations": [],
            },
        }
    ],
    "descriptor": {"name": "grype", "version": "0.110.0"},
}
DEPENDENCY, GENERAL = (next(scan for scan in SCANS if scan.name == name) for name in ("dependency", "general"))
RULE = Distrust(reason="odd", scan="dependency", until="2025-03-31T00:00:00Z")


def write_run(volume, run, found, *, later=False):
    plan = msgspec.structs.replace(make_plan(scans=(DEPENDENCY, GENERAL)), run=run)
    times = {"started": "2025-04-02T10:00:00Z", "finished": "2025-04-02T10:00:05Z"} if later else {}
    for scan, report in ((DEPENDENCY, found), (GENERAL, CLEAN["general"])):
        put_report(volume, plan, "app-1", scan.name, report)
        put_record(volume, plan, "app-1", scan.name, msgspec.structs.replace(ENDED, **times))
    aggregate(plan, volume)


@pytest.fixture
def trusting(tmp_path):
    volume = Volume(tmp_path)
    write_run(volume, "run-1", GRYPE)
    return volume


@pytest.fixture
def results(trusting):
    return RunResults(Volume(trusting.root, distrusted=(RULE,)), "run-1")


def test_tables(results, trusting):
    assert results.merged["suspect"].tolist() == ["dependency: scanner distrusted: odd"]
    assert results.findings["suspect"].tolist() == ["scanner distrusted: odd"]
    assert RunResults(trusting, "run-1").merged["suspect"].tolist() == [""]


@pytest.mark.parametrize("to", [False, True])
def test_csv_and_parquet(results, tmp_path, to):
    written = csv.export(results, CONFIG, str(tmp_path / "out.csv") if to else "")
    with Path(written).open(newline="") as file:
        assert [row["suspect"] for row in csv_reader.DictReader(file)] == ["dependency: scanner distrusted: odd"]
    written = parquet.export(results, CONFIG, str(tmp_path / "out.parquet") if to else "")
    assert pq.read_table(written)["suspect"].to_pylist() == ["dependency: scanner distrusted: odd"]


def test_sarif(results, tmp_path):
    (run,) = json.loads(Path(sarif.export(results, CONFIG, str(tmp_path / "a.sarif"))).read_text())["runs"]
    assert [result["properties"]["suspect"] for result in run["results"]] == ["dependency: scanner distrusted: odd"]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert "odd" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_cyclonedx(results, tmp_path, trusting):
    whole = json.loads(Path(cyclonedx.export(results, CONFIG, str(tmp_path / "bom.json"))).read_text())
    cyclonedx.export(results, CONFIG, f"{tmp_path / 'each'}/")
    single = json.loads((tmp_path / "each" / "app-1.cdx.json").read_text())
    said = {"name": "scanmatrix:suspect", "value": "app-1/dependency: scanner distrusted: odd"}
    assert said in whole["metadata"]["properties"]
    assert said in single["metadata"]["properties"]
    believed = cyclonedx.export(RunResults(trusting, "run-1"), CONFIG, str(tmp_path / "believed.json"))
    assert Path(believed).read_text() == results.bom.read_text()
    assert json.loads(results.bom.read_text())["components"] == whole["components"]


def test_html(results, tmp_path):
    page = Path(html.export(results, CONFIG, str(tmp_path / "a.html"))).read_text()
    assert "scanner distrusted: odd" in page


def test_it_does_not_count_as_covered_or_whole(results, trusting):
    assert coverage(results.ledger.rows) == 50
    with asking(results.volume) as store:
        [run] = store.overview()
        assert (run.suspect, run.targets, run.covered) == (1, 1, 1)
    (target,) = run_targets(results)
    assert not target.whole
    assert run_targets(RunResults(trusting, "run-1"))[0].whole


def test_a_run_of_which_no_result_is_believed_covers_nothing(trusting):
    rules = RULE, msgspec.structs.replace(RULE, scan="general")
    with asking(Volume(trusting.root, distrusted=rules)) as store:
        [run] = store.overview()
    assert (run.suspect, run.targets, run.covered) == (2, 1, 0)
    with asking(trusting) as store:
        assert store.overview()[0].covered == 1


@pytest.mark.parametrize("without_coverage", [False, True], ids=["of now", "of an earlier version"])
def test_the_table_that_is_there_says_what_is_believed_also_where_nothing_was_found(tmp_path, without_coverage):
    volume = Volume(tmp_path)
    write_run(volume, "run-1", CLEAN["dependency"])
    path = volume.results("run-1") / "merged.parquet"
    if without_coverage:
        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata(None), path)
    rules = RULE, msgspec.structs.replace(RULE, scan="general")
    for distrusted, covered in (((), 1), (rules, 0), ((), 1)):
        results = RunResults(Volume(volume.root, distrusted=distrusted), "run-1")
        told = pq.read_metadata(parquet.export(results, CONFIG)).metadata[b"scanmatrix.coverage"]
        assert json.loads(told)["coverage"] == {"targets": 1, "covered": covered}


def test_nothing_is_fixed_because_a_suspect_scan_did_not_see_it(trusting):
    write_run(trusting, "run-2", CLEAN["dependency"], later=True)
    rule = msgspec.structs.replace(RULE, since="2025-04-01T00:00:00Z", until="")
    assert since_last(trusting, "run-2")["status"].tolist() == ["fixed"]
    assert since_last(Volume(trusting.root, distrusted=(rule,)), "run-2")["status"].tolist() != ["fixed"]


def _who_has(volume):
    with asking(volume) as store:
        return holders_frame(store.who_has("CVE-2025-1"))


def test_what_it_found_stays_in_sight(trusting):
    doubting = Volume(trusting.root, distrusted=(RULE,))
    assert _who_has(trusting)["suspect"].tolist() == [""]
    assert _who_has(doubting)["suspect"].tolist() == ["dependency: scanner distrusted: odd"]


def test_a_cell_skipped_because_its_scanner_is_distrusted_says_so(trusting):
    reason = "scanner distrusted: odd"
    cells = (Cell(target="app-1", scan="dependency", decision=Decision.SKIP, reason=reason),)
    ledger = aggregate(make_plan(scans=(DEPENDENCY,), cells=cells, run="run-3"), trusting)
    assert [(row.outcome, row.reason) for row in ledger.rows] == [("skipped", reason)]
