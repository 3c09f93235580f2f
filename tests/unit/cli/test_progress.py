"""Progress: a line for each cell without a terminal, what runs now in one; what was done before is only counted."""

import io
import threading
import time

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from orchestrator.cli import progress as module
from orchestrator.cli.progress import Bars, Lines, progress
from orchestrator.cli.tally import RunTally
from orchestrator.engines.interface import Silent
from orchestrator.engines.narrator import Narrator, plan_shown_by
from orchestrator.model import Budget, Cell, CellRecord, CellState, CellStatus, Name, Plan, RunStatus, Target

CELLS = tuple(Cell(target="t", scan=scan) for scan in ("virus", "sbom", "general", "secrets"))
TARGET = Target(id="t", names=(Name(reference="app:1"),))
PLAN = Plan(
    run="r1", created="", version="", scans=(), targets=(TARGET,), cells=CELLS, budget=Budget(cells=4, images=1)
)
OK, BAD = CellRecord(), CellRecord(error="it crashed")


def play(observer):
    """One cell was done before, one ends well, one fails, one runs."""
    observer.plan_started(PLAN)
    observer.cell_finished(CELLS[0], OK)
    for cell in CELLS[1:]:
        observer.cell_started(cell)
    observer.cell_finished(CELLS[1], OK)
    observer.cell_finished(CELLS[2], BAD)


def test_without_a_terminal_each_cell_has_a_line_when_it_ends(capsys):
    play(Lines())
    assert capsys.readouterr().err.splitlines() == [
        "run r1: 4 cells on 1 target", "sbom of app:1: ok", "general of app:1: it crashed",
    ]  # fmt: skip


def test_now_and_then_a_summary_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(module, "_OFTEN", 0.01)
    with progress() as observer:
        play(observer)
        time.sleep(0.3)
    lines = [line for line in capsys.readouterr().err.splitlines() if "cells ended" in line]
    assert lines[0].startswith("3 of 4 cells ended, 1 of them before, 1 failed, 1 running, the longest for ")
    assert "(secrets of app:1), about " in lines[0]
    assert len(lines) == 1  # nothing has ended since
    assert not [each for each in threading.enumerate() if each.name == "scanmatrix.progress" and not each.daemon]


def test_quiet_says_nothing(capsys):
    with progress(quiet=True) as observer:
        play(observer)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("lines", [False, True])
def test_a_terminal_shows_what_runs_now_and_an_estimate(lines):
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    columns = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[note]}"))
    bars = Progress(*columns, console=console, auto_refresh=False)
    play(Bars(bars, lines=lines))
    assert [task.description for task in bars.tasks] == ["cells", "secrets of app:1"]
    assert bars.tasks[0].completed == 3
    assert str(bars.tasks[0].fields["note"]).startswith("about ")
    said = console.file.getvalue()
    assert "general of app:1: it crashed" in said
    assert ("sbom of app:1: ok" in said) is lines
    assert "virus" not in said


def test_a_terminal_shows_no_more_cells_than_it_has_room_for():
    bars = Progress(console=Console(file=io.StringIO()), auto_refresh=False)
    observer = Bars(bars)
    cells = [Cell(target=str(number), scan="virus") for number in range(1000)]
    observer.plan_started(PLAN)
    for cell in cells:
        observer.cell_started(cell)
    assert len(bars.tasks) == 9
    for cell in cells:
        observer.cell_finished(cell, OK)
    assert len(bars.tasks) == 1


def test_an_estimate_grows_while_nothing_ends(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bars = Progress("{task.fields[note]}", console=Console(file=io.StringIO(), width=80), auto_refresh=False)
    play(Bars(bars))
    for seconds, said in ((0.0, "about 0s left"), (600.0, "about 5m left")):
        now[0] = seconds
        bars.console.print(bars.get_renderable())
        assert said in bars.console.file.getvalue()


def test_an_estimate_counts_only_what_ended_here(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tally = RunTally()
    tally.plan(PLAN)
    tally.end(CELLS[0], OK)
    assert tally.left() is None
    tally.start(CELLS[1])
    now[0] = 30.0
    tally.end(CELLS[1], OK)
    assert tally.left() == 60.0


def status(*states: CellState, state: str = "running") -> RunStatus:
    why = {CellState.FAILED: "why"}
    cells = tuple(
        CellStatus(target="t", scan=cell.scan, reference="app:1", state=each, message=why.get(each, ""))
        for cell, each in zip(CELLS, states, strict=False)
    )
    return RunStatus(run="r1", state=state, cells=cells)


class Heard(Silent):
    """Which cells began and which ended."""

    def __init__(self):
        self.events = []

    def cell_started(self, cell):
        self.events.append(("begin", cell.scan))

    def cell_finished(self, cell, record):
        self.events.append(("end", cell.scan, record.error))


def test_who_follows_a_run_that_is_tried_again_hears_what_was_done_before_without_its_beginning():
    heard = Heard()
    first = status(CellState.OK, CellState.FAILED)
    narrator = Narrator(plan_shown_by(first), heard)
    narrator.tell(first)
    narrator.tell(status(CellState.OK, CellState.RUNNING))
    narrator.tell(status(CellState.OK, CellState.FAILED, state="failed"))
    assert heard.events == [("end", "virus", ""), ("begin", "sbom"), ("end", "sbom", "why")]
