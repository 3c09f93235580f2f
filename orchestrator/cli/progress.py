"""Live progress of a run, on stderr and only when that is a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.cli.output import complain
from orchestrator.engines.interface import Silent
from orchestrator.kit.text import visible_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from orchestrator.engines.interface import Observer
    from orchestrator.model import Cell, CellRecord, Plan, Target


class Bars(Silent):
    """One bar for the cells of the run, one for each image while it is pulled, a line for each failure."""

    def __init__(self, progress: Progress, *, lines: bool = False) -> None:
        self._progress = progress
        self._lines = lines
        self._cells: TaskID | None = None
        self._pulls: dict[str, TaskID] = {}
        self._names: dict[str, str] = {}

    def plan_started(self, plan: Plan) -> None:
        """Show the bar of the cells."""
        self._names = {target.id: target.reference for target in plan.targets}
        self._cells = self._progress.add_task("cells", total=plan.budget.cells, unit="cells")

    def pull_started(self, target: Target) -> None:
        """Show a bar for the image."""
        self._pulls[target.id] = self._progress.add_task(
            visible_message(f"pull {target.reference}"), total=target.size, unit="bytes"
        )

    def pull_progress(self, target: Target, bytes_done: int, bytes_total: int | None) -> None:
        """Move the image's bar."""
        self._progress.update(self._pulls[target.id], completed=bytes_done, total=bytes_total)

    def pull_finished(self, target: Target, error: str) -> None:
        """Take the image's bar away."""
        task = self._pulls.pop(target.id, None)
        if task is not None:
            self._progress.remove_task(task)
        if error:
            self._failure(f"pull {target.reference}", error)

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        """Move the bar of the cells."""
        if self._cells is not None:
            self._progress.advance(self._cells)
        name = f"{cell.scan} of {self._names.get(cell.target, cell.target)}"
        if record.error:
            self._failure(name, record.error)
        elif self._lines:
            self._progress.console.print(visible_message(f"{name}: ok"), style="green", highlight=False, markup=False)

    def _failure(self, what: str, error: str) -> None:
        from rich.text import Text

        self._progress.console.print(
            Text.assemble((visible_message(f"{what}: "), "bold"), (visible_message(error), "red"))
        )


class Lines(Silent):
    """A line on stderr for each image and each cell that has ended."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def plan_started(self, plan: Plan) -> None:
        """Say what there is to do."""
        self._names = {target.id: target.reference for target in plan.targets}
        complain(f"run {plan.run}: {plan.budget.cells} cells on {plan.budget.images} images")

    def pull_finished(self, target: Target, error: str) -> None:
        """Say how the pull went."""
        complain(f"pull {target.reference}: {error or 'ok'}")

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        """Say how the cell went."""
        complain(f"{cell.scan} of {self._names.get(cell.target, cell.target)}: {record.error or 'ok'}")


@contextmanager
def progress(*, quiet: bool = False, lines: bool = False) -> Iterator[Observer]:
    """An observer that draws bars on stderr when it is a terminal.

    Args:
        quiet: tell nothing at all.
        lines: tell of each cell in a line of its own: above the bars, or alone where there is no terminal.
    """
    if quiet or not (lines or sys.stderr.isatty()):
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Bars(bars, lines=lines)
