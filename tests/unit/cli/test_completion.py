"""What a shell is offered, asked for as its own script asks."""

import logging

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.catalog.loading import load_catalog
from orchestrator.cli.app import app
from orchestrator.exports import names
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run

TARGETS = [
    {"csv": {"path": "targets.csv"}},
    {"image": "registry.example/shop/web:1.0"},
    {"csv": {"path": "t.csv", "git": {"url": "https://no.such.host.example/targets.git"}}},
    {"registry": {"host": "no.such.host.example", "repositories": ["*"]}},
]


@pytest.fixture
def offered(tmp_path, monkeypatch):
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"targets": TARGETS, "volume": {"path": "volume"}}))
    (tmp_path / "targets.csv").write_text("image\nnginx:1.27\n")
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"b/dependency": [finding(2)]})
    for run in ("run-1", "run-2"):
        volume.plan(run).parent.mkdir(parents=True, exist_ok=True)
        volume.plan(run).touch()
    monkeypatch.chdir(tmp_path)

    def of(line: str) -> list[str]:
        asked = {"_SCANMATRIX_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        done = CliRunner().invoke(app, [], env=asked, prog_name="scanmatrix")
        assert done.exit_code == 0
        assert done.stderr == ""
        return done.stdout.split()

    yield of
    logging.disable(logging.NOTSET)


def test_scans_and_exports(offered):
    assert offered("scanmatrix run --scan ") == sorted(load_catalog())
    assert offered("scanmatrix templates show ge") == ["general"]
    assert offered("scanmatrix results export ") == list(names())


def test_runs_the_newest_first(offered):
    assert offered("scanmatrix results export sarif ") == ["run-2", "run-1"]
    assert offered("scanmatrix status ") == ["run-2", "run-1"]
    assert offered("scanmatrix status --volume elsewhere ") == []


def test_targets_of_the_configuration_without_asking_a_network(offered):
    assert offered("scanmatrix run ") == ["docker.io/library/nginx:1.27", "registry.example/shop/web:1.0"]
    assert offered("scanmatrix plan --target shop") == ["shop/web", "shop/web:1.0"]


def test_targets_of_the_run_that_is_named(offered):
    newest, named = offered("scanmatrix results show --target "), offered("scanmatrix logs run-1 ")
    assert [each.partition(":")[0].rpartition("/")[2] for each in (*newest, *named)] == ["b", "a"]


def test_trouble_offers_nothing(offered, tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text("targets: 3\n")
    assert offered("scanmatrix run --scan ") == []
