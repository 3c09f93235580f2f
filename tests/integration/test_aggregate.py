"""The aggregate step over real files: every cell accounted for, hostile cells contained, results others can read."""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from orchestrator.argo.log_archive import FILES
from orchestrator.errors import VolumeFullError
from orchestrator.findings import trivy
from orchestrator.model import Cell, CellRecord, Database, Decision, Name, Outcome, Policy, Severity
from orchestrator.results.ledger import read_ledger
from orchestrator.results.tables.reading import explode_references, ledger_frame, read_findings, read_findings_csv
from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from tests.aggregation import (
    CLEAN,
    ENDED,
    SCANS,
    STARTED,
    make_plan,
    make_target,
    put_clean_run,
    put_record,
    put_report,
)
from tests.filesystems import fill_up, small_filesystem


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def _bom(volume, plan):
    return json.loads((volume.results(plan.run) / "bom.cdx.json").read_bytes())


def _valid(volume, plan):
    text = (volume.results(plan.run) / "bom.cdx.json").read_text()
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def _contents(volume, plan):
    return {path.name: path.read_bytes() for path in volume.results(plan.run).iterdir()}


def test_a_clean_run_is_ok_in_every_cell_and_writes_every_file(volume):
    plan = make_plan([make_target(1), make_target(2)])
    put_clean_run(volume, plan)
    ledger = aggregate(plan, volume)
    assert [row.cell for row in ledger.rows] == [cell.id for cell in plan.cells]
    assert ledger.count(Outcome.OK) == 10
    assert ledger.verdict.passed
    assert {path.name for path in volume.results(plan.run).iterdir()} == set(FILES)
    assert read_ledger(volume, plan.run) == ledger
    assert _valid(volume, plan) is None
    findings = read_findings(volume, plan.run)
    assert len(findings) == 0
    assert findings["cvss_score"].dtype == "float64"
    assert findings["severity"].dtype.ordered


def test_twice_gives_the_same_bytes(volume):
    plan = make_plan([make_target(1), make_target(2)])
    put_clean_run(volume, plan)
    put_report(volume, plan, "app-1", "general", _trivy(3))
    aggregate(plan, volume)
    first = _contents(volume, plan)
    aggregate(plan, volume)
    assert _contents(volume, plan) == first


def _trivy(count, severity="HIGH"):
    vulnerabilities = [
        {"VulnerabilityID": f"CVE-2024-{n}", "PkgName": "zlib", "InstalledVersion": "1.2", "Severity": severity}
        for n in range(count)
    ]
    return {
        "SchemaVersion": 2,
        "ArtifactName": "image.tar",
        "Results": [{"Target": "image.tar (debian 12)", "Class": "os-pkgs", "Vulnerabilities": vulnerabilities}],
    }


TRUNCATED = json.dumps(_trivy(3)).encode()[:-40]


def test_a_clock_that_steps_back_during_a_scan_costs_no_report(volume):
    """What an earlier attempt left is gone before the next one begins; its time says nothing."""
    plan = make_plan()
    put_clean_run(volume, plan)
    put_record(volume, plan, "app-1", "general", CellRecord(attempts=1, started="2099-01-01T00:00:00Z", exit_code=0))
    assert aggregate(plan, volume).count(Outcome.OK) == len(plan.cells)


