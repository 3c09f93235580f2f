"""Progress of a run on stderr: bars and the cells that run now in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.cli.output import complain
from orchestrator.cli.shortening import shorten
from orchestrator.cli.tables import console
from orchestrator.cli.tally import RunTally, short
from orchestrator.engines.interface import Silent
from orchestrator.kit.quantities import spell_duration
from orchestrator.kit.text import visible_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from orchestrator.engines.interface import Observer
    from orchestrator.model import Cell, CellRecord, Plan, Target

# Cells and pulls that a terminal shows at once, and how long their names are.
_SHOWN = 8
_NAME = 40
# Seconds between two summaries elsewhere: at least, and at most.
_OFTEN, _SELDOM = 10.0, 60.0


class _TimeLeft:
    """How long the rest may take, at the moment at which it is drawn."""

    def __init__(self, tally: RunTally) -> None:
        self._tally = tally

    def __str__(self) -> str:
        left = self._tally.left()
        return "" if left is None else f"about {spell_duration(left)} left"


class Bars(Silent):
    """A bar for the cells of the run, a line for each image that is pulled, each cell that runs, and each failure."""

    def __init__(self, progress: Progress, *, lines: bool = False) -> None:
        self._progress = progress
        self._lines = lines
        self._tally = RunTally()
        self._cells: TaskID | None = None
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def plan_started(self, plan: Plan) -> None:
        """Show the bar of the cells."""
        self._tally.plan(plan)
        if self._cells is not None:
            self._progress.remove_task(self._cells)
        self._cells = self._progress.add_task("cells", total=self._tally.total, note=_TimeLeft(self._tally))

    def pull_started(self, target: Target) -> None:
        """Show a bar for the image."""
        self._show(target.id, f"pull {short(target)}", total=target.size)

    def pull_progress(self, target: Target, bytes_done: int, bytes_total: int | None) -> None:
        """Move the image's bar."""
        if (task := self._tasks.get(target.id)) is not None:
            self._progress.update(task, completed=bytes_done, total=bytes_total)

    def pull_finished(self, target: Target, error: str) -> None:
        """Take the image's bar away."""
        self._hide(target.id)
        if error:
            self._failure(f"pull {target.reference}", error)

    def cell_started(self, cell: Cell) -> None:
        """Show that it runs."""
        self._tally.start(cell)
        self._show(cell.id, self._tally.name(cell), total=None)

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        """Move the bar of the cells."""
        is_news = self._tally.end(cell, record)
        self._hide(cell.id)
        if self._cells is not None:
            self._progress.update(self._cells, completed=self._tally.ended)
        if record.error:
            self._failure(self._tally.name(cell), record.error)
        elif self._lines and is_news:
            line = visible_message(f"{self._tally.name(cell)}: ok")
            self._progress.console.print(line, style="green", highlight=False, markup=False)

    def _show(self, key: str, name: str, *, total: int | None) -> None:
        with self._lock:
            if len(self._tasks) < _SHOWN:
                self._tasks[key] = self._progress.add_task(shorten(visible_message(name), _NAME), total=total, note="")

    def _hide(self, key: str) -> None:
        with self._lock:
            task = self._tasks.pop(key, None)
        if task is not None:
            self._progress.remove_task(task)

    def _failure(self, what: str, error: str) -> None:
        from rich.text import Text

        self._progress.console.print(
            Text.assemble((visible_message(f"{what}: "), "bold"), (visible_message(error), "red"))
        )


class Lines(Silent):
    """A line on stderr for each image and each cell that has ended, and now and then how far the run is."""

    def __init__(self) -> None:
        self._tally = RunTally()
        self._ended = threading.Event()

    def plan_started(self, plan: Plan) -> None:
        """Say what there is to do."""
        from orchestrator.analysis.policy.words import number

        self._tally.plan(plan)
        targets = number(plan.budget.images or len(plan.targets), "target")
        complain(f"run {plan.run}: {number(self._tally.total, 'cell')} on {targets}")

    def pull_finished(self, target: Target, error: str) -> None:
        """Say how the pull went."""
        complain(f"pull {target.reference}: {error or 'ok'}")

    def cell_started(self, cell: Cell) -> None:
        """Count it."""
        self._tally.start(cell)

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        """Say how the cell went."""
        if self._tally.end(cell, record):
            complain(f"{self._tally.name(cell)}: {record.error or 'ok'}")

    def summarise(self) -> None:
        """Say now and then how far the run is, until `stop`; seldom where nothing has ended since."""
        last, ended = time.monotonic(), 0
        while not self._ended.wait(_OFTEN):
            if self._tally.total and (self._tally.ended > ended or time.monotonic() - last >= _SELDOM):
                last, ended = time.monotonic(), self._tally.ended
                complain(self._tally.summary())

    def stop(self) -> None:
        """Say no more."""
        self._ended.set()


@contextmanager
def progress(*, quiet: bool = False, lines: bool = False) -> Iterator[Observer]:
    """An observer that draws bars on stderr when it is a terminal, and writes lines to it otherwise.

    Args:
        quiet: tell nothing at all.
        lines: tell of each cell in a line of its own, also above the bars of a terminal.
    """
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield Bars(bars, lines=lines)
    else:
        observer = Lines()
        threading.Thread(target=observer.summarise, name="scanmatrix.progress", daemon=True).start()
        try:
            yield observer
        finally:
            observer.stop()


def _bars() -> Progress:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    columns = (
        SpinnerColumn(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1, min_width=24),
        ),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    return Progress(*columns, console=console(stderr=True), transient=True, expand=True)
