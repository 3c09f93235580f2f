"""The engine `queue` with real processes: whatever becomes of workers, each cell is accounted for once."""

import signal
import time
from collections import Counter

import msgspec
import pytest

from orchestrator.engines.queue.worker import WorkerShare
from orchestrator.errors import UsageError
from orchestrator.model import CellState, Outcome
from orchestrator.model.plan import AskedBy
from tests.integration.engine import Watch, rows, wait_for
from tests.integration.queue_place import QueuePlace

#: Fails as long as there is a file.
FRAIL = "if os.path.exists(log + '.bad'): sys.exit('broken')"


@pytest.fixture
def place(tmp_path):
    return QueuePlace(tmp_path)


def test_workers_run_a_plan_to_its_ledger(place):
    plan, watch = place.plan(), Watch()
    with place.workers(2):
        ledger = place.run(plan, watch)
    assert {row.outcome for row in ledger.rows} == {Outcome.OK}
    assert Counter(place.begun()) == Counter(f"{cell.target} {cell.scan}" for cell in plan.cells)
    assert set(watch.finished) == {cell.id for cell in plan.cells}
    engine = place.engine()
    assert engine.status("r1").state == "succeeded"
    assert [status.run for status in engine.runs()] == ["r1"]
    # One that has ended is left as it is.
    assert engine.run(plan, Watch()) == ledger
    assert engine.cancel("r1") == ()
    assert engine.delete("r1") == ()
    assert not list((place.volume.root / "running").iterdir())
    assert not list(place.volume.run("r1").glob("*/*/attempt-*"))


def test_the_last_to_look_writes_the_ledger(place):
    engine = place.engine()
    assert engine.submit(place.plan()) == "r1"
    status = engine.status("r1")
    assert (status.state, {cell.state for cell in status.cells}) == ("pending", {CellState.WAITING})
    assert "no worker takes cells that wait (2 of first, 2 of second)" in status.message
    assert place.work_off() == 4
    assert engine.status("r1").state == "succeeded"
    assert any("r1 has ended: ledger of 4 cells" in line for line in place.told)


def test_a_failed_cell_fails_alone_and_is_tried_again(tmp_path):
    place = QueuePlace(
        tmp_path, scans={"first": "if os.path.exists(log + '.bad'): sys.exit('broken')", "second": "pass"}
    )
    (tmp_path / "log.bad").touch()
    engine = place.engine()
    engine.submit(place.plan())
    place.work_off()
    ledger = engine.fetch("r1")
    assert Counter(row.outcome for row in ledger.rows) == {Outcome.OK: 2, Outcome.FAILED: 2}
    assert {"exit code 1" in row.reason for row in ledger.rows if row.scan == "first"} == {True}
    (tmp_path / "log.bad").unlink()
    assert engine.retry("r1", Watch()) == "r1"
    assert engine.status("r1").state == "running"
    assert place.work_off() == 2
    assert {row.outcome for row in engine.fetch("r1").rows} == {Outcome.OK}
    assert Counter(place.begun()).most_common(1)[0][1] == 2


def test_a_worker_of_another_version_leaves_cells_to_the_right_one(place):
    engine = place.engine()
    engine.submit(place.plan())
    place.write_template("first", "pass  # changed since")
    assert place.work_off() == 2
    status = engine.status("r1")
    assert {(cell.scan, cell.state) for cell in status.cells} == {
        ("first", CellState.WAITING),
        ("second", CellState.OK),
    }
    assert {cell.message for cell in status.cells if cell.scan == "first"} == {
        "no worker takes cells of first in the version of this plan"
    }
    place.write_template("first", "pass")
    assert place.work_off("first") == 2
    assert engine.status("r1").state == "succeeded"


def test_a_cell_that_kills_its_workers_ends_in_the_ledger(tmp_path):
    """Each worker is a process; the scanner of `second` kills its worker, as one does that takes all memory."""
    killer = (
        "pids = [int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])]; "
        "[os.kill(pid, signal.SIGKILL) for pid in pids if 'scanmatrix' in open(f'/proc/{pid}/cmdline').read()]"
    )
    place = QueuePlace(tmp_path, images=1, scans={"first": "pass", "second": killer})
    engine = place.engine()
    engine.submit(place.plan())
    ends = []
    end = time.monotonic() + 600
    while not engine.status("r1").ended:
        assert time.monotonic() < end
        process = place.start_worker("--once", "--scan=first", "--scan=second")
        ends.append(process.wait(300))
        process.stderr.close()
    ledger = rows(engine.fetch("r1"))
    assert Counter(ends)[-signal.SIGKILL] == 3
    assert ledger["first"].outcome is Outcome.OK
    assert ledger["second"].outcome is Outcome.FAILED
    assert ledger["second"].reason.startswith("worker lost, 3 times")
    assert sum(line.endswith("second") for line in place.begun()) == 3