@pytest.mark.parametrize(
    ("report", "record", "word"),
    [
        (None, None, "never ran"),
        (None, CellRecord(attempts=1, started=STARTED), "cut off"),
        (None, ENDED, "missing"),
        (b"", ENDED, "empty"),
        (b"{}", ENDED, "not a Trivy"),
        (b"[]", ENDED, "empty list"),
        (b"null", ENDED, "not a JSON document"),
        (b"Error: no space left\n", ENDED, "not a JSON document"),
        (TRUNCATED, ENDED, "truncated"),
        (CLEAN["dependency"], ENDED, "not a Trivy"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", ENDED, "deep"),
        (b'{"SchemaVersion": 2, "ArtifactName": "\xff\xfe"}', ENDED, "UTF-8"),
        (CLEAN["general"], CellRecord(attempts=2, started=STARTED, error="killed at its timeout of 60 s"), "timeout"),
        (CLEAN["general"], CellRecord(attempts=1, started=STARTED, finished=STARTED, exit_code=137), "exit code 137"),
    ],
)
def test_trouble_with_a_cell_is_its_own_outcome(volume, report, record, word):
    plan = make_plan()
    put_clean_run(volume, plan)
    folder = volume.cell(plan.run, "app-1", "general")
    (folder / "report.json").unlink()
    volume.record(plan.run, "app-1", "general").unlink()
    if report is not None:
        put_report(volume, plan, "app-1", "general", report)
    if record is not None:
        put_record(volume, plan, "app-1", "general", record)
    ledger = aggregate(plan, volume)
    failed = [row for row in ledger.rows if row.outcome is Outcome.FAILED]
    assert [row.scan for row in failed] == ["general"]
    assert re.search(word, failed[0].reason), failed[0].reason
    assert failed[0].findings is None
    assert ledger.count(Outcome.OK) == 4
    assert not ledger.verdict.passed
    assert "app:1 × general" in ledger.verdict.broken[0]


def test_a_record_that_nobody_ended_is_ok_by_its_report(volume):
    """In a cluster only the begin is written."""
    plan = make_plan()
    put_clean_run(volume, plan)
    for cell in plan.cells:
        put_record(volume, plan, cell.target, cell.scan, CellRecord(attempts=2, started=STARTED))
    ledger = aggregate(plan, volume)
    assert ledger.count(Outcome.OK) == 5
    assert {row.attempts for row in ledger.rows} == {2}
    assert all(row.finished > row.started for row in ledger.rows)


def test_hostile_cells_cost_themselves_only(volume, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_bytes(CLEAN["general"])
    plan = make_plan([make_target(number) for number in range(1, 5)], scans=make_plan().scans[1:2])
    put_clean_run(volume, plan)
    for number in (1, 2, 3):
        (volume.cell(plan.run, f"app-{number}", "general") / "report.json").unlink()
    (volume.cell(plan.run, "app-1", "general") / "report.json").symlink_to(secret)
    os.mkfifo(volume.cell(plan.run, "app-2", "general") / "report.json")
    with (volume.cell(plan.run, "app-3", "general") / "report.json").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    ledger = aggregate(plan, volume)
    assert [row.outcome for row in ledger.rows] == [Outcome.FAILED] * 3 + [Outcome.OK]
    assert [word in row.reason for word, row in zip(("link", "regular", "large"), ledger.rows, strict=False)] == [
        True
    ] * 3


def test_a_report_of_endless_findings_costs_its_own_cell_only(volume):
    plan = make_plan()
    put_clean_run(volume, plan)
    findings = [{"id": "a", "kind": "check"}] * 200_001
    put_report(volume, plan, "app-1", "root-user", json.loads(CLEAN["root-user"]) | {"findings": findings})
    ledger = aggregate(plan, volume)
    (failed,) = [row for row in ledger.rows if row.outcome is Outcome.FAILED]
    assert "200,001 findings" in failed.reason


def test_a_parser_that_breaks_costs_its_own_cell_only(volume, monkeypatch):
    def broken(data):
        raise ZeroDivisionError("surprise")

    plan = make_plan()
    put_clean_run(volume, plan)
    monkeypatch.setattr(trivy, "parse", broken)
    ledger = aggregate(plan, volume)
    assert [row.scan for row in ledger.rows if row.outcome is Outcome.FAILED] == ["general"]


def test_what_the_plan_decided_stands_whatever_lies_there(volume):
    target = make_target(2, digest="", error="tag not found")
    cells = [
        Cell(target="app-1", scan="general", decision=Decision.SKIP, reason="fresh", standing="run-0"),
        Cell(target="app-1", scan="virus", decision=Decision.FAIL, reason="image not allowed"),
        Cell(target="app-2", scan="general"),
    ]
    plan = make_plan([make_target(), target], cells=cells)
    put_clean_run(volume, plan)
    rows = aggregate(plan, volume).rows
    assert [(row.outcome, row.reason) for row in rows] == [
        (Outcome.SKIPPED, "fresh"),
        (Outcome.FAILED, "image not allowed"),
        (Outcome.FAILED, "tag not found"),
    ]
    assert [row.standing for row in rows] == ["run-0", "", ""]


def test_cells_in_any_order_keep_the_plans_order(volume):
    targets = [make_target(1), make_target(2)]
    cells = [Cell(target=f"app-{n}", scan=scan) for scan in ("virus", "general") for n in (2, 1)]
    plan = make_plan(targets, cells=cells)
    put_clean_run(volume, plan)
    assert [row.cell for row in aggregate(plan, volume).rows] == [cell.id for cell in cells]


def test_findings_carry_every_name_and_can_be_exploded(volume):
    names = (Name(reference="a.example/app:1", owner="x"), Name(reference="b.example/app:2", owner="y"))
    plan = make_plan([make_target(names=names)])
    put_clean_run(volume, plan)
    put_report(volume, plan, "app-1", "general", _trivy(2))
    ledger = aggregate(plan, volume)
    findings = read_findings(volume, plan.run)
    assert len(findings) == 2
    assert list(findings["references"].iloc[0]) == ["a.example/app:1", "b.example/app:2"]
    exploded = explode_references(findings)
    assert list(exploded["reference"]) == ["a.example/app:1", "b.example/app:2"] * 2
    assert (findings["severity"] >= "high").all()
    frame = ledger_frame(ledger)
    assert list(frame["outcome"]) == ["ok"] * 5
    assert str(frame["started"].dtype) == "datetime64[us, UTC]"
    assert frame.set_index("scan")["findings"]["general"] == 2


def test_the_csv_runs_no_formula_and_reads_back_the_same(volume):
    plan = make_plan()
    put_clean_run(volume, plan)
    evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "'quoted", 'a,"b"\nc', "", "plain", "\uff1d1"]
    report = _trivy(len(evil))
    for name, vulnerability in zip(evil, report["Results"][0]["Vulnerabilities"], strict=True):
        vulnerability |= {"PkgName": name, "VendorIDs": ["DSA-2", "DSA-1"], "CVSS": {"nvd": {"V3Score": 7.5}}}
    put_report(volume, plan, "app-1", "general", report)
    aggregate(plan, volume)
    path = volume.results(plan.run) / "findings.csv"
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert not [cell for column in raw for cell in raw[column] if cell[:1] in tuple("=+-@\t\r\uff1d")]
    pd.testing.assert_frame_equal(read_findings_csv(path), read_findings(volume, plan.run))


def test_the_merged_bom_is_valid_and_says_who_found_what(volume):
    plan = make_plan([make_target(1), make_target(2)])
    put_clean_run(volume, plan)
    purl = "pkg:deb/debian/zlib1g@1.2"
    syft = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"tools": {"components": [{"type": "application", "name": "syft", "version": "1.18.1"}]}},
        "components": [
            {"type": "library", "bom-ref": "a", "name": "zlib1g", "version": "1.2", "purl": f"{purl}?arch=amd64"},
            {"type": "application", "bom-ref": "b", "name": "app", "components": [{"type": "file", "name": "/app/x"}]},
        ],
        "dependencies": [{"ref": "b", "dependsOn": ["a", "gone"]}],
    }
    grype = {
        "descriptor": {"name": "grype", "version": "0.110.0", "db": {"built": "2025-02-28T00:00:00Z"}},
        "matches": [
            {
                "vulnerability": {"id": "CVE-2024-1", "severity": "High", "fix": {"versions": ["1.3"]}},
                "relatedVulnerabilities": [{"id": "GHSA-1"}],
                "artifact": {"name": "zlib1g", "version": "1.2", "purl": f"{purl}?arch=amd64&distro=debian-12"},
            }
        ],
    }
    for target in ("app-1", "app-2"):
        put_report(volume, plan, target, "sbom", syft)
        put_report(volume, plan, target, "dependency", grype)
        put_report(volume, plan, target, "general", _trivy(1))
    aggregate(plan, volume)
    assert _valid(volume, plan) is None
    bom = _bom(volume, plan)
    assert [each["purl"].partition("@")[0] for each in bom["components"]] == ["pkg:oci/app", "pkg:oci/app"]
    refs = _refs(bom)
    assert len(refs) == len(set(refs))
    known = set(refs)
    assert all(affect["ref"] in known for each in bom["vulnerabilities"] for affect in each["affects"])
    assert all(each["ref"] in known and set(each["dependsOn"]) <= known for each in bom["dependencies"])
    packages = {each["name"]: each for each in bom["components"][0]["components"]}
    assert set(packages) == {"zlib1g", "app", "zlib"}
    found_by = [each["value"] for each in packages["zlib1g"]["properties"] if each["name"] == "scanmatrix:scan"]
    assert found_by == ["dependency", "sbom"]
    assert {(each["id"], each["source"]["name"]) for each in bom["vulnerabilities"]} == {
        ("CVE-2024-1", "grype"),
        ("CVE-2024-0", "trivy"),
    }
    tools = {each["name"]: each.get("version") for each in bom["metadata"]["tools"]["components"]}
    assert tools == {
        "scanmatrix": "0.1.0",
        "grype": "0.110.0",
        "trivy": None,
        "syft": "1.18.1",
        "root-user": None,
        "clamav": None,
    }


