"""`scanmatrix store …` as a user calls it."""

import json
from pkgutil import iter_modules

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.store.migrations import versions
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix.yaml").write_text("store: {keep: 30d}\n")
    return lambda *words: CliRunner().invoke(app, ["store", *words])


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "scanmatrix-data")


def test_migrate_import_prune(call, volume):
    newest = max(module.name for module in iter_modules(versions.__path__)).removeprefix("revision_")
    assert f"brought from nothing up to date: revision {newest}" in call("migrate").stdout
    assert f"is up to date: revision {newest}" in call("migrate").stdout
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"a/dependency": []})
    assert "2 runs imported, 0 known already" in call("import").stdout
    assert "0 runs imported, 1 known already" in call("import", "run-2").stdout
    assert "deleted: 1 findings, 1 cells, 2 runs" in call("prune").stdout


def test_damaged_runs_are_reported_and_left_out(call, volume):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"a/dependency": []})
    (volume.results("run-1") / "merged.parquet").write_bytes(b"PAR1")
    done = call("import", "--output", "json")
    assert done.exit_code == 3
    assert "run run-1 cannot be imported" in done.stderr
    found = json.loads(done.stdout)
    assert ([run["run"] for run in found["runs"]], list(found["damaged"])) == (["run-2"], ["run-1"])


def test_a_duration_that_is_none(call):
    assert isinstance(call("prune", "--keep", "3").exception, UsageError)
