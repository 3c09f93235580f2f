"""`results list` answers without the store where its answer is known, and never with one that no longer holds."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from orchestrator.api import listing
from orchestrator.cli.app import app
from orchestrator.config.likely import likely_volume
from orchestrator.config.loading import load_config
from orchestrator.queries import Store
from orchestrator.queries.remembered import FILE
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run


@pytest.fixture
def volume(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix.yaml").write_text("volume: {path: volume}\n")
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": [finding(2)]})
    return volume


def ask(*words, status=0):
    done = CliRunner().invoke(app, ["results", "list", "--output", "json", *words], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)["runs"]


def known(most=20, config=None, volume=None):
    return listing.known_runs(listing.question_of(config, volume), most)


def test_the_second_answer_is_the_first_and_loads_neither_sqlalchemy_nor_pandas_nor_the_configuration(volume):
    [first] = ask()
    code = (
        "import sys\nfrom orchestrator.cli.app import program\n"
        "program(['results'])(['results', 'list', '--output', 'json'], standalone_mode=False)\n"
        "heavy = {'sqlalchemy', 'pandas', 'pyarrow', 'rich.console', 'orchestrator.config.loading'}\n"
        "sys.exit(','.join(heavy & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "scanmatrix: using scanmatrix.yaml\n")
    assert json.loads(done.stdout)["runs"] == [first]


def test_a_run_that_came_went_or_was_written_again(volume):
    assert ask()[0]["run"] == "run-1"
    assert known() is not None
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(1), finding(3)]})
    assert known() is None
    assert [each["run"] for each in ask()] == ["run-2", "run-1"]
    write_run(volume, "run-2", day(2), {"a/dependency": []})
    assert known() is None
    assert ask()[0]["open"] == {}
    shutil.rmtree(volume.results("run-2"))
    assert known() is None


def test_what_others_write_to_the_store(volume, tmp_path):
    ask()
    with Store(f"sqlite:///{volume.root / 'store.sqlite3'}") as store:
        assert known() is not None
        elsewhere = Volume(tmp_path / "elsewhere")
        write_run(elsewhere, "other", day(3), {"c/dependency": []})
        store.take_in_all(elsewhere)
        assert known() is None  # while it is open, too: what was written may lie in its journal yet
    assert [each["run"] for each in ask()] == ["other", "run-1"]


@pytest.mark.parametrize(
    "change",
    [
        "volume: {path: volume}\nscanners: {distrusted: [{scan: dependency, reason: bad}]}\n",
        "volume: {path: volume}\nscanners: {denyFile: deny.yaml}\n",
    ],
)
def test_rules_about_scanners_in_the_configuration(volume, tmp_path, change):
    assert ask()[0]["suspect"] == 0
    (tmp_path / "deny.yaml").write_text("- {image: scanner.example/dependency, versions: ['9'], reason: bad}\n")
    (tmp_path / "scanmatrix.yaml").write_text(change)
    assert known() is None
    ask()
    assert known() is not None
    (tmp_path / "deny.yaml").write_text("- {image: scanner.example/dependency, reason: bad}\n")
    assert (known() is None) == ("denyFile" in change)


def test_rules_of_scanmatrix_distrust_that_come_and_go(volume, tmp_path):
    ask()
    assert known() is not None
    rules = tmp_path / "scanmatrix.distrusted.yaml"
    rules.write_text("- {scan: dependency, reason: bad}\n")
    assert known() is None
    assert ask()[0]["suspect"] == 2
    assert known() is not None
    rules.unlink()
    assert known() is None
    assert ask()[0]["suspect"] == 0


def test_a_configuration_that_came_to_have_mistakes_is_refused(volume, tmp_path):
    ask()
    (tmp_path / "scanmatrix.yaml").write_text("volume: {path: volume}\nlimits: {retires: 1}\n")
    done = CliRunner().invoke(app, ["results", "list"])
    assert "retires" in str(done.exception)


def test_who_asks(volume, tmp_path, monkeypatch):
    ask()
    assert known() is not None
    assert known(config=tmp_path / "scanmatrix.yaml") is not None  # the same file
    assert known(volume=volume.root) is None
    monkeypatch.setenv("SCANMATRIX_LIMITS__RETRIES", "many")
    assert known() is None


def test_how_many_are_wanted(volume):
    write_run(volume, "run-2", day(2), {"a/dependency": []})
    ask("--most", "1")
    assert [each.run for each in known(1)] == ["run-2"]
    assert known(2) is None
    assert known(None) is None
    ask("--most", "3")  # all there are
    assert [each.run for each in known(None)] == ["run-2", "run-1"]
    assert [each.run for each in known(1)] == ["run-2"]


def test_a_damaged_run_is_named_each_time(volume, caplog):
    write_run(volume, "run-2", day(2), {"a/dependency": []})
    (volume.results("run-2") / "ledger.json").write_text("{")
    for _ in range(2):
        caplog.clear()
        ask()
        assert "run-2" in caplog.text


def test_a_volume_that_takes_no_file_answers_all_the_same(volume):
    (volume.root / FILE).mkdir()
    assert ask() == ask()
    assert known() is None


@pytest.mark.parametrize("text", ["", "{", '{"runs": 1}', "[" * 100_000])
def test_what_is_remembered_may_be_damaged(volume, text):
    expected = ask()
    (volume.root / FILE).write_text(text)
    assert known() is None
    assert ask() == expected


def test_a_database_of_ones_own_is_always_asked(volume, tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text("volume: {path: volume}\nstore: {url: 'sqlite:///own.sqlite3'}\n")
    ask()
    assert known() is None
    assert not (volume.root / FILE).exists()


def test_an_empty_volume_says_so_each_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix-data").mkdir()
    for _ in range(2):
        done = CliRunner().invoke(app, ["results", "list"], catch_exceptions=False)
        assert f"no run has finished on {tmp_path / 'scanmatrix-data'}" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "limits: {}\n",
        "volume: {path: data}\n",
        "volume: {claim: x, path: 'my data', budget: 1Gi} # here\n",
        'targets: []\nvolume:\n  # where\n\n  claim: x\n  path: "my data"  # here\nlimits: {}\n',
        "volume: # here\n  nfs: {server: a, path: /x}\n  path: /data\n",
        "volume:\n  path: ~/data\n",
    ],
)
def test_the_likely_volume_is_the_volume(tmp_path, text):
    path = tmp_path / "scanmatrix.yaml"
    path.write_text(text)
    assert likely_volume(path, {}) == load_config(path, environment={}).volume.path
    environment = {"SCANMATRIX_VOLUME__PATH": "other"}
    assert likely_volume(path, environment) == load_config(path, environment=environment).volume.path


def test_a_volume_that_is_not_plain_to_see_is_asked_by_the_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix.yaml").write_text("volume: &v\n  {path: &p volume}\n")
    write_run(Volume(tmp_path / "volume"), "run-1", day(1), {"a/dependency": []})
    assert ask() == ask()
    assert known() is None
    assert not os.path.lexists(tmp_path / "scanmatrix-data")