def _refs(value):
    """Every bom-ref of a document, the root's included."""
    found, waiting = [], [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found += [value["bom-ref"]] if "bom-ref" in value else []
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


def test_invalid_pieces_of_a_bom_are_left_out_and_named(volume):
    plan = make_plan()
    put_clean_run(volume, plan)
    nested = {"type": "library", "name": "deep"}
    for _ in range(200):
        nested = {"type": "library", "name": "deep", "components": [nested]}
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.4",
        "components": [
            {"type": "library", "name": "good", "bom-ref": "x"},
            {"type": "nonsense", "name": "odd", "bom-ref": "x", "licenses": [{"license": {"id": "Not-A-Licence"}}]},
            {"type": "library"},
            {"type": "library", "name": "iri", "externalReferences": [{"type": "website", "url": "http://a b"}]},
            {"type": "library", "name": "mail", "supplier": {"name": "s", "contact": [{"email": "no mail"}]}},
            nested,
        ],
        "vulnerabilities": [
            {"id": "CVE-1", "ratings": [{"severity": "Terrible"}], "affects": [{"ref": "x"}]},
            {"id": "CVE-2", "affects": [{"ref": "nowhere"}], "cwes": ["CWE-79"]},
        ],
    }
    put_report(volume, plan, "app-1", "sbom", bom)
    ledger = aggregate(plan, volume)
    assert {row.scan: row.outcome for row in ledger.rows}["sbom"] is Outcome.OK
    assert _valid(volume, plan) is None
    names = [each["name"] for each in _bom(volume, plan)["components"][0]["components"]]
    assert names == ["good", "odd", "iri", "mail", "deep"]
    summary = (volume.results(plan.run) / "summary.md").read_text()
    assert "components/2" in summary


