"""An attempt to aggregate a run that was ended from outside: the next one writes the ledger first, alone."""

from contextlib import suppress

import pytest

from orchestrator.model import Outcome
from orchestrator.results.ledger import LEDGER, read_ledger
from orchestrator.steps import aggregate as step
from orchestrator.steps.aggregate import aggregate
from orchestrator.steps.attempt import attempt
from orchestrator.volume.layout import Volume
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
    with monkeypatch.context() as patched:
        patched.setattr(step, "_aggregate", _killed)
        patched.setattr("orchestrator.steps.attempt.remove_quietly", lambda path: None)
        with pytest.raises(KilledError):
            aggregate(PLAN, volume)


def _killed(*_):
    raise KilledError


def test_the_first_attempt_that_is_killed_leaves_no_ledger_and_the_second_one_does(volume, monkeypatch):
    killed(volume, monkeypatch)
    assert not (volume.results(PLAN.run) / LEDGER).exists()
    killed(volume, monkeypatch)
    ledger = read_ledger(volume, PLAN.run)
    assert [row.cell for row in ledger.rows] == [cell.id for cell in PLAN.cells]
    assert {row.outcome for row in ledger.rows} == {Outcome.FAILED}
    assert all("ended before it was done" in row.reason for row in ledger.rows)
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
    with attempt(tmp_path) as ended_early:
        assert not ended_early
    assert not list(tmp_path.iterdir())


def _files(volume, ledger):
    return sorted(volume.results(ledger.run).iterdir())
