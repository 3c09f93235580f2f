"""What the ledgers on a volume say of each name of a target at a moment: which scan last ended well, and how it is now.

A run holds only some targets and scans, so that the state of a name is gathered from all runs up to a moment. Each
ledger is read once; memory grows with names and scans, and by four bytes for each name of a run.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from orchestrator.model import Outcome
from orchestrator.results.ledger import each_ledger, moment
from orchestrator.scanners.distrust import of_row, why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orchestrator.model import Distrust
    from orchestrator.volume.layout import Volume

#: A target's reference and its platform (empty for a repository).
Name: TypeAlias = tuple[str, str]
#: When a run ended, and its id: runs in the order in which they ended.
Order: TypeAlias = tuple[datetime, str]

NEVER: Order = (datetime.min.replace(tzinfo=UTC), "")


class Row(msgspec.Struct, gc=False):
    """As much of a ledger row as a state needs; the rest is skipped unread."""

    target: str
    scan: str
    references: tuple[str, ...]
    outcome: str
    reason: str = ""
    standing: str = ""
    platform: str = ""
    started: str = ""
    finished: str = ""
    scanner: str = ""
    scanner_version: str = ""
    scanner_image: str = ""


class RunLedger(msgspec.Struct):
    """As much of a ledger as a state needs."""

    rows: list[Row]
    finished: str = ""
    partial: bool = False

    def order(self, run: str) -> Order:
        """The place of the run among all."""
        return moment(self.finished) or NEVER[0], run


class Cell(NamedTuple):
    """How a cell of a name ended in one run.

    Attributes:
        holds: whether there is a result of it: it ended ok, or was skipped because an earlier one still stands.
        suspect: why that result is not believed.
    """

    order: Order
    target: str
    outcome: str
    reason: str
    holds: bool
    suspect: str = ""

    @property
    def run(self) -> str:
        """Id of the run."""
        return self.order[1]


class _Seen:
    """What is known of one scan of one name: its latest cell, its latest that ended ok, and the latest suspect one."""

    __slots__ = ("doubtful", "last", "ok")

    def __init__(self) -> None:
        self.last: Cell | None = None
        self.ok: Cell | None = None
        self.doubtful: Cell | None = None

    def see(self, cell: Cell) -> None:
        if self.last is None or cell.order > self.last.order:
            self.last = cell
        if cell.suspect:
            if self.doubtful is None or cell.order > self.doubtful.order:
                self.doubtful = cell
        elif cell.outcome == Outcome.OK and (self.ok is None or cell.order > self.ok.order):
            self.ok = cell


def state_now(volume: Volume) -> State:
    """What all runs on a volume say, without one whose ledger is damaged."""
    state = State(volume.distrusted)
    for run, ledger in each_ledger(volume, RunLedger):
        state.add(ledger, ledger.order(run))
    return state


class State:
    """What is known of every name at a moment; runs may be added in any order.

    Attributes:
        runs: how many are in it.

    Args:
        distrusted: rules about scanners whose results are not believed.
    """

    def __init__(self, distrusted: Sequence[Distrust] = ()) -> None:
        self._distrusted = distrusted
        self.runs = 0
        self._seen: dict[Name, dict[str, _Seen]] = {}
        self._numbers: dict[Name, int] = {}
        self._whole: list[tuple[Order, array[int]]] = []  # names of each run that is not partial
        self._left: tuple[dict[int, Order], dict[Order, Order]] | None = None

    def add(self, ledger: RunLedger, order: Order) -> None:
        """Take in what one run says."""
        self.runs += 1
        self._left = None
        names = set()
        for row in ledger.rows:
            holds = row.outcome == Outcome.OK or bool(row.standing)
            suspect = why(of_row(row), self._distrusted) if row.outcome == Outcome.OK else ""
            cell = Cell(order, row.target, row.outcome, row.reason, holds, suspect)
            for reference in row.references:
                name = (reference, row.platform)
                names.add(self._numbers.setdefault(name, len(self._numbers)))
                self._seen.setdefault(name, {}).setdefault(row.scan, _Seen()).see(cell)
        if not ledger.partial:
            self._whole.append((order, array("I", sorted(names))))

    @property
    def names(self) -> Iterable[Name]:
        """Every name there is in any run."""
        return self._seen.keys()

    def scans(self, name: Name) -> Iterable[str]:
        """The scans that any run had of a name."""
        return self._seen.get(name, {}).keys()

    def results(self, name: Name) -> dict[str, Cell]:
        """The latest result of each scan that has one: by scan, the cell that holds it."""
        found = {scan: self._result(seen) for scan, seen in self._seen.get(name, {}).items()}
        return {scan: cell for scan, cell in found.items() if cell is not None}

    def sources(self, name: Name, scan: str) -> Iterator[tuple[Order, str]]:
        """Runs and targets in whose merged findings the latest result of a scan is.

        A run that skipped the cell because the result still stands has it as well, suppressed by its own rules, but
        only while the report is there; so the run that made the result is asked, too. What a later result found that is
        suspect is not lost either.
        """
        seen = self._seen.get(name, {}).get(scan)
        if seen is None:
            return
        result = self._result(seen)
        if seen.doubtful is not None and (result is None or seen.doubtful.order > result.order):
            yield seen.doubtful.order, seen.doubtful.target
        if result is None:
            return
        yield result.order, result.target
        last = seen.last
        stands = last is not None and last.holds and not last.suspect
        if last is not None and stands and last.target == result.target and last.run != result.run:
            yield last.order, last.target

    def _result(self, seen: _Seen) -> Cell | None:
        """The latest ok cell, or what stands for it when its own run has been removed from the volume."""
        last, ok = seen.last, seen.ok
        if last is not None and last.holds and not last.suspect and (ok is None or ok.target != last.target):
            return last
        return ok

    def current(self, name: Name) -> Cell | None:
        """The latest cell of a name, whichever scan it is of: its target is what the name means now."""
        cells = [seen.last for seen in self._seen.get(name, {}).values() if seen.last is not None]
        return max(cells, key=lambda cell: cell.order, default=None)

    def trouble(self, name: Name, scan: str) -> tuple[str, str]:
        """Why the latest result of a scan says nothing of a name as it is now, and the run that tells so.

        Returns:
            Twice empty where it does say something.
        """
        current, seen = self.current(name), self._seen.get(name, {}).get(scan)
        last = seen.last if seen else None
        if current is None:
            return "never scanned", ""
        whole = self._whole_runs()[0].get(self._numbers[name], NEVER)
        if last is None or last.order < whole:
            return f"{scan} is no longer planned", max(whole, current.order)[1]
        if not last.holds:
            return f"{scan} {last.outcome}: {last.reason}", last.run
        if last.suspect:
            return f"{scan} is suspect: {last.suspect}", last.run
        if last.target != current.target:
            return f"{scan} has not run since the image changed", current.run
        return "", ""

    def gone(self, name: Name) -> str:
        """The run that was to hold a name and no longer did; empty where the name is not gone.

        It is gone when the last run that had it and was not partial has a successor without it: a later such run that
        has any name of that one.
        """
        last_whole, successors = self._whole_runs()
        order = last_whole.get(self._numbers.get(name, -1))
        successor = successors.get(order) if order else None
        current = self.current(name)
        return successor[1] if successor and current and successor > current.order else ""

    def _whole_runs(self) -> tuple[Mapping[int, Order], Mapping[Order, Order]]:
        """Of each name the last run that is not partial, and of each such run the latest that shares a name with it."""
        if self._left is None:
            last: dict[int, Order] = {}
            successors: dict[Order, Order] = {}
            for order, names in sorted(self._whole, key=lambda whole: whole[0]):
                for number in names:
                    if number in last:
                        successors[last[number]] = order
                    last[number] = order
            self._left = last, successors
        return self._left
