"""Runs that ended without their last step: half-done runs on a volume, and what the next one makes of them."""

import os
import shutil
import threading
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import CellRecord, Limits, Outcome, Plan
from orchestrator.model.documents import encode, read
from orchestrator.planning.batches import split
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import is_whole
from orchestrator.steps import aggregate, ending
from orchestrator.steps.account import NotOnVolume, account
from orchestrator.steps.ending import finish_left, free_left
from orchestrator.steps.liveness import why_over
from orchestrator.upkeep.claims import MARGIN, RunClaim, claims, deciding
from orchestrator.upkeep.links import hold
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume, write_atomic
from tests.aggregation import CLEAN, make_plan, make_target, put_record, put_report
from tests.clusters import FakeCluster, workflow
from tests.failing import failing
from tests.ordinary_user import run_as_ordinary_user

DEADLINE = 3600
BEGUN = CellRecord(attempts=1, started="2025-03-01T10:00:00Z")
BROKE = CellRecord(attempts=1, started=BEGUN.started, finished="2025-03-01T10:00:05Z", exit_code=3)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


def claim_of(plan: Plan, **changes: object) -> RunClaim:
    fields = {"run": plan.run, "workflow": "wf", "uid": "uid-wf", "namespace": "scanmatrix", "deadline": DEADLINE}
    return RunClaim(**(fields | {"since": "2025-03-01T09:00:00Z"} | changes))  # type: ignore[arg-type]


def put_claim(volume: Volume, claim: RunClaim, *, old: float = 0) -> RunClaim:
    path = volume.claim(claim.run, claim.part)
    write_atomic(path, encode(claim))
    os.utime(path, (time.time() - old,) * 2)
    return claim


def put_half_done(volume: Volume, run: str = "run-1") -> Plan:
    """Of five cells one ended well, one failed, one was cut off, one was cut off after its report, one never began."""
    plan = make_plan(targets=[make_target()], run=run)
    write_plan(plan, volume)
    blob = volume.blob(plan.targets[0].digest)
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(b"x" * 1000)
    assert hold(plan, plan.targets[0].id, volume)
    target = plan.targets[0].id
    for scan, record, report in (
        ("dependency", None, True),
        ("general", BROKE, True),
        ("root-user", BEGUN, False),
        ("sbom", BEGUN, True),
        ("virus", None, False),
    ):
        if report:
            put_report(volume, plan, target, scan, CLEAN[scan])
        if scan == "dependency":
            put_record(volume, plan, target, scan)
        elif record is not None:
            put_record(volume, plan, target, scan, record)
    return plan


def check_finished(volume: Volume, plan: Plan, why: str) -> None:
    """A row for each cell, and those that were not done say why the run ended."""
    rows = {row.scan: row for row in read_ledger(volume, plan.run).rows}
    assert len(rows) == len(plan.cells)
    assert {scan for scan, row in rows.items() if row.outcome is Outcome.OK} == {"dependency", "sbom"}
    assert "exit code 3" in rows["general"].reason
    for scan in ("root-user", "virus"):
        assert why in rows[scan].reason or "cancelled" in rows[scan].reason
    assert volume.blob(plan.targets[0].digest).stat().st_nlink == 1
    assert not volume.reserve(plan.run).exists()
    assert claims(volume) == ()
    assert (volume.results(plan.run) / "merged.parquet").exists()


@pytest.mark.parametrize(
    ("left", "why"),
    [
        ((), "deleted"),
        ((workflow("wf", "Failed"),), "without its last step"),
        ((workflow("wf", "Failed", shutdown="Terminate"),), "terminated"),
        ((workflow("wf", "Failed", shutdown="Stop"),), "stopped"),
        ((workflow("wf", "Error", message="pod deleted"),), "pod deleted"),
        ((workflow("wf", uid="another"),), "deleted"),
    ],
)
def test_a_run_that_ended_without_its_last_step_is_finished(volume, left, why):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan))
    (done,) = finish_left(volume, FakeCluster(*left))
    assert done.run == plan.run
    check_finished(volume, plan, why)
    assert why in (volume.results(plan.run) / "summary.md").read_text()
    before = (volume.results(plan.run) / "ledger.json").read_bytes()
    assert list(finish_left(volume, FakeCluster(*left))) == []
    assert (volume.results(plan.run) / "ledger.json").read_bytes() == before


@pytest.mark.parametrize(
    ("where", "name"), [(ending, "release"), (aggregate, "clear_unfinished"), (aggregate, "remove_unused")]
)
@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), OSError(5, "Input/output error")], ids=repr)
def test_what_cannot_be_removed_costs_no_ledger(volume, monkeypatch, where, name, error):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan))
    monkeypatch.setattr(where, name, failing(lambda: None, lambda *_: True, error))
    (done,) = finish_left(volume, FakeCluster())
    assert len(done.ledger.rows) == len(plan.cells)
    assert claims(volume) == ()
    summary = (volume.results(plan.run) / "summary.md").read_text()
    assert "removing " in summary
    assert type(error).__name__ in summary or "Input/output error" in summary


