"""How fresh everything is, as tables: once, or live while a scheduler runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.cli.output import say
from orchestrator.cli.tables import Fit, TableColumn, console, make_table, print_table
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.quantities import spell_duration
from orchestrator.kit.text import visible_message

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from rich.console import Group
    from rich.table import Table

    from orchestrator.service.notes import Trouble
    from orchestrator.service.scheduler import Scheduler
    from orchestrator.store.backlog.messages import Backlog, Flight, Held, Tally
    from orchestrator.store.backlog.store import BacklogStore

_TALLIES = (
    TableColumn("Scan"),
    *(TableColumn(name, Fit.NUMBER) for name in ("Fresh", "Due", "In flight", "Failed, waiting")),
)
_FLIGHTS = (
    TableColumn("Run"),
    TableColumn("Stage"),
    TableColumn("Cells", Fit.NUMBER),
    TableColumn("Targets", Fit.NUMBER, 2),
    TableColumn("Since", Fit.NUMBER, 1),
    TableColumn("Looked after by", Fit.CUT, 3),
    TableColumn("Trouble", Fit.FOLD),
)
_HELD = (
    TableColumn("Target", Fit.MIDDLE),
    TableColumn("Scan"),
    TableColumn("Failed", Fit.NUMBER, 2),
    TableColumn("Again in", Fit.NUMBER, 1),
    TableColumn("Why", Fit.FOLD),
)
_SECONDS = 2
_LINES = 6


def print_backlog(backlog: Backlog) -> None:
    """Every table that has a row, and what is waited for."""
    for title, columns, rows in _tables(backlog, {}):
        print_table(title, columns, rows)
    say(waits(backlog))


def _tables(
    backlog: Backlog, ended: Mapping[str, int]
) -> Iterator[tuple[str, Sequence[TableColumn], Iterable[Sequence[str]]]]:
    """Title, columns and rows of each table that has some.

    Args:
        backlog: what they are of.
        ended: cells that have ended, by run, where that is known.
    """
    if backlog.tallies:
        yield "", _TALLIES, map(_tally, backlog.tallies)
    if backlog.flights:
        yield "Runs in flight", _FLIGHTS, (_flight(each, backlog, ended) for each in backlog.flights)
    if backlog.held:
        yield "Failed, and tried again", _HELD, (_held(each, backlog) for each in backlog.held)


def waits(backlog: Backlog) -> str:
    """Why nothing more is done at the moment, in one sentence."""
    due, flights = _cells(backlog.count("due")), bool(backlog.flights)
    if not backlog.tallies:
        return "Nothing is to be kept fresh yet: no source of targets has been looked at."
    if due and flights:
        return f"{due} until a run in flight has ended."
    if due:
        return f"{due}, and no run is in flight: does a scheduler run?"
    if flights:
        return "Nothing else is due."
    if backlog.next_due is not None:
        return f"Nothing is due; the next cell is in {spell(backlog.next_due, backlog.at)}."
    return "Nothing is due."


def _cells(due: int) -> str:
    return f"{due} {'cell waits' if due == 1 else 'cells wait'}" if due else ""


def spell(moment: datetime, now: datetime) -> str:
    """How far away a moment is."""
    return spell_duration(abs((moment - now).total_seconds()))


def watch(thread: threading.Thread, scheduler: Scheduler, store: BacklogStore) -> None:
    """Draw on stderr how fresh everything is, as long as the scheduler's thread lives."""
    from rich.live import Live

    terminal = console(stderr=True)
    with Live(console=terminal, auto_refresh=False, transient=False) as live:
        while thread.is_alive():
            try:
                backlog = store.backlog()
            except ScanmatrixError:  # the scheduler tells of it
                backlog = None
            live.update(_picture(backlog, scheduler, terminal.width), refresh=True)
            thread.join(_SECONDS)


def _picture(backlog: Backlog | None, scheduler: Scheduler, width: int) -> Group:
    from rich.console import Group
    from rich.text import Text

    parts: list[Table | Text] = []
    if backlog is not None:
        for title, columns, rows in _tables(backlog, scheduler.in_flight):
            parts += [Text(title, style="bold")] if title else []
            parts.append(make_table(columns, rows, width))
        parts.append(Text(waits(backlog), style="bold"))
    parts += [Text(visible_message(_trouble(each)), style="red") for each in scheduler.notes.troubles]
    parts += [
        Text(visible_message(line), style="dim", no_wrap=True, overflow="ellipsis")
        for line in scheduler.notes.lines[-_LINES:]
    ]
    return Group(*parts)


def _trouble(trouble: Trouble) -> str:
    return f"{trouble.what}: {trouble.why} (again in {max(0, round(trouble.again - time.time()))} s)"


def _tally(tally: Tally) -> list[str]:
    return [tally.scan, *(str(count or "") for count in (tally.fresh, tally.due, tally.in_flight, tally.held))]


def _flight(flight: Flight, backlog: Backlog, ended: Mapping[str, int]) -> list[str]:
    cells = f"{ended[flight.run]}/{flight.cells}" if flight.run in ended else str(flight.cells)
    holder = "nobody" if flight.orphaned else flight.holder
    since = spell(flight.began, backlog.at)
    return [flight.run, flight.stage, cells, str(flight.targets), since, holder, flight.trouble]


def _held(held: Held, backlog: Backlog) -> list[str]:
    return [held.reference, held.scan, f"{held.failures}×", spell(held.due, backlog.at), held.reason]
