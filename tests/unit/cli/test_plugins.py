"""`scanmatrix plugins`: those that there are, and the file of one, as it can be written and checked again."""

import json

import pytest
from typer.testing import CliRunner

from orchestrator.api.jobs import plugins_of
from orchestrator.api.lint import lint_file
from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.jobs.plugins import plugins_folder

OWN = f"name: greet\ndescription: Say hello\nimage: a/b@sha256:{'0' * 64}\ncommand: [x]\ninputs: {{}}\n"


def invoke(*words):
    return CliRunner().invoke(app, ["plugins", *words], catch_exceptions=False)


@pytest.mark.parametrize("name", sorted(plugins_of()))
def test_what_is_shown_is_accepted(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = invoke("show", name)
    assert shown.stdout_bytes == (plugins_folder() / f"{name}.yaml").read_bytes()
    file = tmp_path / f"{name}.yaml"
    file.parent.mkdir()
    file.write_bytes(shown.stdout_bytes)
    assert lint_file(file) == []


def test_they_are_listed_with_their_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = invoke().stdout
    assert "keptn-contrib/locust-test-job" in listed
    assert "LOCUST_TEST*" in listed
    plugins = json.loads(invoke("--output", "json").stdout)["plugins"]
    assert [each["name"] for each in plugins] == sorted(plugins_of())
    assert plugins[1]["inputs"]["LOCUST_TEST"]["required"] is True


def test_those_of_the_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "greet.yaml").write_text(OWN)
    git = "{url: 'https://git.example.com/jobs.git'}"
    (tmp_path / "other.yaml").write_text(f"events: {{jobs: {{git: {git}, plugins: own}}}}\n")
    for words in (["-c", "other.yaml", "show", "greet"], ["show", "greet", "-c", "other.yaml"]):
        assert invoke(*words).stdout == OWN
    assert "greet" in invoke("-c", "other.yaml").stdout
    with pytest.raises(UsageError, match="there is no plugin 'gret', did you mean 'greet'"):
        invoke("show", "gret", "-c", "other.yaml")