def test_workers_that_are_stopped_end_their_cell_or_give_it_back(tmp_path):
    place = QueuePlace(tmp_path, images=2, scans={"first": "time.sleep(float(open(log + '.seconds').read()))"})
    (tmp_path / "log.seconds").write_text("1")
    engine = place.engine()
    engine.submit(place.plan())
    process = place.start_worker("--scan=first")
    wait_for(place.begun, process)
    process.terminate()
    assert process.wait(300) == 0
    process.stderr.close()
    assert [cell.state for cell in engine.status("r1").cells].count(CellState.OK) == 1
    (tmp_path / "log.seconds").write_text("60")
    process = place.start_worker("--scan=first", "--grace=0")
    wait_for(lambda: len(place.begun()) > 1, process)
    process.terminate()
    assert process.wait(300) == 0
    process.stderr.close()
    assert engine.status("r1").cells[-1].state is CellState.WAITING
    (tmp_path / "log.seconds").write_text("0")
    assert place.work_off() == 1
    assert {(row.outcome, row.reason) for row in engine.fetch("r1").rows} == {(Outcome.OK, "")}


def test_a_worker_ends_after_its_share(place):
    engine = place.engine()
    engine.submit(place.plan())
    process = place.start_worker("--scan=first", "--scan=second", "--cells=3")
    assert process.wait(300) == 0
    process.stderr.close()
    assert len(place.begun()) == 3
    assert place.work_off(share=WorkerShare(seconds=0.01)) <= 1


def test_a_run_that_is_cancelled_while_workers_are_at_it(tmp_path):
    place = QueuePlace(tmp_path, images=3, scans={"first": "time.sleep(60)"})
    engine = place.engine()
    engine.submit(place.plan())
    with place.workers(1):
        wait_for(place.begun)
        with pytest.raises(UsageError, match="has not ended"):
            engine.retry("r1", Watch())
        assert engine.cancel("r1") == ("run r1",)
        wait_for(lambda: engine.status("r1").ended)
    ledger = engine.fetch("r1")
    assert {(row.outcome, row.reason) for row in ledger.rows} == {(Outcome.FAILED, "the run was cancelled")}
    assert len(place.begun()) == 1


def test_the_deadline_of_a_run_holds(tmp_path):
    place = QueuePlace(tmp_path, images=2, scans={"first": "time.sleep(60)"}, limits={"deadline": "3s"})
    engine = place.engine()
    engine.submit(place.plan())
    with place.workers(1):
        wait_for(lambda: engine.finish_left() or engine.status("r1").ended)
    reasons = {row.reason for row in engine.fetch("r1").rows}
    assert len(reasons) == 1
    assert "deadline: the run's 3 s (limits.deadline) were over" in reasons.pop()


def test_what_is_asked_by_hand_comes_before_the_schedule(place):
    engine = place.engine()
    for run, by in (("scheduled", AskedBy.SCHEDULE), ("pushed", AskedBy.EVENT), ("wanted", AskedBy.HAND)):
        engine.submit(msgspec.structs.replace(place.plan(run), asked_by=by))
    place.work_off()
    runs = [line.split(":")[0] for line in place.told if line.endswith(": ok")]
    assert runs == ["run wanted"] * 4 + ["run pushed"] * 4 + ["run scheduled"] * 4


def test_a_plan_of_a_later_version_is_left_to_later_workers(place):
    engine = place.engine()
    engine.submit(place.plan("later"))
    engine.submit(place.plan("present"))
    path = place.volume.plan("later")
    plan = path.read_bytes()
    path.write_bytes(plan.replace(b'"run":', b'"invented":1,"run":', 1))
    assert place.work_off(share=WorkerShare(cells=5)) == 5
    engine.finish_left()
    assert engine.status("present").state == "succeeded"
    path.write_bytes(plan)
    assert place.work_off() == 4
    assert {(row.outcome, row.attempts) for row in engine.fetch("later").rows} == {(Outcome.OK, 1)}


def test_the_command_line(place):
    worker = place.start_worker("--scan=first", "--scan=second")
    try:
        done = place.call("run", "--run-id", "r2")
        assert done.returncode == 0, done.stderr
        assert "Results:" in done.stdout
        detached = place.call("run", "--run-id", "r3", "--detach")
        assert detached.returncode == 0, detached.stderr
        wait_for(lambda: "succeeded" in place.call("status", "r3").stdout, worker)
    finally:
        worker.terminate()
        worker.wait(300)
    assert "takes cells of first, second" in worker.stderr.read()
    worker.stderr.close()
    assert place.call("cancel", "r3").stdout.strip() == "run r3 has ended already"
    absent = place.call("worker", "--scan", "frist")
    assert (absent.returncode, "did you mean 'first'" in absent.stderr) == (2, True)