@pytest.mark.parametrize(
    ("left", "running"),
    [
        ((workflow("wf"),), set()),
        ((workflow("wf", ""),), set()),
        ((workflow("wf", run=None),), set()),
        ((workflow("wf", "Failed"), workflow("wf-001", owner="uid-wf")), set()),
        ((workflow("wf-001", owner="uid-wf"),), set()),
        ((workflow("wf", "Failed", shutdown="Terminate"),), {"wf"}),
        ((), {"wf"}),
    ],
)
def test_a_run_that_somebody_may_still_work_on_is_left_alone(volume, left, running):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan))
    cluster = FakeCluster(*left)
    cluster.running = running
    before = sorted(volume.root.rglob("*"))
    assert list(free_left(volume, cluster)) == []
    assert list(finish_left(volume, cluster)) == []
    assert sorted(volume.root.rglob("*")) == sorted([*before, volume.lock(plan.run)])
    assert volume.blob(plan.targets[0].digest).stat().st_nlink == 1 + len(plan.cells)


def test_a_controller_that_is_gone_holds_its_runs_a_day_longer_than_they_may_take(volume):
    claim = claim_of(make_plan())
    cluster = FakeCluster(workflow("wf"))
    assert not why_over(claim, DEADLINE + MARGIN, cluster)
    assert "no pod" in why_over(claim, DEADLINE + MARGIN + 1, cluster)
    cluster.running = {"wf"}
    assert not why_over(claim, DEADLINE + MARGIN + 1, cluster)


@pytest.mark.parametrize("asked", ["nobody", "away", "another namespace", "another cluster", "one without a name"])
def test_where_nobody_can_be_asked_time_alone_tells(volume, asked):
    plan = put_half_done(volume)
    cluster = None if asked == "nobody" else FakeCluster(namespace="x" if "namespace" in asked else "scanmatrix")
    if cluster is not None:
        cluster.away = asked == "away"
        cluster.identity = {"another cluster": "uid-elsewhere", "one without a name": ""}.get(asked, cluster.identity)
    claim = claim_of(plan, cluster="uid-here")
    put_claim(volume, claim, old=DEADLINE + MARGIN - 60)
    assert list(finish_left(volume, cluster)) == []  # type: ignore[arg-type]
    put_claim(volume, claim, old=DEADLINE + MARGIN + 60)
    assert len(list(finish_left(volume, cluster))) == 1  # type: ignore[arg-type]
    check_finished(volume, plan, "deadline")


def test_where_the_cluster_does_not_say_which_it_is_that_is_said(volume, caplog):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan, cluster="uid-here"), old=DEADLINE + MARGIN + 60)
    cluster = FakeCluster()
    cluster.identity = ""
    assert len(list(finish_left(volume, cluster))) == 1
    assert "uid of namespace scanmatrix" in caplog.text
    assert "allow `get`" in caplog.text
    assert "uid of namespace scanmatrix" in (volume.results(plan.run) / "summary.md").read_text()


@pytest.mark.parametrize("claimed", ["", "uid-here"])
def test_a_claim_of_this_cluster_or_of_a_version_that_named_none_is_judged_by_it(volume, claimed):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan, cluster=claimed))
    assert b'"cluster"' not in volume.claim(plan.run).read_bytes() or claimed
    assert len(list(finish_left(volume, FakeCluster()))) == 1
    check_finished(volume, plan, "was deleted")


def test_a_claim_of_the_future_and_a_stepping_clock_take_no_run_away(volume, monkeypatch):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan, since="2031-01-01T00:00:00Z"))
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert list(finish_left(volume)) == []


def test_room_is_given_back_without_making_results(volume):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan))
    assert len(list(free_left(volume, FakeCluster()))) == 1
    assert volume.blob(plan.targets[0].digest).stat().st_nlink == 1
    assert not volume.reserve(plan.run).exists()
    assert not volume.results(plan.run).exists()
    list(finish_left(volume, FakeCluster()))
    check_finished(volume, plan, "deleted")


def test_only_the_run_s_own_links_are_given_back(volume):
    plan, other = put_half_done(volume), make_plan(targets=[make_target()], run="run-2")
    write_plan(other, volume)
    assert hold(other, other.targets[0].id, volume)
    put_claim(volume, claim_of(plan))
    put_claim(volume, claim_of(other, workflow="wf-2", uid="uid-wf-2"))
    list(finish_left(volume, FakeCluster(workflow("wf-2", run="run-2"))))
    assert volume.blob(plan.targets[0].digest).stat().st_nlink == 1 + len(other.cells)
    assert volume.reserve("run-2").exists()
    assert [claim.run for claim in claims(volume)] == ["run-2"]


