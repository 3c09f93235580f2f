"""What the runs say of each name of a target at a moment: which scan last ended well, and how it is now.

A run holds only some targets and scans, so that the state of a name is gathered from all runs up to a moment: of the
newest ones first, and of others only where these leave something open. Memory grows with names and scans.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from orchestrator.store.past import StoreReader
    from orchestrator.store.places import RunPlace
    from orchestrator.store.tag_cells import Order, TagCell

NEVER: Order = (-1, "")
# Runs that are read first, or one where that held everything; most often they say all there is to say.
_NEWEST = 2
# Runs of few names that are read at once: as many as were put, one by one, since everything was scanned.
_AT_ONCE = 200
# How many times as many runs are read next where the last ones had none of some names.
_FURTHER = 8


class _Seen:
    """What is known of one scan of one name: its latest cell, its latest that ended ok, and the latest suspect one."""

    __slots__ = ("doubtful", "last", "ok")

    def __init__(self) -> None:
        self.last: TagCell | None = None
        self.ok: TagCell | None = None
        self.doubtful: TagCell | None = None

    def see(self, cell: TagCell) -> None:
        if _is_later(cell, self.last):
            self.last = cell
        if cell.suspect:
            if _is_later(cell, self.doubtful):
                self.doubtful = cell
        elif cell.outcome == Outcome.OK and _is_later(cell, self.ok):
            self.ok = cell


def _is_later(cell: TagCell, other: TagCell | None) -> bool:
    """Whether a cell counts before another. Where a run has two targets of one name, the same one always does."""
    return other is None or (cell.order, cell.target) > (other.order, other.target)


def _rank(cell: TagCell) -> tuple[Order, int]:
    return cell.order, cell.target


class NamesAt:
    """What is known of names at a moment.

    Attributes:
        runs: those that count, in the order in which they ended.

    Args:
        past: all runs.
        runs: those that count.
        names: numbers of the names; None for all.
        scans: of these names, only what these scans say is asked for: `sources` and `gone`; None for all.
        settled: other names, that are not gone and mean the same as before, with their latest result by each scan of
            which that is asked; each of these results says something of the name as it is now.
    """

    def __init__(
        self,
        past: StoreReader,
        runs: Sequence[RunPlace],
        names: Collection[int] | None = None,
        scans: Collection[str] | None = None,
        settled: Mapping[int, dict[str, TagCell]] | None = None,
    ) -> None:
        self.runs = runs
        self._settled = settled or {}
        self._past = past
        self._are_some_scans = scans is not None
        self._latest: dict[int, Order] | None = None
        self._seen: dict[int, dict[str, _Seen]] = {}
        self._last: dict[int, Order] | None = None
        self._successors: dict[Order, Order] = {}
        self._every: set[tuple[int, str]] | None = None
        self._read(names, scans)

    def _read(self, wanted: Collection[int] | None, scans: Collection[str] | None) -> None:
        waiting = list(self.runs)
        count = self._first_count(few=wanted is not None)
        while waiting and (wanted is None or wanted):
            nothing = True
            for cell in self._past.cells(waiting[-count:], wanted, scans):
                self._seen.setdefault(cell.tag, {}).setdefault(cell.scan, _Seen()).see(cell)
                nothing = False
            del waiting[-count:]
            if wanted is not None and nothing:  # as by many results that were put one by one, of other names
                count *= _FURTHER
            elif waiting:
                count *= 2
                wanted = self._unsettled(wanted, scans)

    def _first_count(self, *, few: bool) -> int:
        """How many of the newest runs are read first; of few names, down to a whole one, which most often has them."""
        since_whole = next((count for count, run in enumerate(reversed(self.runs), 1) if not run.partial), 0)
        if since_whole == 1 or (few and since_whole <= _AT_ONCE):
            return since_whole
        return _NEWEST

    def _unsettled(self, wanted: Collection[int] | None, some: Collection[str] | None) -> set[int]:
        """The names of which runs before those that were read may say more."""
        if wanted is not None and some is not None:
            wanted = {name for name in wanted if not all(self._is_settled(name, scan) for scan in some)}
        if self._every is None:  # asked once: what is still open later is a part of what is open now
            scans = self._past.scans_of(wanted) if wanted is None or wanted else set[tuple[int, str]]()
            self._every = {(name, scan) for name, scan in scans if some is None or scan in some}
        self._every = {(name, scan) for name, scan in self._every if not self._is_settled(name, scan)}
        return {name for name, _ in self._every}

    def _is_settled(self, name: int, scan: str) -> bool:
        seen = self._seen.get(name, {}).get(scan)
        return seen is not None and seen.ok is not None

    @property
    def names(self) -> Collection[int]:
        """Every name of these that any run had."""
        return self._seen.keys() | self._settled.keys() if self._settled else self._seen.keys()

    def scans(self, name: int) -> Iterable[str]:
        """The scans that any run had of a name."""
        return self._seen.get(name, {}).keys()

    def results(self, name: int) -> dict[str, TagCell]:
        """The latest result of each scan that has one: by scan, the cell that holds it."""
        if name in self._settled:
            return self._settled[name]
        found = {scan: self._result(seen) for scan, seen in self._seen.get(name, {}).items()}
        return {scan: cell for scan, cell in found.items() if cell is not None}

    def sources(self, name: int, scan: str) -> Iterator[TagCell]:
        """The cells that told the latest result of a scan.

        A run that skipped the cell because the result still stands told it as well, suppressed by its own rules, but
        only while the report was there; so the run that made the result counts, too. What a later result found that is
        suspect is not lost either.
        """
        if settled := self._settled.get(name, {}).get(scan):
            yield settled
        seen = self._seen.get(name, {}).get(scan)
        if seen is None:
            return
        result = self._result(seen)
        if seen.doubtful is not None and (result is None or seen.doubtful.order > result.order):
            yield seen.doubtful
        if result is None:
            return
        yield result
        last = seen.last
        stands = last is not None and last.holds and not last.suspect
        if last is not None and stands and last.target == result.target and last.run != result.run:
            yield last

    def _result(self, seen: _Seen) -> TagCell | None:
        """The latest ok cell, or what stands for it when its own run was never in the store."""
        last, ok = seen.last, seen.ok
        if last is not None and last.holds and not last.suspect and (ok is None or ok.target != last.target):
            return last
        return ok

    def current(self, name: int) -> TagCell | None:
        """The latest cell of a name, whichever scan it is of: its target is what the name means now."""
        cells = [seen.last for seen in self._seen.get(name, {}).values() if seen.last is not None]
        return max(cells, key=_rank, default=None)

    def meant(self, *, gone: bool = False) -> dict[int, list[int]]:
        """The targets that names mean, by number, each with these names.

        Args:
            gone: also what names meant that are gone.
        """
        found: dict[int, list[int]] = {}
        for name in self.names:
            current = self.current(name)
            if current is not None and (gone or not self.gone(name)):
                found.setdefault(current.target, []).append(name)
        return found

    def planned(self, name: int) -> Iterator[str]:
        """The scans that a name is still to be scanned by: of its last whole run and later ones, none left out there.

        A cell that was skipped without a result that stands is excluded, or of a target that the scan cannot read.
        """
        whole = self._last_whole().get(name, NEVER)
        for scan, seen in self._seen.get(name, {}).items():
            last = seen.last
            if last is not None and last.order >= whole and (last.holds or last.outcome != Outcome.SKIPPED):
                yield scan

    def trouble(self, name: int, scan: str) -> tuple[str, str]:
        """Why the latest result of a scan says nothing of a name as it is now, and the run that tells so.

        Returns:
            Twice empty where it does say something.
        """
        why, run = "", ""
        if scan in self._settled.get(name, ()):
            return why, run
        current, seen = self.current(name), self._seen.get(name, {}).get(scan)
        last = seen.last if seen else None
        if current is None:
            return "never scanned", ""
        whole = self._last_whole().get(name, NEVER)
        if last is None or last.order < whole:
            why, run = f"{scan} is no longer planned", max(whole, current.order)[1]
        elif not last.holds:
            why, run = f"{scan} {last.outcome}: {last.reason}", last.run
        elif last.suspect:
            why, run = f"{scan} is suspect: {last.suspect}", last.run
        elif last.target != current.target and last.order < current.order:  # a run may have several targets of a name
            why, run = f"{scan} has not run since the image changed", current.run
        return why, run

    def gone(self, name: int) -> str:
        """The run that was to hold a name and no longer did; empty where the name is not gone.

        It is gone when the last run that had it and was not partial has a successor without it: a later such run that
        has any name of that one.
        """
        if name in self._settled or self._is_in_newest(name):
            return ""
        order = self._last_whole().get(name)
        latest = self._latest_of(name)
        if order is None or latest is None:
            return ""
        successor = self._successor(order)
        return successor[1] if successor > latest else ""

    def _is_in_newest(self, name: int) -> bool:
        """Whether the newest run that is not partial is known to have a name: no such run can follow it without."""
        newest = self._newest_whole
        return any(seen.last is not None and seen.last.order == newest for seen in self._seen.get(name, {}).values())

    @cached_property
    def _newest_whole(self) -> Order | None:
        return next((run.order for run in reversed(self.runs) if not run.partial), None)

    def _latest_of(self, name: int) -> Order | None:
        """The last run with a name, by whatever scan."""
        if not self._are_some_scans:
            current = self.current(name)
            return None if current is None else current.order
        if self._latest is None:
            self._latest = self._last_in(self.runs[::-1])
        return self._latest.get(name)

    def _last_whole(self) -> Mapping[int, Order]:
        """Of each name the last run with it that is not partial."""
        if self._last is None:
            self._last = self._last_in([run for run in reversed(self.runs) if not run.partial])
        return self._last

    def _last_in(self, runs: Sequence[RunPlace]) -> dict[int, Order]:
        """Of each name the first of some runs that has it."""
        last: dict[int, Order] = {}
        waiting = set(self._seen)
        for run, names in self._names_in(runs, waiting):
            found = waiting.intersection(names)
            last |= dict.fromkeys(found, run.order)
            waiting -= found
        return last

    def _successor(self, order: Order) -> Order:
        """The latest of the runs that are, for any name of a run that is not partial, the next such run with it."""
        if order not in self._successors:
            whole = [run for run in self.runs if not run.partial and run.order >= order]
            waiting = {name for _, names in self._past.names_in(whole[:1]) for name in names} if whole[1:] else set()
            newest = NEVER
            for run, names in self._names_in(whole[1:], waiting):
                if found := waiting.intersection(names):
                    newest = run.order
                    waiting -= found
            self._successors[order] = newest
        return self._successors[order]

    def _names_in(self, runs: Sequence[RunPlace], waiting: Collection[int]) -> Iterator[tuple[RunPlace, Iterable[int]]]:
        """Runs with those of their names that are waited for, as long as any is; mostly the first say all there is."""
        start, count = 0, 1
        while waiting and start < len(runs):
            yield from self._past.names_in(runs[start : start + count], waiting)
            start, count = start + count, 2 * count
