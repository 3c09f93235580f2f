"""Ledgers read back, and the history over all of them."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.model import Ledger, LedgerRow, Outcome
from orchestrator.model.documents import DocumentError, encode
from orchestrator.results import NoResultsError, finished, finished_runs, history, read_ledger
from orchestrator.results.provisional import MARK
from orchestrator.volume.layout import Volume, write_atomic

NOW = datetime(2025, 3, 10, tzinfo=UTC)


def _write(volume, run, *rows, days_ago=0.0):
    """A ledger whose rows are (target, scan, outcome, days ago), written this many days ago."""
    made = tuple(
        LedgerRow(
            cell=f"{target}/{scan}",
            target=target,
            scan=scan,
            references=("app:1",),
            outcome=outcome,
            finished=(NOW - timedelta(days=days)).isoformat(),
            scanner="grype",
        )
        for target, scan, outcome, days in rows
    )
    path = volume.results(run) / "ledger.json"
    write_atomic(path, encode(Ledger(run=run, created=NOW.isoformat(), finished=NOW.isoformat(), rows=made)))
    moment = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (moment, moment))
    return path


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def test_the_newest_ok_result_of_each_cell(volume):
    _write(volume, "run-1", ("a", "virus", Outcome.OK, 5), ("b", "virus", Outcome.OK, 5), days_ago=5)
    _write(volume, "run-2", ("a", "virus", Outcome.OK, 2), ("b", "virus", Outcome.FAILED, 2), days_ago=2)
    _write(volume, "run-3", ("a", "virus", Outcome.SKIPPED, 1), ("a", "sbom", Outcome.OK, 1), days_ago=1)
    found = history(volume, NOW - timedelta(days=30))
    assert {key: value.run for key, value in found.items()} == {
        ("a", "virus"): "run-2",
        ("b", "virus"): "run-1",
        ("a", "sbom"): "run-3",
    }
    assert datetime.fromisoformat(found["a", "virus"].finished) == NOW - timedelta(days=2)
    assert found["a", "virus"].scanner == "grype"


def test_the_newest_by_time_not_by_name(volume):
    _write(volume, "z-old", ("a", "virus", Outcome.OK, 9), days_ago=9)
    _write(volume, "a-new", ("a", "virus", Outcome.OK, 1), days_ago=1)
    assert history(volume, NOW - timedelta(days=30))["a", "virus"].run == "a-new"


def test_old_ledgers_are_not_even_read(volume):
    path = _write(volume, "run-1", ("a", "virus", Outcome.OK, 20), days_ago=20)
    path.write_bytes(b"never read")
    os.utime(path, (0, 0))
    assert history(volume, NOW - timedelta(days=10)) == {}


def test_old_rows_of_a_ledger_written_again_are_left_out(volume):
    _write(volume, "run-1", ("a", "virus", Outcome.OK, 20), days_ago=0)
    assert history(volume, NOW - timedelta(days=10)) == {}


def test_damaged_ledgers_and_foreign_things_are_passed_over(volume, caplog):
    _write(volume, "run-1", ("a", "virus", Outcome.OK, 1), days_ago=1)
    _write(volume, "run-2").write_bytes(b'{"run": "run-2", "rows": [{')
    _write(volume, "run-3").write_bytes(b"[" * 100_000)
    _write(volume, "run-4").write_bytes(b"{}")
    _write(volume, "run-5", ("a", "virus", Outcome.OK, 1), days_ago=1).write_bytes(
        b'{"run": "run-5", "rows": [{"target": "a", "scan": "virus", "outcome": "ok", "finished": "yesterday"}]}'
    )
    (volume.root / "results" / "a-file").write_text("x")
    (volume.root / "results" / "run-6" / "ledger.json").mkdir(parents=True)
    (volume.root / "results" / "run-7").symlink_to(volume.results("run-1"))
    assert {each.run for each in history(volume, NOW - timedelta(days=10)).values()} == {"run-1"}
    assert {name for name in ("run-2", "run-3", "run-4") if name in caplog.text} == {"run-2", "run-3", "run-4"}


def test_no_results_at_all(volume):
    assert history(volume, NOW) == {}
    assert finished_runs(volume) == ()
    with pytest.raises(NoResultsError, match="run-9"):
        read_ledger(volume, "run-9")


def test_runs_the_latest_first(volume):
    _write(volume, "a", days_ago=1)
    _write(volume, "b", days_ago=3)
    _write(volume, "c", days_ago=2)
    assert finished_runs(volume) == ("a", "c", "b")


def test_a_damaged_ledger_is_reported(volume):
    _write(volume, "run-1").write_bytes(b"{")
    with pytest.raises(DocumentError):
        read_ledger(volume, "run-1")


def test_a_run_whose_first_attempt_begins_while_runs_are_listed_is_not_finished(volume, monkeypatch):
    folder = volume.results("begun")
    folder.mkdir(parents=True)
    asked = finished.attempts

    def begins(folder):
        found = asked(folder)
        (folder / MARK).write_text("1 provisional\n")
        _write(volume, "begun")
        return found

    monkeypatch.setattr(finished, "attempts", begins)
    assert finished_runs(volume) == ()
