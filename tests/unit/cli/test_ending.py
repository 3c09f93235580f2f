"""What a run ends with: numbers, the worst with their fix, where the report is, and commands that work as written."""

import shlex

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.here import AnswersHere
from orchestrator.cli.runs import show_ledger
from orchestrator.config.loading import default_config
from orchestrator.errors import NotKnownError
from orchestrator.kit.advice import remember
from orchestrator.model import Severity
from orchestrator.results.ledger import read_ledger
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "here it is.yaml"
    path.write_text(f"volume: {{path: '{tmp_path}'}}\n")
    return path


@pytest.fixture
def ended(tmp_path, config, capsys):
    """What is printed of a run that found twelve things, and had a cell that failed."""
    volume = Volume(tmp_path)
    found = [finding(number) for number in range(11)] + [
        finding(99, severity=Severity.CRITICAL, fixed_version="2.0", version="1.0")
    ]
    write_run(volume, "run-1", day(1), {"a/dependency": found, "a/virus": "it crashed"})
    (volume.results("run-1") / "report.html").write_text("")
    remember(config=str(config), engine="local")
    settings = default_config(environment={}, volume={"path": str(tmp_path)})
    show_ledger(
        read_ledger(volume, "run-1"),
        AnswersHere.of(settings),
        table=True,
    )
    return capsys.readouterr().out


def test_the_end_says_what_people_came_for(ended, tmp_path):
    lines = ended.splitlines()
    (worst,) = (line.split() for line in lines if "CVE-2025-99" in line)
    assert worst[:6] == ["critical", "CVE-2025-99", "p99", "1.0", "2.0", "registry.example/a:1"]
    assert sum("CVE-2025" in line for line in lines) == 10
    assert "Findings: 1 critical, 11 high; 1 with a fixed version" in lines
    assert any("it crashed" in line and "virus" in line for line in lines)
    assert f"Report: {tmp_path}/results/run-1/report.html" in lines


def test_the_next_commands_work_as_they_are_printed(ended, config):
    commands = [shlex.split(line.removeprefix("Next: ")) for line in ended.splitlines() if line.startswith("Next: ")]
    assert [words[1] for words in commands] == ["retry", "results"]
    shown = CliRunner().invoke(app, commands[1][1:])
    assert shown.exit_code == 0
    assert "CVE-2025-99" in shown.output
    assert commands[0][2:] == ["run-1", "--config", str(config), "--engine", "local"]


def test_no_finding_of_what_was_not_scanned_is_not_called_clean(tmp_path, config, capsys):
    volume = Volume(tmp_path)
    write_run(volume, "run-2", day(1), {"a/virus": "it crashed", "b/virus": []})
    settings = default_config(environment={}, volume={"path": str(tmp_path)})
    show_ledger(read_ledger(volume, "run-2"), AnswersHere.of(settings), table=True)
    assert "Findings: none; nothing is known of 1 of 2 targets" in capsys.readouterr().out.splitlines()


def test_what_planning_did_not_find_is_not_retried(tmp_path, monkeypatch):
    """A plan is not changed: its cells would fail again, whatever people have corrected meanwhile."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "missing.tar", "--scan", "root-user", "--volume", "v"])
    assert done.exit_code == 1
    assert "there is no" in done.output or "no such file" in done.output
    assert "Next: scanmatrix retry" not in done.output


@pytest.mark.parametrize("words", [["retry"], ["status"], ["run", "--resume"]], ids=lambda words: words[0])
def test_a_run_that_is_not_there_is_not_known(words, tmp_path):
    done = CliRunner().invoke(app, [*words, "nope", "--volume", str(tmp_path)])
    assert isinstance(done.exception, NotKnownError)
    assert "no run 'nope' on" in str(done.exception)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "nopf.json").touch()
    done = CliRunner().invoke(app, [*words, "nope", "--volume", str(tmp_path)])
    assert "did you mean 'nopf'? (there is no " in str(done.exception)
