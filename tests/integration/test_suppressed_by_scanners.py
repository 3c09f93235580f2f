"""What scanners suppressed, from their reports to everything that is written of a run."""

import json

import pytest

from orchestrator.config.loading import default_config
from orchestrator.exports import openvex
from orchestrator.exports.interface import NothingToExportError
from orchestrator.queries import Store
from orchestrator.results.run import RunResults
from orchestrator.results.tables.reading import read_findings, read_findings_csv, read_merged
from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from tests.aggregation import SCANS, make_plan, put_clean_run, put_report

IDS = ("CVE-2024-1111", "CVE-2024-2222")


def _match(id_):
    return {"vulnerability": {"id": id_, "severity": "High"}, "artifact": {"name": "zlib1g", "version": "1.2"}}


def test_from_the_report_to_all_that_is_written(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(scans=[each for each in SCANS if each.format in {"grype", "trivy"}])
    put_clean_run(volume, plan)
    write_plan(plan, volume)
    ignored = [_match(id_) | {"appliedIgnoreRules": [{"reason": "not reachable"}]} for id_ in IDS]
    put_report(volume, plan, "app-1", "dependency", {"matches": [], "descriptor": {}, "ignoredMatches": ignored})
    reported = {"VulnerabilityID": IDS[1], "PkgName": "zlib1g", "InstalledVersion": "1.2", "Severity": "LOW"}
    results = [{"Target": "a (debian 12)", "Class": "os-pkgs", "Vulnerabilities": [reported]}]
    document = {"SchemaVersion": 2, "ArtifactName": "a", "Results": results}
    put_report(volume, plan, "app-1", "general", document)

    ledger = aggregate(plan, volume)

    assert {row.scan: row.findings for row in ledger.rows} == {"dependency": 0, "general": 1}
    merged = read_merged(volume, plan.run).set_index("id")
    assert merged["suppressed"].to_dict() == {IDS[0]: "scanner", IDS[1]: ""}
    assert merged.loc[IDS[0], "suppressed_by"] == "dependency: an ignore rule"
    assert merged.loc[IDS[0], "suppressed_reason"] == "not reachable"
    assert (list(merged.loc[IDS[1], "found_by"]), list(merged.loc[IDS[1], "suppressed_in"])) == (
        ["general"],
        ["dependency"],
    )
    assert merged.loc[IDS[1], "severity"] == "low"

    for frame in (read_findings(volume, plan.run), read_findings_csv(volume.results(plan.run) / "findings.csv")):
        assert list(frame["suppressed"]) == ["scanner", "scanner", ""]
        assert list(frame["suppressed_reason"]) == ["not reachable", "not reachable", ""]

    bom = json.loads((volume.results(plan.run) / "bom.cdx.json").read_bytes())
    assert [each["id"] for each in bom["vulnerabilities"]] == [IDS[1]]
    with pytest.raises(NothingToExportError):
        openvex.export(RunResults(volume, plan.run), default_config(environment={}))
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        store.take_in(volume, plan.run)
        found = [holder for id_ in IDS[:2] for holder in store.who_has(id_).rows]
        assert [bool(holder.finding.suppressed) for holder in found] == [True, False]