def test_two_finishers_at_once_make_one_ledger(volume):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan))
    done: list[str] = []
    threads = [
        threading.Thread(target=lambda: done.extend(each.run for each in finish_left(volume, FakeCluster())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [plan.run]
    check_finished(volume, plan, "deleted")


def test_a_run_that_is_being_begun_or_ended_is_left_alone(volume):
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan))
    with deciding(plan.run, volume):
        assert list(finish_left(volume, FakeCluster())) == []


def test_a_run_that_ended_before_it_had_a_plan_is_no_run(volume):
    put_claim(volume, claim_of(make_plan()))
    (done,) = finish_left(volume, FakeCluster())
    assert done.ledger is None
    assert claims(volume) == ()
    assert not volume.results("run-1").exists()


def test_trouble_with_one_run_does_not_keep_the_others(volume):
    damaged, plan = put_half_done(volume, "run-0"), put_half_done(volume)
    volume.plan(damaged.run).write_bytes(b"{")
    for each in (damaged, plan):
        put_claim(volume, claim_of(each))
    assert [done.run for done in finish_left(volume, FakeCluster())] == [plan.run]
    assert [claim.run for claim in claims(volume)] == [damaged.run]


def test_results_that_end_every_attempt_to_make_them_hold_up_nothing_else(volume):
    """As when memory runs out each time: the second attempt leaves a ledger, and there is no third."""
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan), old=60)
    (volume.results(plan.run)).mkdir(parents=True)
    (volume.results(plan.run) / ".aggregating").write_text("2 provisional\n")
    ledger = account(plan, volume, "memory ran out", NotOnVolume((), {}))
    (done,) = finish_left(volume, FakeCluster())
    assert done.ledger == ledger
    assert not (volume.results(plan.run) / "merged.parquet").exists()
    assert volume.blob(plan.targets[0].digest).stat().st_nlink == 1
    assert claims(volume) == ()
    assert is_whole(volume.results(plan.run))


@pytest.mark.parametrize("mark", ["2\n", "3 provisional\n"])
def test_a_run_that_was_tried_again_holds_up_nothing_else_either(volume, mark):
    """Its ledger is older than the claim of the Workflow that tried it again; the attempts came after that."""
    plan = put_half_done(volume)
    (volume.results(plan.run)).mkdir(parents=True)
    ledger = account(plan, volume, "of before", NotOnVolume((), {}))
    os.utime(volume.results(plan.run) / "ledger.json", (time.time() - 9000,) * 2)
    put_claim(volume, claim_of(plan), old=60)
    (volume.results(plan.run) / ".aggregating").write_text(mark)
    (done,) = finish_left(volume, FakeCluster())
    assert done.ledger == ledger
    assert claims(volume) == ()
    assert is_whole(volume.results(plan.run))


def test_attempts_from_before_a_claim_are_no_reason_to_make_none(volume):
    plan = put_half_done(volume)
    (volume.results(plan.run)).mkdir(parents=True)
    account(plan, volume, "of before", NotOnVolume((), {}))
    (volume.results(plan.run) / ".aggregating").write_text("2 provisional\n")
    os.utime(volume.results(plan.run) / ".aggregating", (time.time() - 9000,) * 2)
    put_claim(volume, claim_of(plan), old=60)
    assert len(list(finish_left(volume, FakeCluster()))) == 1
    check_finished(volume, plan, "deleted")


@pytest.mark.parametrize("kind", ["pipe", "endless", "old", "nowhere", "huge", "deep", "folder"])
def test_what_is_no_claim_stands_for_one_without_a_holder(volume, kind):
    plan = put_half_done(volume)
    path = volume.claim(plan.run)
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind in {"old", "nowhere"}:
        # How old a link is, and not what it leads to, says since when: devices are as old as the machine.
        path.symlink_to(volume.root / kind)
        if kind == "old":
            (volume.root / kind).touch()
            os.utime(volume.root / kind, (0, 0))
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"[" * 100_000 if kind == "deep" else encode(claim_of(plan)) + b" " * 2**21)
    assert claims(volume) == (RunClaim(run=plan.run),)
    assert list(finish_left(volume, FakeCluster())) == []


def test_runs_of_versions_without_claims_are_looked_at_once_each(volume, monkeypatch):
    looks = []
    found = Volume.results
    monkeypatch.setattr(Volume, "results", lambda self, run: looks.append(run) or found(self, run))
    for number in range(20):
        path = volume.plan(f"run-{number}")
        write_atomic(path, encode(make_plan(run=f"run-{number}")))
        os.utime(path, (time.time() - MARGIN - 60,) * 2)
    assert list(finish_left(volume, FakeCluster())) == []
    assert len(looks) <= 3 * 20


