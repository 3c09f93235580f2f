"""What earlier runs said of the cells and rules of a run, so that only what changed since is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from orchestrator.model import Document, Outcome
from orchestrator.results.errors import NoResultsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import LedgerRow
    from orchestrator.store.past import StoreReader
    from orchestrator.store.places import RunPlace

#: Reference, platform and scan: a cell that is the same when its image has a new digest.
CellName: TypeAlias = tuple[str, str, str]
#: Runs looked back at, and how many of them at once; the scheduler's are many and small, and each has other targets.
_RUNS, _AT_ONCE = 50, 5


class Earlier(Document, frozen=True):
    """What the last runs said.

    Attributes:
        failed: cells whose last run failed.
        broken: names of the rules that the last run of any of the same cells broke.
    """

    failed: frozenset[CellName] = frozenset()
    broken: frozenset[str] = frozenset()


def names_of(row: LedgerRow) -> tuple[CellName, ...]:
    """The names of a ledger row's cell."""
    return tuple((reference, row.platform, row.scan) for reference in row.references or (row.target,))


def earlier(past: StoreReader, run: str) -> Earlier:
    """How the cells of a run that failed ended before, and which rules the run before it broke.

    Args:
        past: all runs.
        run: id of one of them.

    Raises:
        NoResultsError: it is not among them.
    """
    number = next((number for number, place in enumerate(past.runs) if place.order[1] == run), None)
    if number is None:
        raise NoResultsError(f"run {run} has no results here; it never ended, or never was on this volume")
    own = {(cell.tag, cell.scan): cell.outcome for cell in past.cells(past.runs[number : number + 1], None)}
    wanted = {name for name, outcome in own.items() if outcome == Outcome.FAILED}
    failed: set[tuple[int, str]] = set()
    before: RunPlace | None = None
    waiting: Sequence[RunPlace] = past.runs[max(number - _RUNS, 0) : number]
    while waiting and (wanted or before is None):
        known: dict[RunPlace, dict[tuple[int, str], str]] = {place: {} for place in waiting[-_AT_ONCE:]}
        by_order = {place.order: cells for place, cells in known.items()}
        for cell in past.cells(list(known), {tag for tag, _ in own}):
            if cell.outcome != Outcome.SKIPPED:
                by_order[cell.order][cell.tag, cell.scan] = cell.outcome
        for place, cells in reversed(known.items()):
            failed |= {name for name in wanted if cells.get(name) == Outcome.FAILED}
            wanted -= cells.keys()
            if before is None and not own.keys().isdisjoint(cells):
                before = place
        waiting = waiting[:-_AT_ONCE]
    names = past.names({tag for tag, _ in failed})
    broken = past.summaries([before])[before.id].broken if before else ()
    return Earlier(failed=frozenset((*names[tag], scan) for tag, scan in failed), broken=frozenset(broken))
