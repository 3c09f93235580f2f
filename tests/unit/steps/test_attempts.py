"""An attempt to aggregate a run that is ended from outside: the ledger was written first, alone."""

import errno
import os
from contextlib import suppress

import pytest

from orchestrator.errors import VolumeFullError
from orchestrator.model import Outcome
from orchestrator.results.finished import finished_runs
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import LEDGER, MARK, attempts, is_whole
from orchestrator.steps import aggregate as step
from orchestrator.steps import attempt as attempt_module
from orchestrator.steps.aggregate import aggregate
from orchestrator.steps.attempt import attempt
from orchestrator.upkeep.left import failed_cells
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import Records
from tests.aggregation import make_plan, put_clean_run

PLAN = make_plan()


class KilledError(BaseException):
    """The process ends here: nothing of ours handles it."""


@pytest.fixture
def volume(tmp_path):
    volume = Volume(tmp_path)
    put_clean_run(volume, PLAN)
    return volume


def killed(volume, monkeypatch):
    """An attempt that the kernel ends: of what it does at its end nothing is done."""
    before = attempts(volume.results(PLAN.run)).number
    with monkeypatch.context() as patched:
        patched.setattr(step, "_aggregate", _killed)
        patched.setattr("orchestrator.steps.attempt.end_attempts", lambda folder: None)
        marks = attempt_module._mark
        patched.setattr(attempt_module, "_mark", lambda folder, now: now.number <= before or marks(folder, now))
        with pytest.raises(KilledError):
            aggregate(PLAN, volume)


def _killed(*_, **__):
    raise KilledError


def _full(*_, **__):
    raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize("times", [1, 2, 5])
def test_an_attempt_that_is_killed_leaves_a_ledger_that_is_not_taken_for_results(volume, monkeypatch, times):
    for _ in range(times):
        killed(volume, monkeypatch)
    ledger = read_ledger(volume, PLAN.run)
    folder = volume.results(PLAN.run)
    assert attempts(folder).number == times
    assert not is_whole(folder)
    assert finished_runs(volume) == ()
    assert failed_cells(PLAN, volume) == set()  # all have sound reports: nothing runs again for it
    assert [row.cell for row in ledger.rows] == [cell.id for cell in PLAN.cells]
    assert {row.outcome for row in ledger.rows} == {Outcome.FAILED}
    assert all("was not read" in row.reason for row in ledger.rows)
    assert not ledger.verdict.passed


def test_an_attempt_that_comes_to_its_end_replaces_that_ledger_and_leaves_no_mark(volume, monkeypatch):
    undisturbed = {path.name: path.read_bytes() for path in _files(volume, aggregate(PLAN, volume))}
    (volume.results(PLAN.run) / LEDGER).unlink()
    killed(volume, monkeypatch)
    killed(volume, monkeypatch)
    assert {path.name: path.read_bytes() for path in _files(volume, aggregate(PLAN, volume))} == undisturbed


def test_a_ledger_of_an_earlier_attempt_that_was_whole_stays(volume, monkeypatch):
    before = aggregate(PLAN, volume)
    killed(volume, monkeypatch)
    killed(volume, monkeypatch)
    assert read_ledger(volume, PLAN.run) == before


def test_an_attempt_that_fails_by_itself_is_not_taken_for_one_that_was_killed(tmp_path):
    with suppress(ValueError), attempt(tmp_path):
        raise ValueError
    assert attempts(tmp_path).number == 0
    with attempt(tmp_path):
        assert attempts(tmp_path).number == 1
    assert not list(tmp_path.iterdir())


def test_a_mark_that_is_a_pipe_counts_and_is_not_waited_for(volume):
    folder = volume.results(PLAN.run)
    folder.mkdir(parents=True)
    os.mkfifo(folder / MARK)
    assert attempts(folder).number == 1
    aggregate(PLAN, volume)
    assert is_whole(folder)
    assert attempts(folder).number == 0


def test_a_provisional_ledger_stays_one_when_its_attempt_fails_by_itself(volume, monkeypatch):
    monkeypatch.setattr(step, "_aggregate", _full)
    with pytest.raises(VolumeFullError):
        aggregate(PLAN, volume)
    folder = volume.results(PLAN.run)
    assert (folder / LEDGER).exists()
    assert not is_whole(folder)
    assert attempts(folder).number == 0
    monkeypatch.undo()
    aggregate(PLAN, volume)
    assert is_whole(folder)


def test_cells_that_failed_say_why_in_a_provisional_ledger_too(volume, monkeypatch):
    scan = PLAN.scans[0].name
    cell = next(cell for cell in PLAN.cells if cell.scan == scan)
    Records(volume, PLAN.run).fail(cell.target, cell.scan, "its scanner was away")
    for other in (each for each in PLAN.cells if each.scan == PLAN.scans[1].name):
        (volume.cell(PLAN.run, other.target, other.scan) / PLAN.scans[1].report).unlink()
    killed(volume, monkeypatch)
    reasons = {row.cell: row.reason for row in read_ledger(volume, PLAN.run).rows}
    assert reasons[cell.id] == "its scanner was away"
    assert "no report" in reasons[other.id]


def _files(volume, ledger):
    return sorted(volume.results(ledger.run).iterdir())
