"""A target with more findings than memory holds is merged in parts: the results are the same, byte for byte."""

import msgspec
import pytest

from orchestrator.analysis import parts
from orchestrator.model import IgnoreRule, MergedFinding, Outcome, Policy, PolicyRule, Suppression
from orchestrator.model.finding import Severity
from orchestrator.results.bom import whole
from orchestrator.results.tables.rows import open_merged
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import SCANS, make_plan, make_target, put_record, put_report

USED = SCANS[:4]
POLICY = Policy(rules=(PolicyRule(name="high", severity=Severity.HIGH, at_most=3),))
RULES = (IgnoreRule(name="ignore.yaml:1", reason="known", id="CVE-2024-000003", expires="2026-01-01T00:00:00Z"),)


def _grype(count):
    return {
        "matches": [
            {
                "vulnerability": {"id": f"CVE-2024-{number:06}", "severity": "High", "fix": {"versions": ["2"]}},
                "artifact": {
                    "name": f"p{number % 7}",
                    "version": "1",
                    "purl": f"pkg:deb/debian/p{number % 7}@1?distro=debian-12",
                },
            }
            for number in range(count)
        ],
        "descriptor": {"name": "grype"},
    }


def _trivy(count):
    found = [
        {"VulnerabilityID": f"CVE-2024-{2 * number:06}", "PkgName": f"p{number % 7}", "InstalledVersion": "1"}
        for number in range(count)
    ]
    return {"SchemaVersion": 2, "ArtifactName": "i", "Results": [{"Target": "x", "Vulnerabilities": found}]}


def _check(count):
    found = [{"id": f"check-{number}", "kind": "check", "severity": "low"} for number in range(count)]
    return {"format": "scanmatrix/1", "scanner": {"name": "c"}, "findings": found}


def _bom(count):
    components = [
        {
            "type": "library",
            "name": f"p{number}",
            "version": "1",
            "bom-ref": f"b{number}",
            "purl": f"pkg:deb/debian/p{number}@1",
            "components": [{"type": "file", "name": f"f{number}"}],
        }
        for number in range(count)
    ]
    depends = [{"ref": "b0", "dependsOn": ["b1", "b2"]}]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components, "dependencies": depends}


def _results(folder):
    volume = Volume(folder)
    for run in ("run-1", "run-2"):
        plan = make_plan([make_target(1), make_target(2)], scans=USED, run=run, policy=POLICY)
        plan = msgspec.structs.replace(plan, suppression=Suppression(rules=RULES))
        if run == "run-2":
            plan = msgspec.structs.replace(plan, created="2025-03-01T09:30:00Z")
        for target in plan.targets:
            for scan, report in zip(USED, (_grype(40), _trivy(25), _check(5), _bom(12)), strict=True):
                put_report(volume, plan, target.id, scan.name, report)
                put_record(volume, plan, target.id, scan.name)
        ledger = aggregate(plan, volume)
        assert {row.outcome for row in ledger.rows} == {Outcome.OK}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("results", "ages")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("size", [1, 7, 50])
def test_in_parts_the_results_are_the_same(tmp_path, monkeypatch, size):
    whole_ones = _results(tmp_path / "whole")
    monkeypatch.setattr(parts, "PART", size)
    monkeypatch.setattr(whole, "_AT_ONCE", size)
    in_parts = _results(tmp_path / "parts")
    assert in_parts.keys() == whole_ones.keys()
    assert [name for name, data in in_parts.items() if data != whole_ones[name]] == []
    with open_merged(tmp_path / "parts" / "results" / "run-2" / "merged.parquet") as rows:
        found = [row.finding for row in rows]
    assert {each.first_seen for each in found} == {"2025-03-01T09:00:00Z"}
    assert any(each.suppressed for each in found)
    assert any(each.rules for each in found)


def test_what_cannot_be_remembered_costs_no_result_and_is_said(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(scans=USED[:1])
    (target,) = plan.targets
    put_report(volume, plan, target.id, USED[0].name, _grype(3))
    put_record(volume, plan, target.id, USED[0].name)
    volume.ages(target.reference, str(target.platform)).mkdir(parents=True)
    ledger = aggregate(plan, volume)
    assert [(row.outcome, row.findings) for row in ledger.rows] == [(Outcome.OK, 3)]
    summary = (volume.results(plan.run) / "summary.md").read_text()
    assert "since when findings are known was not remembered of some targets" in summary


def test_parts_come_back_as_they_were(tmp_path):
    findings = [
        MergedFinding(target="t", key=f"k{number}", kind="check", id=f"i{number}", severities={"a": Severity.LOW})
        for number in range(5)
    ]
    with parts.Parts(tmp_path) as held:
        for each in ([findings[0]], findings[1:3], findings[3:]):
            held.add(each)
        assert [list(part) for part in held] == [[findings[0]], findings[1:3], findings[3:]]
        assert [list(part) for part in held] == [[findings[0]], findings[1:3], findings[3:]]
    assert list(tmp_path.iterdir()) == []


def test_only_the_rows_of_one_part_are_made_at_once():
    made = []

    def rows():
        for number in range(parts.PART * 2):
            made.append(number)
            yield MergedFinding(target="t", key="k", kind="check", id=str(number))

    assert len(next(parts.in_parts(rows()))) == parts.PART
    assert len(made) == parts.PART
