"""How a run of the local engine stands while it has no ledger: by the records of its cells."""

import pytest

from orchestrator.engines.local.lock import locked
from orchestrator.engines.local.status import log_of, status_of, statuses_of
from orchestrator.errors import UsageError
from orchestrator.model import CellRecord, CellState
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import Records
from tests.unit.steps.plans import plan, skip

MOMENT = "2025-06-01T00:00:00Z"
PLAN = plan(("a", "b", "c"))
PLAN = plan(("a", "b", "c"), cells=(*PLAN.cells[:5], skip(PLAN.cells[5])))


@pytest.fixture
def volume(tmp_path):
    found = Volume(tmp_path)
    write_plan(PLAN, found)
    records = Records(found, PLAN.run)
    records.write("a", "root-user", CellRecord(attempts=1, started=MOMENT, finished=MOMENT, exit_code=0))
    records.write("a", "virus", CellRecord(attempts=1, started=MOMENT, finished=MOMENT, error="no", log="x\ny"))
    records.write("b", "root-user", CellRecord(attempts=2, started=MOMENT))
    records.write("b", "virus", CellRecord(attempts=1, started=MOMENT, finished=MOMENT, exit_code=9))
    return found


def states(volume):
    return [cell.state for cell in status_of(PLAN.run, volume).cells]


def test_while_it_runs(volume):
    with locked(volume.run(PLAN.run), PLAN.run):
        assert status_of(PLAN.run, volume).state == "running"
        ok, failed, running, waiting, skipped = (
            CellState.OK,
            CellState.FAILED,
            CellState.RUNNING,
            CellState.WAITING,
            CellState.SKIPPED,
        )
        assert states(volume) == [ok, failed, running, failed, waiting, skipped]


def test_nothing_of_a_run_that_was_cut_off_is_running(volume):
    found = status_of(PLAN.run, volume)
    assert found.state == "failed"
    assert CellState.RUNNING not in states(volume)
    (begun,) = (cell for cell in found.cells if cell.id == "b/root-user")
    assert (begun.state, begun.attempts) == (CellState.WAITING, 2)
    assert "resumed" in begun.message


def test_the_last_lines_of_a_scanner_and_why_it_failed(volume):
    assert list(log_of(PLAN.run, "a", "virus", volume)) == ["x", "y", "(no)"]
    with pytest.raises(UsageError, match="c/root-user"):
        list(log_of(PLAN.run, "c", "root-user", volume))


def test_a_plan_that_cannot_be_read_costs_the_list_no_other_run(volume):
    plans = volume.root / "plans"
    (plans / "torn.json").write_bytes(b'{"run": ')
    (plans / "no name.json").write_bytes(b"{}")
    (plans / "folder.json").mkdir()
    (plans / "gone.json").symlink_to("nowhere")
    found = {each.run: each for each in statuses_of(volume)}
    assert len(found[PLAN.run].cells) == len(PLAN.cells)
    assert set(found) == {PLAN.run, "torn", "no name", "folder", "gone"}
    assert all(found[run].message for run in found)
