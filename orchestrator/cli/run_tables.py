"""Runs and their cells as tables, and as lines while one is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.output import complain, say
from orchestrator.cli.reason_tables import CellReason, print_reasons
from orchestrator.cli.tables import Fit, TableColumn, print_table
from orchestrator.model import CellState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.model import CellStatus, RunStatus


def print_runs(runs: Iterable[RunStatus]) -> None:
    """A line for each run."""
    rows = [
        [run.run, run.state, *(str(run.counts().get(state, 0)) for state in CellState), run.started, run.finished]
        for run in runs
    ]
    counts = [TableColumn(state.value, Fit.NUMBER) for state in CellState]
    columns = [
        TableColumn("Run"),
        TableColumn("State", coloured=True),
        *counts,
        TableColumn("Began", rank=2),
        TableColumn("Ended", rank=1),
    ]
    print_table("", columns, rows)


def print_status(status: RunStatus, *, every: bool = False) -> None:
    """What cells of a run do that are not ok; then the run itself in a line.

    Args:
        status: of the run.
        every: a line for each cell instead.
    """
    cells = sorted(status.cells, key=lambda each: (each.reference, each.scan))
    if every:
        _print_every(status.run, cells)
    else:
        reasons = (
            CellReason(cell.state.value, _why(cell), cell.target, cell.reference or cell.target, cell.scan)
            for cell in cells
            if cell.state is not CellState.OK or cell.message
        )
        print_reasons(f"Run {status.run}", reasons, "State")
    folded = not every and any(cell.state is CellState.OK for cell in cells)
    say(f"{summary(status)}{'; --all lists every cell' if folded else ''}")


def _why(cell: CellStatus) -> str:
    return f"{cell.message} (after {cell.attempts} attempts)" if cell.message and cell.attempts > 1 else cell.message


def _print_every(run: str, cells: Sequence[CellStatus]) -> None:
    rows = [
        [cell.reference or cell.target, cell.scan, cell.state.value, str(cell.attempts or ""), cell.message]
        for cell in cells
    ]
    if rows:
        columns = [
            TableColumn("Target", Fit.MIDDLE),
            TableColumn("Scan"),
            TableColumn("State", coloured=True),
            TableColumn("Attempts", Fit.NUMBER, 1),
            TableColumn("Why", Fit.FOLD),
        ]
        print_table(f"Run {run}", columns, rows)


def summary(status: RunStatus) -> str:
    """A run in one line."""
    counts = ", ".join(f"{count} {state}" for state, count in status.counts().items()) or "no cell has begun"
    why = f" ({status.message})" if status.message else ""
    return f"Run {status.run} {status.state}{why}: {counts}"


def watching(statuses: Iterator[RunStatus]) -> RunStatus:
    """Follow a run on stderr: a line for each change of a cell; returns its last status."""
    seen: dict[str, CellState] = {}
    last = next(statuses)
    _tell(last, seen)
    for last in statuses:
        _tell(last, seen)
    return last


def _tell(status: RunStatus, seen: dict[str, CellState]) -> None:
    for cell in status.cells:
        if seen.get(cell.id) is not cell.state:
            seen[cell.id] = cell.state
            complain(_line(cell))


def _line(cell: CellStatus) -> str:
    why = f": {cell.message}" if cell.message else ""
    return f"{cell.state.value:8} {cell.scan} of {cell.reference or cell.target}{why}"
