"""How a run stands, by Workflows recorded on a cluster, and what an observer learns about it."""

import msgspec
import pytest

from orchestrator.argo.fates import Fates
from orchestrator.argo.names import SHARD
from orchestrator.argo.status import LEFT, status_of
from orchestrator.cluster.objects import Node, Workflow
from orchestrator.engines.interface import Silent
from orchestrator.engines.narrator import Narrator
from orchestrator.model import BomSource, Cell, CellRecord, CellState, CellStatus, PullStatus, RunStatus, Target
from tests.unit.argo.runs import made, node, recorded
from tests.unit.steps.plans import plan


def stands(*names: str) -> RunStatus:
    return status_of("r", [msgspec.convert(recorded(name)["workflow"], type=Workflow) for name in names])


@pytest.mark.parametrize(
    ("name", "state"), [("everything", "failed"), ("cancelled", "cancelled"), ("deadline", "failed")]
)
def test_a_recorded_run_has_ended_and_so_has_each_of_its_cells(name: str, state: str) -> None:
    found = stands(name)
    assert (found.state, found.ended) == (state, True)
    assert set(found.counts()) == {CellState.OK, CellState.FAILED}
    assert all(cell.message for cell in found.cells if cell.state is CellState.FAILED)


def test_cells_of_one_pod_for_several_scans_are_distinguished() -> None:
    cells = {cell.id: cell for cell in stands("everything").cells}
    assert cells["t-set-mixed/good"].state is CellState.OK
    assert cells["t-set-mixed/exit"].state is CellState.FAILED
    assert "OOMKilled" in cells["t-set-mixed/memory"].message


def test_an_image_whose_scanners_ran_was_pulled_though_one_of_them_failed() -> None:
    pulls = {pull.target: pull for pull in stands("everything").pulls}
    assert {target for target, pull in pulls.items() if pull.state is CellState.FAILED} == {"t-set-stage", "t-unpulled"}
    assert "stage" in pulls["t-set-stage"].message


def test_attempts_of_all_workflows_of_a_run_count_and_the_last_one_says_the_state() -> None:
    first = made("r", node("scan-virus", "Failed", "main: Error (exit code 3)", target="t"), phase="Failed")
    again = node("scan-virus", "Succeeded", begun="2025-03-01T11:00:00Z", target="t")
    retry = made("r-r1", again, phase="Succeeded")
    (cell,) = status_of("r", [first, retry]).cells
    assert (cell.state, cell.attempts, cell.message) == (CellState.OK, 2, "")


def test_a_run_is_where_its_own_workflow_is_whatever_its_shards_did() -> None:
    parent = made("r", phase="Running")
    shard = made("r-001", node("scan-virus", "Succeeded", target="t"), labels={SHARD: "001"}, phase="Failed")
    found = status_of("r", [shard, parent])
    assert (found.state, found.ended) == ("running", False)
    assert [cell.id for cell in found.cells] == ["t/virus"]


@pytest.mark.parametrize(
    ("phases", "state"),
    [
        (("Succeeded", "Running", "Failed"), "running"),
        (("Failed", "Succeeded"), "failed"),
        (("Succeeded", "Succeeded"), "succeeded"),
    ],
)
def test_a_run_submitted_in_parts_is_where_the_part_is_that_matters_most(phases: tuple[str, ...], state: str) -> None:
    parts = [made(f"r-{n}", labels={SHARD: f"00{n}"}, phase=phase) for n, phase in enumerate(phases, start=1)]
    assert status_of("r", parts).state == state


class Listener(Silent):
    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def pull_started(self, target: Target) -> None:
        self.heard.append(("pull", target.id))

    def pull_finished(self, target: Target, error: str) -> None:
        self.heard.append(("pulled", target.id, error))

    def cell_started(self, cell: Cell) -> None:
        self.heard.append(("begin", cell.id))

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        self.heard.append(("end", cell.id, record.error))


def moment(cell: CellState, pull: CellState, state: str = "running") -> RunStatus:
    return RunStatus(
        run="r",
        state=state,
        cells=(CellStatus(target="a", scan="virus", state=cell, message="why" if cell is CellState.FAILED else ""),),
        pulls=(PullStatus(target="a", state=pull),),
    )


def test_an_observer_learns_each_thing_once_though_it_is_seen_again() -> None:
    listener = Listener()
    narrator = Narrator(plan(("a",)), listener)
    for _ in range(2):
        narrator.tell(moment(CellState.WAITING, CellState.RUNNING))
        narrator.tell(moment(CellState.RUNNING, CellState.OK))
        narrator.tell(moment(CellState.OK, CellState.OK))
    assert listener.heard == [("pull", "a"), ("pulled", "a", ""), ("begin", "a/virus"), ("end", "a/virus", "")]


def test_a_cell_that_fails_and_is_tried_again_has_not_ended_before_its_run() -> None:
    listener = Listener()
    narrator = Narrator(plan(("a",)), listener)
    narrator.tell(moment(CellState.FAILED, CellState.OK))
    assert ("end", "a/virus", "why") not in listener.heard
    narrator.tell(moment(CellState.FAILED, CellState.OK, "failed"))
    assert listener.heard[-1] == ("end", "a/virus", "why")


