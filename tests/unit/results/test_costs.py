"""What the reports of one target may cost in memory: what is more is refused, and the ledger says why."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.findings import cyclonedx
from orchestrator.kit.json_bounds import memory_of
from orchestrator.kit.quantities import parse_size
from orchestrator.model import Finding, Outcome
from orchestrator.results import costs, reports
from orchestrator.results.ledger import read_ledger
from orchestrator.results.tables.rows import open_merged
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import SCANS, make_plan, make_target, put_record, put_report

GRYPE = SCANS[0]


def grype(count):
    matches = [
        {"vulnerability": {"id": f"CVE-2024-{number:06}"}, "artifact": {"name": f"package-{number}", "version": "1"}}
        for number in range(count)
    ]
    return {"matches": matches, "descriptor": {"name": "grype"}}


def check(count):
    found = [{"id": f"check-{number}", "kind": "check", "severity": "low"} for number in range(count)]
    return {"format": "scanmatrix/1", "scanner": {"name": "c"}, "findings": found}


@pytest.fixture
def small_budget(monkeypatch):
    """As if all reports of a target might take 100 findings' memory, and one of 10 were small."""
    monkeypatch.setattr(costs, "OF_TARGET", 100 * 1900)
    monkeypatch.setattr(costs, "SMALL", 10 * 1900)


def run(tmp_path, **data):
    scans = tuple(scan for scan in SCANS if scan.name.replace("-", "_") in data)
    plan = make_plan(scans=scans)
    volume = Volume(tmp_path)
    for scan in scans:
        put_report(volume, plan, plan.targets[0].id, scan.name, data[scan.name.replace("-", "_")])
        put_record(volume, plan, plan.targets[0].id, scan.name)
    ledger = aggregate(plan, volume)
    with open_merged(volume.results(plan.run) / "merged.parquet") as rows:
        return {row.scan: row for row in ledger.rows}, [row.finding for row in rows]


def test_reports_that_fit_together_are_all_merged(tmp_path, small_budget):
    rows, merged = run(tmp_path, dependency=grype(60), root_user=check(30))
    assert {row.outcome for row in rows.values()} == {Outcome.OK}
    assert len(merged) == 90


def test_a_report_that_costs_too_much_beside_the_others_fails_its_own_cell_with_the_reason(tmp_path, small_budget):
    rows, merged = run(tmp_path, dependency=grype(60), root_user=check(80))
    assert rows["dependency"].outcome is Outcome.OK
    assert rows["root-user"].outcome is Outcome.FAILED
    assert "memory" in rows["root-user"].reason
    assert "80 findings" in rows["root-user"].reason
    assert {finding.kind for finding in merged} == {"vulnerability"}


def test_a_small_report_is_merged_however_much_the_others_say(tmp_path, small_budget):
    rows, merged = run(tmp_path, dependency=grype(95), root_user=check(8))
    assert {row.outcome for row in rows.values()} == {Outcome.OK}
    assert len(merged) == 103


def test_a_report_whose_cost_is_not_known_fails_its_own_cell(tmp_path, monkeypatch):
    of_report = costs.of_report

    def too_much(report):
        if len(report.findings) > 50:
            raise MemoryError
        return of_report(report)

    monkeypatch.setattr(costs, "of_report", too_much)
    rows, merged = run(tmp_path, dependency=grype(60), root_user=check(30))
    assert {name: row.outcome for name, row in rows.items()} == {"dependency": Outcome.FAILED, "root-user": Outcome.OK}
    assert len(merged) == 30


def test_each_target_has_its_own_budget(tmp_path, small_budget):
    targets = [make_target(number) for number in range(1, 4)]
    plan, volume = make_plan(targets, scans=(GRYPE,)), Volume(tmp_path)
    for target in targets:
        put_report(volume, plan, target.id, GRYPE.name, grype(70))
        put_record(volume, plan, target.id, GRYPE.name)
    aggregate(plan, volume)
    assert {row.outcome for row in read_ledger(volume, plan.run).rows} == {Outcome.OK}


def test_a_bom_is_refused_by_what_it_would_cost_before_it_is_decoded(monkeypatch):
    components = [{"type": "library", "name": str(number), "version": "1"} for number in range(200)]
    data = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}).encode()
    assert reports.parse_report("cyclonedx", data).components == 200
    monkeypatch.setattr(cyclonedx, "MOST_MEMORY", memory_of(data) - 1)
    with pytest.raises(reports.ReportError, match="memory"):
        reports.parse_report("cyclonedx", data)


def test_what_a_bom_says_that_costs_too_much_is_named(monkeypatch):
    components = [{"type": "library", "name": str(number), "version": "1"} for number in range(200)]
    data = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}).encode()
    monkeypatch.setattr(costs, "OF_TARGET", 1)
    monkeypatch.setattr(costs, "SMALL", 1)
    assert "200 components" in costs.TargetCost().excess(reports.parse_report("cyclonedx", data))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
def test_a_finding_costs_at_least_its_texts_and_never_less_with_more_of_them(names):
    findings = [Finding(kind="vulnerability", id=f"i{name}", aliases=(name,), location=name) for name in names]
    assert costs.of_findings(findings) >= 1700 * len(names) + sum(len(name) for name in names)
    assert costs.of_findings(findings[:-1]) < costs.of_findings(findings)


def test_the_documents_say_the_numbers():
    page = (Path(__file__).resolve().parents[3] / "docs" / "results.md").read_text()
    section = page.split("## Memory", 1)[1].split("\n## ", 1)[0]
    assert costs.POD_MEMORY.replace("Gi", " GiB") in section
    assert f"{costs.OF_TARGET / 1024**3:.1f} GiB" in section
    assert f"{costs.PROGRAM // 1024**2} MiB for the program, {costs.BESIDE // 1024**2} MiB" in section
    assert parse_size(costs.POD_MEMORY) > costs.PROGRAM + costs.BESIDE + costs.OF_TARGET
    assert f"{costs.of_findings([Finding(kind='check', id='')]):,} bytes" in section
    assert f"{costs.SMALL // 1024**2} MiB" in section
    assert f"{reports.MOST_FINDINGS:,} findings" in section
