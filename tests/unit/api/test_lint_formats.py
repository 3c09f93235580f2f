"""Problems of files for other programs: a SARIF log, and lines of GitHub's workflows."""

import json

import pytest
from typer.testing import CliRunner

from orchestrator.api.lint_formats import lint_annotations, lint_sarif
from orchestrator.cli.app import app
from orchestrator.kit.sources import Problem, ProblemLevel

PROBLEMS = [
    Problem("a b/job.yaml", 3, "unknown key 'x'"),
    Problem("c,d:e.yaml", 0, "100 % wrong\nand more", ProblemLevel.WARNING),
]


def test_a_sarif_log():
    [run] = lint_sarif(PROBLEMS)["runs"]
    first, second = run["results"]
    assert first["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "a%20b/job.yaml"}, "region": {"startLine": 3}}}
    ]
    assert (first["ruleId"], first["level"], first["message"]["text"]) == ("error", "error", "unknown key 'x'")
    assert (second["ruleId"], second["level"]) == ("warning", "warning")
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {"error", "warning"}
    assert lint_sarif([])["runs"][0]["results"] == []


def test_files_are_named_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [str(tmp_path / "job" / "config.yaml"), "/elsewhere/a b.yaml", "../c.yaml"]
    [run] = lint_sarif([Problem(file, 1, "x") for file in files])["runs"]
    assert [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]
    ] == ["job/config.yaml", "file:///elsewhere/a%20b.yaml", "../c.yaml"]  # fmt: skip


def test_more_than_code_scanning_takes_is_left_out_and_said():
    [run] = lint_sarif([PROBLEMS[0]] * 25_001)["runs"]
    assert len(run["results"]) == 25_000
    [note] = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("1 further problems are left out")


def test_lines_of_a_workflow():
    assert list(lint_annotations(PROBLEMS)) == [
        "::error file=a b/job.yaml,line=3::unknown key 'x'",
        "::warning file=c%2Cd%3Ae.yaml::100 %25 wrong%0Aand more",
    ]


NOTED = "apiVersion: v2\nactions: [{events: [{name: e}], tasks: [{image: a, cmd: ['ls -l']}]}]\n"


@pytest.mark.parametrize(
    ("text", "strict", "status"), [(NOTED, False, 0), (NOTED, True, 2), ("actions: []\n", False, 2), ("", False, 2)]
)
def test_warnings_fail_only_where_they_are_to(text, strict, status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    words = ["lint", "config.yaml", *(["--strict"] if strict else [])]
    for output in ("table", "json", "yaml", "sarif", "github"):
        done = CliRunner().invoke(app, [*words, "--output", output])
        assert done.exit_code == status
        assert "config.yaml" in done.stdout
    log = json.loads(CliRunner().invoke(app, [*words, "--output", "sarif"]).stdout)
    assert len(log["runs"][0]["results"]) == 1


def test_a_mistake_of_the_configuration_is_said_once_however_many_files_are_read_by_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix.yaml").write_text("suppression: {ignore: ignore.yaml}\n")
    (tmp_path / "ignore.yaml").write_text("ignore: [{id: CVE-2025-1, reason: r}]\n")
    done = CliRunner().invoke(app, ["lint", "scanmatrix.yaml", "ignore.yaml"])
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)