def test_a_part_that_ended_before_it_had_a_plan_is_no_part(volume):
    whole = make_plan(targets=[make_target(1), make_target(2)])
    whole = msgspec.structs.replace(whole, waves=(("app-1",), ("app-2",)), limits=Limits(cells_per_shard=5))
    first, _ = split(whole)
    write_plan(first, volume)
    put_claim(volume, claim_of(whole, part="002", workflow="wf-002", uid="uid-wf-002"))
    list(free_left(volume, FakeCluster()))
    list(finish_left(volume, FakeCluster()))
    assert claims(volume) == ()
    assert not volume.results(whole.run).exists()


def test_a_part_that_ended_without_its_last_step_keeps_its_run_from_its_ledger_no_longer(volume):
    whole = make_plan(targets=[make_target(1), make_target(2)])
    whole = msgspec.structs.replace(whole, waves=(("app-1",), ("app-2",)), limits=Limits(cells_per_shard=5))
    first, second = split(whole)
    for number, part in (("001", first), ("002", second)):
        write_plan(part, volume)
        put_claim(volume, claim_of(whole, part=number, workflow=f"wf-{number}", uid=f"uid-wf-{number}"))
    still = workflow("wf-002", labels={"scanmatrix/shard": "002"})
    (done,) = finish_left(volume, FakeCluster(still))
    assert done.ledger is None
    assert [claim.part for claim in claims(volume)] == ["002"]
    (done,) = finish_left(volume, FakeCluster())
    assert done.ledger is not None
    assert len(done.ledger.rows) == len(whole.cells)
    assert claims(volume) == ()


def test_a_run_of_a_version_without_claims_is_finished_a_day_after_its_deadline(volume):
    plan = put_half_done(volume)
    path = volume.plan(plan.run)
    os.utime(path, (time.time() - plan.limits.deadline - MARGIN + 60,) * 2)
    assert list(finish_left(volume, FakeCluster())) == []
    os.utime(path, (time.time() - plan.limits.deadline - MARGIN - 60,) * 2)
    assert list(finish_left(volume, FakeCluster(workflow("any")))) == []
    assert len(list(finish_left(volume, FakeCluster(workflow("any", "Failed"))))) == 1
    check_finished(volume, plan, "nobody")


def test_a_run_with_results_is_not_looked_at_again(volume):
    plan = put_half_done(volume)
    os.utime(volume.plan(plan.run), (0, 0))
    assert len(list(finish_left(volume))) == 1
    assert list(finish_left(volume)) == []


def test_what_a_scanner_made_of_its_folder_pins_nothing(volume):
    """As a user who is not root, whom modes do not stop."""
    plan = put_half_done(volume)
    put_claim(volume, claim_of(plan))
    for cell in plan.cells:
        volume.cell(plan.run, cell.target, cell.scan).chmod(0)
    imports = "from orchestrator.steps.ending import free_left\nfrom tests.clusters import FakeCluster\n"
    imports += "from orchestrator.volume.layout import Volume; from pathlib import Path"
    run_as_ordinary_user(volume.root, imports, "list(free_left(Volume(Path.cwd()), FakeCluster()))")
    assert volume.blob(plan.targets[0].digest).stat().st_nlink == 1


OUTCOMES = st.sampled_from(["nothing", "begun", "failed", "report", "begun report", "folder"])


@given(st.lists(OUTCOMES, min_size=1, max_size=5))
def test_every_planned_cell_is_in_the_ledger_once_whatever_lies_there(tmp_path_factory, outcomes):
    volume = Volume(tmp_path_factory.mktemp("volume"))
    plan = make_plan(targets=[make_target(number) for number in range(len(outcomes))], scans=make_plan().scans[:1])
    write_plan(plan, volume)
    for cell, outcome in zip(plan.cells, outcomes, strict=True):
        if "report" in outcome:
            put_report(volume, plan, cell.target, cell.scan, CLEAN[cell.scan])
        if outcome == "folder":
            put_report(volume, plan, cell.target, cell.scan, None)
        if "begun" in outcome:
            put_record(volume, plan, cell.target, cell.scan, BEGUN)
        if outcome == "failed":
            put_record(volume, plan, cell.target, cell.scan, BROKE)
    put_claim(volume, claim_of(plan))
    list(finish_left(volume, FakeCluster()))
    rows = read_ledger(volume, plan.run).rows
    assert [row.cell for row in rows] == [cell.id for cell in plan.cells]
    for row, outcome in zip(rows, outcomes, strict=True):
        assert (row.outcome is Outcome.OK) == ("report" in outcome)
        assert row.reason.startswith("run ended") == (outcome in {"nothing", "begun", "folder"})
    records = [volume.record(plan.run, cell.target, cell.scan) for cell in plan.cells]
    assert all(read(path, CellRecord) for path in records if path.exists())
    shutil.rmtree(volume.root)
