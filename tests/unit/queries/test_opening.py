"""One answer for everybody: the command line, Python and the store, filled by anybody who asks first."""

import json
import shutil
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from orchestrator import differences, list_results, load_config, who_has
from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.queries import Store, asking
from orchestrator.queries.opening import fill
from orchestrator.results.errors import NoResultsError
from orchestrator.results.finished import finished_runs
from orchestrator.store import database, matrix
from orchestrator.store.database import FILE
from orchestrator.volume.layout import Volume
from tests.raw_store import write_raw_store
from tests.stored_runs import day, finding, write_run


@pytest.fixture
def volume(tmp_path):
    """One image, two reports that both have two vulnerabilities, and a rule that ignores one of them."""
    volume = Volume(tmp_path / "volume")
    both = [finding(1, version="1"), finding(2, version="1")]
    write_run(volume, "run-1", day(1), {"a/dependency": both, "a/general": both}, ignored=["CVE-2025-1"])
    return volume


@pytest.fixture
def config(volume):
    return load_config(references=["app:1"], volume=volume.root)


def call(volume, *words):
    environment = {"SCANMATRIX_VOLUME__PATH": str(volume.root)}
    found = CliRunner().invoke(app, ["results", *words, "--output", "json"], env=environment, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_who_has_it_and_what_changed_is_the_same_anybody_who_asks(volume, config):
    [row] = call(volume, "who-has", "CVE-2025-1")["findings"]
    assert (row["suppressed"], row["found_by"]) == ("ignored", ["dependency", "general"])
    assert [each["status"] for each in call(volume, "diff")["differences"]] == ["new", "new"]
    [of_python] = who_has(config, "CVE-2025-1").to_dict("records")
    assert of_python["suppressed"] == "ignored"
    assert differences(config)["status"].tolist() == ["new", "new"]
    with Store.of(config) as store:
        [holder] = store.who_has("CVE-2025-1").rows
        assert holder.finding.suppressed.status == "ignored"
        assert [each.status for each in store.differences()] == ["new", "new"]
        assert len(store.changes(day(0)).new) == 2
    [summary] = list_results(config)
    assert (sum(summary.open.values()), summary.suppressed) == (1, 1)
    assert call(volume, "who-has", "--package", "p1")["findings"] == [row]


def test_a_store_that_is_lost_is_built_again(volume, config):
    before = who_has(config, "CVE-2025-1")
    for path in volume.root.glob(f"{FILE}*"):
        path.unlink()
    assert who_has(config, "CVE-2025-1").equals(before)
    assert (volume.root / FILE).exists()


@pytest.mark.parametrize("broken", ["other bytes", "a folder"])
def test_where_the_volumes_store_cannot_be_used_the_answer_is_the_same(volume, config, caplog, broken):
    path = volume.root / FILE
    path.mkdir() if broken == "a folder" else path.write_bytes(b"not a database at all, but long enough to be one" * 9)
    assert who_has(config, "CVE-2025-1")["suppressed"].tolist() == ["ignored"]
    assert FILE in caplog.text


def test_the_volumes_store_of_the_version_before_is_brought_up_to_date(volume, config):
    url = f"sqlite:///{volume.root / FILE}"
    write_raw_store(url, volume, {"run-1": day(1)}, "a/dependency", ["CVE-2025-1", "CVE-2025-2"])
    assert who_has(config, "CVE-2025-1")["suppressed"].tolist() == ["ignored"]


def test_a_configured_store_is_filled_as_well_and_the_volume_has_none(volume, config, tmp_path, monkeypatch):
    monkeypatch.setenv("SCANMATRIX_STORE__URL", f"sqlite:///{tmp_path / 'other.sqlite3'}")
    monkeypatch.setenv("SCANMATRIX_VOLUME__PATH", str(volume.root))
    assert len(who_has(load_config(references=["app:1"]), "CVE-2025-1")) == 1
    assert (tmp_path / "other.sqlite3").exists()
    assert not (volume.root / FILE).exists()


def test_a_run_that_continues_and_a_volume_without_any(tmp_path, volume, config):
    volume.results("run-2").mkdir()
    assert len(differences(config)) == 2
    with pytest.raises(UsageError, match="no run has finished"):
        differences(load_config(references=["app:1"], volume=tmp_path / "empty"))
    assert not (tmp_path / "empty").exists()


def test_what_a_damaged_run_found_is_never_taken_for_gone(volume, config, caplog):
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(3)], "a/general": []})
    (volume.results("run-2") / "merged.parquet").write_bytes(b"x")
    with pytest.raises(NoResultsError, match="run-2"):
        who_has(config, "CVE-2025-1")
    write_run(volume, "run-3", day(3), {"a/dependency": [finding(3)], "a/general": []})
    assert len(who_has(config, "CVE-2025-3")) == 1
    assert "run-2" in caplog.text
    with pytest.raises(NoResultsError, match="run-2"):
        differences(config, since=day(2) + timedelta(minutes=1))
    with asking(volume) as store:
        assert len(store.differences(since=day(1) + timedelta(minutes=1))) == 3


def test_a_run_that_somebody_removes_meanwhile_is_no_trouble(volume, config, monkeypatch):
    before = who_has(config, "CVE-2025-1")
    listed = finished_runs(volume)
    monkeypatch.setattr(database, "finished_runs", lambda _: ("removed", *listed))
    assert who_has(config, "CVE-2025-1").equals(before)
    with asking(volume) as store:
        assert store.take_in_all(volume).known == len(listed)
        with pytest.raises(NoResultsError, match="removed"):
            store.take_in_all(volume, ["removed"])


def test_an_answer_that_is_kept_ends_when_a_run_is_missing(volume, config):
    with asking(volume, config) as store:
        before = store.revision()
        write_run(volume, "run-2", day(2), {"a/dependency": [finding(3)], "a/general": []})
        (volume.results("run-2") / "merged.parquet").write_bytes(b"x")
        fill(store, volume)
        assert store.revision() != before
        shutil.rmtree(volume.results("run-2"))
        fill(store, volume)
        assert store.revision() == before


def test_a_run_may_be_found_damaged_while_a_question_is_asked(volume, config, monkeypatch):
    """As by the thread of the service that imports what ended."""
    with asking(volume, config) as store:
        found = iter(range(9))
        monkeypatch.setattr(matrix, "lacks", lambda *_: store.miss(f"run-{next(found)}", "why", [("b", "general", 1)]))
        store.miss("run", "why", [("a", "general", 1)])
        assert store.who_has("CVE-2025-1").total == 1