def test_the_policy_decides_by_severity(volume):
    plan = make_plan(policy=Policy(severity=Severity.HIGH))
    put_clean_run(volume, plan)
    put_report(volume, plan, "app-1", "general", _trivy(3))
    ledger = aggregate(plan, volume)
    assert not ledger.verdict.passed
    lenient = msgspec.structs.replace(plan, policy=Policy(severity=Severity.CRITICAL))
    assert aggregate(lenient, volume).verdict.passed


def test_a_failed_write_leaves_the_former_results(volume, monkeypatch):
    plan = make_plan()
    put_clean_run(volume, plan)
    aggregate(plan, volume)
    before = _contents(volume, plan)
    put_report(volume, plan, "app-1", "general", _trivy(3))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orchestrator.results.bom.whole.BomWriter.finish", full)
    with pytest.raises(VolumeFullError, match="space"):
        aggregate(plan, volume)
    assert _contents(volume, plan) == before


def test_on_a_full_volume_the_tarballs_make_room_for_the_results(volume):
    plan = make_plan()
    with small_filesystem(volume.root, "12m"):
        put_clean_run(volume, plan)
        put_report(volume, plan, "app-1", "general", _trivy(2000))
        blob = volume.blob(plan.targets[0].digest)
        blob.parent.mkdir()
        with blob.open("wb") as file:
            file.truncate(1)
        for cell in plan.cells:
            volume.tarball(plan.run, cell.target, cell.scan).hardlink_to(blob)
        fill_up(blob)
        assert aggregate(plan, volume).count(Outcome.OK) == 5
        assert {path.name for path in volume.results(plan.run).iterdir()} == set(FILES)
        assert not blob.exists()


