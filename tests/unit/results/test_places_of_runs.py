"""From reports to what people see: one of several things of one key goes or comes, and what moves is not seen."""

import pandas as pd
import pytest

from orchestrator.model import Policy, PolicyRule
from orchestrator.results.tables.reading import read_findings_csv, read_merged
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan, make_target, put_clean_run, put_report
from tests.differences import since_last

POLICY = Policy(rules=(PolicyRule(name="secrets", kinds=("secret", "malware"), at_most=1),))
ID = "sha256-" + "0" * 32


def secrets(*lines):
    found = [{"RuleID": "aws-key", "Title": "AWS", "Severity": "CRITICAL", "StartLine": line} for line in lines]
    results = [{"Target": "app/settings.py", "Class": "secret", "Secrets": found}] if found else []
    return {"SchemaVersion": 2, "ArtifactName": "image.tar", "Results": results}


@pytest.fixture
def run(tmp_path):
    """Aggregates a run of one image with these reports, and gives its ledger."""
    volume, numbers = Volume(tmp_path), iter(range(1, 9))

    def of(**reports):
        plan = make_plan([make_target(id=ID)], run=f"run-{next(numbers)}", policy=POLICY)
        put_clean_run(volume, plan)
        for scan, data in reports.items():
            put_report(volume, plan, ID, scan, data(plan.run) if callable(data) else data)
        return aggregate(plan, volume)

    of.volume = volume
    return of


def test_one_of_two_secrets_that_is_gone_and_a_third_that_came(run):
    statuses, broken = [], []
    for number, lines in enumerate(((9, 12), (9,), (10,), (10, 20, 30)), start=1):
        ledger = run(general=secrets(*lines))
        (row,) = since_last(run.volume, f"run-{number}").itertuples()
        (merged,) = read_merged(run.volume, f"run-{number}").itertuples()
        assert (merged.count, row.count_after) == (len(lines), len(lines))
        statuses.append(row.status)
        broken.append([rule.count for rule in ledger.verdict.rules])
    assert statuses == ["new", "changed", "still there", "changed"]
    assert broken == [[2], [], [], [3]]


def test_people_read_the_name_of_an_image(run):
    run(general=secrets(9, 12))
    summary = (run.volume.results("run-1") / "summary.md").read_text()
    assert "registry.example/team/app:1 secret" in summary
    assert "1 finding stands for 2 places" in summary
    assert ID not in summary


def test_a_table_of_a_version_without_places_is_read(run, tmp_path):
    run(general=secrets(9))
    path = run.volume.results("run-1") / "findings.csv"
    old = tmp_path / "old.csv"
    pd.read_csv(path, dtype=str).drop(columns=["place"]).to_csv(old, index=False)
    assert list(read_findings_csv(old).columns) == list(read_findings_csv(path).columns)
    assert set(read_findings_csv(old)["place"]) == {""}
    assert set(read_findings_csv(path)["place"]) == {"line 9"}


def test_where_a_run_lies_is_in_no_key(run):
    def log(run_id):
        path = run.volume.cell(run_id, ID, "virus") / "attempt-1" / "image.tar"
        return f"{path}: Eicar FOUND\n\n--- SCAN SUMMARY ---\nScanned files: 1\nInfected files: 1\n".encode()

    run(virus=log)
    run(virus=log)
    (row,) = since_last(run.volume, "run-2").itertuples()
    assert (row.status, row.key) == ("still there", "malware|Eicar|image.tar")
