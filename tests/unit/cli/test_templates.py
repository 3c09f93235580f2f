"""`scanmatrix templates show`: the file of a scan, as it can be written and checked again."""

import pytest
from typer.testing import CliRunner

from orchestrator.api.lint import lint_file
from orchestrator.catalog.loading import load_catalog
from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.kit.own import templates_folder


@pytest.mark.parametrize("name", sorted(load_catalog()))
def test_what_is_shown_is_accepted(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["templates", "show", name], catch_exceptions=False)
    assert shown.stdout_bytes == (templates_folder() / f"{name}.yaml").read_bytes()
    (tmp_path / f"{name}.yaml").write_bytes(shown.stdout_bytes)
    assert lint_file(tmp_path / f"{name}.yaml") == []


def test_a_template_of_the_configuration_is_shown_wherever_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (templates_folder() / "general.yaml").read_text().replace("name: general", "name: mine", 1)
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "other.yaml").write_text("scans: {templates: [mine.yaml]}\n")
    for words in (["-c", "other.yaml", "show", "mine"], ["show", "mine", "-c", "other.yaml"]):
        assert CliRunner().invoke(app, ["templates", *words], catch_exceptions=False).stdout == text
    with pytest.raises(UsageError, match="unknown scan 'mien'"):
        CliRunner().invoke(app, ["templates", "show", "mien"], catch_exceptions=False)
