"""How fresh everything is, as tables: once, or live while a scheduler runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.cli.output import make_table, print_table, say
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

_TALLIES = ("Scan", "Fresh", "Due", "In flight", "Failed, waiting")
_FLIGHTS = ("Run", "Stage", "Cells", "Targets", "Since", "Looked after by", "Trouble")
_HELD = ("Target", "Scan", "Failed", "Again in", "Why")
_NUMBERS = frozenset({*_TALLIES[1:], "Cells", "Targets", "Since", "Failed", "Again in"})
_SECONDS = 2
_LINES = 6


def print_backlog(backlog: Backlog) -> None:
    """Every table that has a row, and what is waited for."""
    for title, columns, rows in _tables(backlog, {}):
        print_table(title, columns, rows, right=_NUMBERS)
    say(waits(backlog))


def _tables(backlog: Backlog, ended: Mapping[str, int]) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[str]]]]:
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
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while thread.is_alive():
            try:
                backlog = store.backlog()
            except ScanmatrixError:  # the scheduler tells of it
                backlog = None
            live.update(_picture(backlog, scheduler), refresh=True)
            thread.join(_SECONDS)


def _picture(backlog: Backlog | None, scheduler: Scheduler) -> Group:
    from rich.console import Group
    from rich.text import Text

    parts: list[Table | Text] = []
    if backlog is not None:
        for title, columns, rows in _tables(backlog, scheduler.in_flight):
            parts += [Text(title, style="bold")] if title else []
            parts.append(make_table(columns, rows, right=_NUMBERS, fold=False))
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