def test_the_reserve_of_a_run_is_for_its_results(volume):
    plan = make_plan()
    with small_filesystem(volume.root, "24m"):
        put_clean_run(volume, plan)
        write_plan(plan, volume)
        fill_up(volume.root / "of-somebody-else")
        assert aggregate(plan, volume).count(Outcome.OK) == 5
        assert not volume.reserve(plan.run).exists()


def test_what_the_results_do_not_fit_is_said_and_nothing_is_left(volume):
    plan = make_plan()
    with small_filesystem(volume.root, "6m"):
        put_clean_run(volume, plan)
        fill_up(volume.root / "of-somebody-else")
        with pytest.raises(VolumeFullError, match="make room"):
            aggregate(plan, volume)
        assert list(volume.results(plan.run).iterdir()) == []


def test_a_database_that_was_due_for_a_newer_one_is_noted_with_its_age(volume):
    databases = {
        "general": Database(refresh=("get",)),
        "dependency": Database(refresh=("get",)),
        "virus": Database(refresh=("get",)),
        "sbom": Database(refresh=("get",), max_age=3600, update=False),
    }
    scans = tuple(msgspec.structs.replace(scan, database=databases.get(scan.name)) for scan in SCANS)
    plan = make_plan(scans=scans)  # of 09:00
    put_clean_run(volume, plan)
    written = datetime(2025, 3, 1, 10, 30, tzinfo=UTC).timestamp()
    for scan, version in (("general", "20250228T090000Z"), ("dependency", "20250228T090001Z-1"), ("virus", "by-hand")):
        put_record(volume, plan, "app-1", scan, msgspec.structs.replace(ENDED, database_version=version))
        for report in volume.cell(plan.run, "app-1", scan).iterdir():
            os.utime(report, (written, written))
    put_record(
        volume,
        plan,
        "app-1",
        "sbom",
        CellRecord(
            attempts=1,
            started=STARTED,
            finished="2025-03-01T10:00:00Z",
            exit_code=1,
            database_version="20250228T100000Z",
        ),
    )
    rows = {row.scan: row for row in aggregate(plan, volume).rows}
    assert rows["general"].database_age == 25.5 * 3600
    assert rows["general"].note == "database stale since 2025-02-28T09:00:00Z: its refresh failed in this run"
    assert (rows["dependency"].database_age, rows["dependency"].note) == (25.5 * 3600 - 1, "")  # young enough
    assert (rows["virus"].database_age, rows["virus"].note) == (None, "")
    assert (rows["sbom"].outcome, rows["sbom"].database_age) == (Outcome.FAILED, 24 * 3600)
    assert rows["sbom"].note == "database stale since 2025-02-28T10:00:00Z: this run was to download none"
    assert "stale since" in (volume.results(plan.run) / "summary.md").read_text()
    assert ledger_frame(read_ledger(volume, plan.run))["database_age"].isna().sum() == 2


def test_a_plan_without_cells_has_results_too(volume):
    plan = make_plan(targets=())
    assert aggregate(plan, volume).rows == ()
    assert _valid(volume, plan) is None
    assert {Path(name) for name in _contents(volume, plan)} == set(map(Path, FILES))


def test_a_report_that_cannot_be_made_costs_nobody_the_ledger(volume, monkeypatch):
    plan = make_plan()
    put_clean_run(volume, plan)
    aggregate(plan, volume)

    def broken(results, file):
        file.write(b"half")
        raise ValueError("no such column")

    monkeypatch.setattr("orchestrator.exports.html.write_report", broken)
    assert aggregate(plan, volume).count(Outcome.OK) == 5
    assert {path.name for path in volume.results(plan.run).iterdir()} == set(FILES) - {"report.html"}
    assert "no such column" in (volume.results(plan.run) / "summary.md").read_text()
