"""The SARIF log against the schema of SARIF 2.1.0."""

import json
from pathlib import Path

import jsonschema_rs

from orchestrator.api.lint_formats import lint_sarif
from orchestrator.config.loading import default_config
from orchestrator.exports import load
from orchestrator.kit.sources import Problem, ProblemLevel
from orchestrator.model import KINDS, Outcome, Severity
from tests.exports import make_finding, make_row, put_run, suppressed
from tests.tools import artifacts


def _validator() -> jsonschema_rs.Validator:
    schema = json.loads(artifacts.sarif_schema())
    for part in ("run", "toolComponent"):
        del schema["definitions"][part]["properties"]["language"]["pattern"]  # the schema's own mistake: no valid one
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def test_the_log_of_lint_is_valid() -> None:
    files = ["job/ü b.yaml", "/elsewhere/c.yaml", "../d.yaml"]
    problems = [Problem(file, line, "wrong", level) for file in files for line in (0, 3) for level in ProblemLevel]
    for found in (problems, [], problems * 3000):
        assert [error.message for error in _validator().iter_errors(lint_sarif(found))] == []


def test_the_log_is_valid(tmp_path: Path) -> None:
    rows = [make_row(), make_row(target="app-2", references=("https://git.example/team/app.git#main",))]
    rows.append(make_row(target="app-2", scan="virus", outcome=Outcome.FAILED, reason="killed", scanner=""))
    bare = {"target": "app-2", "locations": (), "package": "", "purl": "", "suppressed": suppressed()}
    findings = [
        make_finding(number=number, kind=kind, severity=severity, **({"locations": ("/a b/ü:#?.jar", "rel")} | extra))
        for number, (kind, severity) in enumerate((kind, severity) for kind in KINDS for severity in Severity)
        for extra in ({}, bare)
    ]
    results = put_run(tmp_path / "volume", rows, findings)
    path = load("sarif").export(results, default_config(environment={}), str(tmp_path / "log.sarif"))
    validator = _validator()
    log = json.loads(Path(path).read_text())
    assert [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(log)] == []
    assert sum(len(run["results"]) for run in log["runs"]) == len(findings) > 80
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator.is_valid(log)