def test_cells_that_the_plan_does_not_have_are_passed_over() -> None:
    listener = Listener()
    Narrator(plan(("b",)), listener).tell(moment(CellState.OK, CellState.OK))
    assert listener.heard == []


def test_cells_and_fetches_of_repositories_are_reported_like_those_of_images() -> None:
    fetch = node("fetch", "Succeeded", target="git-1")
    cells = [node("repository-both", "Succeeded", target="git-1"), node("online-card", "Failed", "x", target="git-1")]
    found = status_of("r", [made("r", fetch, *cells)])
    assert {cell.id: cell.state for cell in found.cells} == {"git-1/both": CellState.OK, "git-1/card": CellState.FAILED}
    assert [(pull.target, pull.state) for pull in found.pulls] == [("git-1", CellState.OK)]


def test_a_cell_that_waits_says_for_what_and_one_that_failed_what_its_ledger_will_say() -> None:
    pods = [
        node("scan-virus", "Pending", "Unschedulable: 0/3 nodes are available", target="a"),
        node("scan-virus", "Running", target="b"),
        node("scan-virus", "Failed", "main: OOMKilled (exit code 137)", target="c"),
    ]
    cells = {cell.target: cell for cell in status_of("r", [made("r", *pods, phase="Running")]).cells}
    assert {target: cell.state for target, cell in cells.items()} == {
        "a": CellState.WAITING, "b": CellState.RUNNING, "c": CellState.FAILED,
    }  # fmt: skip
    assert cells["a"].message == "was never scheduled: 0/3 nodes are available"
    assert cells["b"].message == ""
    fates = Fates()
    fates.add(made("r", *pods))
    assert cells["c"].message == fates.cell("c", "virus").reason


def test_a_cell_whose_pull_failed_after_its_last_attempt_failed_by_that() -> None:
    first = made("r", node("scan-virus", "Failed", "main: Error (exit code 3)", target="t"), phase="Failed")
    again = node("pull", "Failed", "main: Error (exit code 75)", begun="2025-03-01T11:00:00Z", target="t")
    (cell,) = status_of("r", [first, made("r-r1", again, phase="Failed")]).cells
    assert cell.state is CellState.FAILED
    assert cell.message.startswith("pull: ")


@pytest.mark.parametrize("nodes", [{"compressedNodes": "e30="}, {"offloadNodeStatusVersion": "fnv:1"}])
def test_of_a_workflow_whose_nodes_cannot_be_read_the_phase_and_the_other_workflows_tell(nodes: dict) -> None:
    data = {"metadata": {"name": "r"}, "status": {"phase": "Failed", **nodes}}
    shard = made("r-001", node("scan-virus", "Succeeded", target="t"), labels={SHARD: "001"})
    found = status_of("r", [msgspec.convert(data, type=Workflow), shard])
    assert (found.state, found.ended) == ("failed", True)
    assert "nodes" in found.message
    assert [cell.id for cell in found.cells] == ["t/virus"]


@pytest.mark.parametrize("error", [KeyError("x"), BrokenPipeError(), RecursionError()], ids=repr)
def test_an_observer_that_fails_ends_neither_the_run_nor_its_other_reports(error: Exception) -> None:
    told: list[str] = []

    class Odd(Silent):
        def cell_started(self, cell: Cell) -> None:
            raise error

        def cell_finished(self, cell: Cell, record: CellRecord) -> None:
            told.append(cell.id)
            raise error

    narrator = Narrator(plan(("a", "b")), Odd())
    done = CellStatus(target="a", scan="virus", state=CellState.OK)
    for _ in range(2):
        narrator.tell(RunStatus(run="r", state="running", cells=(done, done.__class__(target="b", scan="virus"))))
    assert told == ["a/virus"]


def batch(phase: str, message: str = "", *, number: str = "001") -> Node:
    return node("sboms-virus", phase, message, batch=number)


def test_a_batch_of_stored_sboms_stands_for_its_cells() -> None:
    left = batch("Failed", "keep: Error (exit code 1)", number="003")
    found = status_of("r", [made("r", batch("Running"), batch("Succeeded", number="002"), left, phase="Running")])
    assert [(cell.id, cell.state, cell.message, cell.reference) for cell in found.cells] == [
        ("sboms-001/virus", CellState.RUNNING, "", "batch 001 of stored SBOMs"),
        ("sboms-002/virus", CellState.OK, "", "batch 002 of stored SBOMs"),
        ("sboms-003/virus", CellState.OK, LEFT, "batch 003 of stored SBOMs"),
    ]


@pytest.mark.parametrize(("message", "told"), [("", 2), (LEFT, 0)])
def test_when_a_batch_has_left_none_the_observer_hears_of_each_of_its_cells(message: str, told: int) -> None:
    ended = []

    class Counts(Silent):
        def cell_finished(self, cell: Cell, record: CellRecord) -> None:
            ended.append((cell.id, record.error))

    read = BomSource(bom=f"sha256:{'0' * 64}")
    cells = tuple(Cell(target=name, scan="virus", source=read) for name in ("a", "b"))
    narrator = Narrator(msgspec.structs.replace(plan(("a", "b")), cells=cells), Counts())
    status = RunStatus("r", "running", cells=(CellStatus("sboms-001", "virus", state=CellState.OK, message=message),))
    for _ in range(2):
        narrator.tell(status)
    assert ended == [("a/virus", ""), ("b/virus", "")][:told]
