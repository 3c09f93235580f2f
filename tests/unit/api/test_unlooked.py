"""A default run that looks for no vulnerabilities says so, with what to do; one whose scans were chosen does not."""

import pytest
from typer.testing import CliRunner

from orchestrator import engines
from orchestrator.api.plan import load_config, make_plan
from orchestrator.api.unlooked import unlooked
from orchestrator.cli.app import app
from tests.tools import layouts, samples

INSTALL = "install grype with the instructions on https://github.com/anchore/grype, or trivy with"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an archive, on a machine without any scanner or container runtime."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    layouts.write_docker_save(tmp_path / "app.tar", samples.system(), tags=("app:1",))
    return tmp_path


def said(scans=(), reference="app.tar"):
    config = load_config(references=[reference])
    return unlooked(make_plan(config, offline=True, scans=scans), config)


def test_without_any_scanner(here):
    assert said().startswith("no scan of this run looks for vulnerabilities; install ")
    assert INSTALL in said()
    assert "--scan" not in said()


def test_with_containers_alone(here, monkeypatch):
    monkeypatch.setattr(engines, "missing", lambda _config, _scans: {})
    assert "; --scan dependency does, in a container whose image and database are downloaded; install" in said()


@pytest.mark.parametrize("scans", [["dependency"], ["general", "virus"]])
def test_scans_that_look_for_them(here, scans):
    assert said(scans) == ""


def test_default_scans_of_the_configuration_are_meant_so(here):
    (here / "scanmatrix.yaml").write_text("scans: {default: [root-user]}\n")
    assert said() == ""


def test_a_repository_has_other_scans(here):
    assert said(reference=f"https://git.example/a.git#{'a' * 40}") == ""


@pytest.mark.parametrize("command", [["plan"], ["run"]])
def test_the_commands_say_it_at_their_end(here, command):
    done = CliRunner().invoke(app, [*command, "app.tar", "--offline"])
    assert INSTALL in done.stderr
    chosen = CliRunner().invoke(app, [*command, "app.tar", "--offline", "--scan", "root-user"])
    assert "vulnerabilities" not in chosen.stderr
