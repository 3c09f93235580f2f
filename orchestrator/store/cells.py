"""Writing cells: how they went, how their targets and scans stand since, and which findings came or went with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import case, delete, func, select, update

from orchestrator.model import LedgerRow, Outcome
from orchestrator.store.dialects import upsert
from orchestrator.store.events.recording import writing
from orchestrator.store.history import History
from orchestrator.store.quiet import count_again
from orchestrator.store.schema import LONGEST_NAME, boms, cells, findings, states
from orchestrator.store.spans import Position, unweave, weave
from orchestrator.store.suspects import Suspicions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.model import Distrust

_OK = Outcome.OK.value
#: In place of a digest of what a state's newest cell told, where that is not known any more; it equals none.
UNKNOWN = "?"
# In place of a cell where there is none.
_NONE = {"run_id": None, "at": 0, "outcome": "", "reason": ""}
#: What a state takes over from its last ok cell.
_OF_OK = ("scanner", "scanner_version", "scanner_image", "database_version", "report_digest", "asked")


class Known(NamedTuple):
    """A target and scan as the store has it before a run comes in.

    Attributes:
        target: id of the target.
        last: place of its newest cell; None for none.
        held: place of the newest cell that told what there is; None for none.
        digest: of what that cell told; empty where an earlier version wrote it down.
        failures: how many cells have failed since the newest ok one.
        findings: how many rows of what it found are still there.
        ever_found: 1 where it ever found something.
    """

    id: int
    target: int
    last: Position | None
    held: Position | None
    digest: str
    failures: int
    findings: int
    ever_found: int


#: Columns of `states` that say so.
KNOWN = tuple(states.c[each] for each in ("id", "target_id", "last_at", "last_run_id", "held_at", "held_run_id"))
KNOWN += states.c.rows_digest, states.c.failures, states.c.findings, states.c.ever_found


class NewCell(NamedTuple):
    """A cell that the store lacks, or has otherwise.

    Attributes:
        row: of the ledger.
        values: the same as columns of `cells`.
        here: its place among the cells of its target and scan.
        state: how these stood before the run.
        present: what the store has of it; None when it lacks it.
        digest: of what it told; empty where it told nothing.
        again: it is there as it should be, but what it told is what an earlier version kept of it.
        things: how many things its target has, once all its cells are written; None where that has to be counted.
    """

    row: LedgerRow
    values: Mapping[str, Any]
    here: Position
    state: Known
    present: Mapping[str, Any] | None
    digest: str
    again: bool = False
    things: int | None = None

    @property
    def is_before(self) -> bool:
        """Whether what is known was reported by a later cell."""
        return self.state.held is not None and self.here < self.state.held

    @property
    def is_news(self) -> bool:
        """Whether it told something else than what was reported last, as far as anybody knows."""
        return bool(self.digest) and (self.state.held is None or self.digest != self.state.digest or self.is_before)

    @property
    def is_late(self) -> bool:
        """Whether it is not the newest of its target and scan, or is there already otherwise."""
        if self.again:
            return self.is_news and self.is_before
        is_old = self.state.last is not None and self.here < self.state.last
        return self.present is not None or is_old or self.is_before

    @property
    def is_loud(self) -> bool:
        """Whether what it told is needed."""
        return self.is_news or (bool(self.digest) and self.is_late)


class CellWriter:
    """Writes the cells of one run, within transactions of its caller."""

    def __init__(
        self,
        connection: Connection,
        run: str,
        run_id: int,
        reports: Mapping[str, str],
        distrusted: Sequence[Distrust] = (),
    ) -> None:
        self._suspicions = Suspicions(distrusted)
        self._connection = connection
        self._run = run
        self._run_id = run_id
        self._reports = reports
        with writing(connection):
            self.history = History(connection)

    def known(self, row: Row[Any]) -> Known:
        """A row of `states`."""
        last = self.history.place(row.last_at, row.last_run_id) if row.last_run_id else None
        held = self.history.place(row.held_at, row.held_run_id) if row.held_run_id else None
        return Known(row.id, row.target_id, last, held, row.rows_digest, row.failures, row.findings, row.ever_found)

    def look_ahead(self, some: Iterable[NewCell]) -> None:
        """Read the findings that are open before these cells, all at once, within a transaction.

        Some may be of cells that were deleted for their age: no cell holds them, and they are there all the same.
        """
        has_open = [cell for cell in some if cell.is_loud and (cell.state.held or cell.state.findings or cell.again)]
        self.history.look_ahead([cell.state.id for cell in has_open])

    def write(self, some: Sequence[tuple[NewCell, Mapping[int, int]]]) -> None:
        """Write cells that are the newest of their targets and scans; reads nothing.

        Args:
            some: cells, with what they found and since when it is known.
        """
        upsert(self._connection, cells, ("state_id", "run_id"), [self._row(cell) for cell, _ in some])
        loud = [(cell, self.history.open_spans(cell.state.id), facts) for cell, facts in some if cell.is_loud]
        self.history.begin((cell.state.id, facts, cell.here) for cell, spans, facts in loud if not spans)
        self.history.apply(
            (cell.state.id, weave(spans, facts, cell.here, cell.state.held, None))
            for cell, spans, facts in loud
            if spans
        )
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for cell, facts in some:
            change = self._change(cell, facts)
            alike.setdefault(tuple(change), []).append(change)
        for changes in alike.values():
            upsert(self._connection, states, ("target_id", "scan"), changes)
        upsert(self._connection, boms, ("state_id", "digest"), [self._bom(cell) for cell, _ in some if _has_bom(cell)])
        moved = [cell for cell, spans, facts in loud if facts or spans]
        count_again(self._connection, {cell.state.target: cell.things for cell in moved})

    def _row(self, cell: NewCell) -> dict[str, Any]:
        return {"state_id": cell.state.id, "run_id": self._run_id, **cell.values}

    def _change(self, cell: NewCell, facts: Mapping[int, int]) -> dict[str, Any]:
        """Columns of a state that are otherwise with its newest cell."""
        values, state, at = cell.values, cell.state, cell.here.at
        change: dict[str, Any] = {"target_id": state.target, "scan": cell.row.scan}
        if cell.digest:
            change |= {"held_run_id": self._run_id, "held_at": at, "rows_digest": cell.digest}
        if cell.is_loud:
            change |= {"findings": len(facts), "ever_found": int(bool(state.ever_found or facts))}
        if cell.again:
            return change
        change |= {"last_run_id": self._run_id, "last_at": at}
        if cell.row.outcome is not Outcome.SKIPPED or state.last is None:
            change |= {"outcome": values["outcome"], "reason": values["reason"]}
        if cell.row.outcome is Outcome.FAILED:
            change["failures"] = state.failures + 1
        if cell.row.outcome is Outcome.OK:
            change |= {"ok_run_id": self._run_id, "ok_at": at, "failures": 0}
            change |= {name: values[name] for name in _OF_OK}
            change |= self._suspicions.of(cell.row.scan, values)
        return change

    def write_late(self, cell: NewCell, facts: Mapping[int, int]) -> None:
        """Write a cell that is not the newest of its target and scan, or was there before with another end."""
        state, here = cell.state.id, cell.here
        others = self._others(state)
        line = sorted(place for place, row in others if row["held"])
        self._take_back(state, cell.present, line)
        upsert(self._connection, cells, ("state_id", "run_id"), [self._row(cell)])
        if cell.digest:
            self.history.apply([(state, weave(self.history.all_spans(state), facts, here, *_neighbours(line, here)))])
        told = {cell.state.held: cell.state.digest} if cell.state.held else {}
        self._rebuild(cell.state, cell.row.scan, [*others, (here, self._row(cell))], {**told, here: cell.digest})
        if _has_bom(cell) and not self._has_later_bom(cell):
            upsert(self._connection, boms, ("state_id", "digest"), [self._bom(cell)])

    def remove(self, state: Known, scan: str, present: Mapping[str, Any]) -> None:
        """Take out a cell that the run does not have any more since its results were made again."""
        others = self._others(state.id)
        self._take_back(state.id, present, sorted(place for place, row in others if row["held"]))
        same = (cells.c.state_id == state.id, cells.c.run_id == self._run_id)
        self._connection.execute(delete(cells).where(*same))
        self._rebuild(state, scan, others, {state.held: state.digest} if state.held else {})

    def _others(self, state: int) -> list[tuple[Position, Any]]:
        every = select(cells).where(cells.c.state_id == state, cells.c.run_id != self._run_id)
        rows = self._connection.execute(every).mappings()
        return [(self.history.place(row["at"], row["run_id"]), row) for row in rows]

    def _take_back(self, state: int, present: Mapping[str, Any] | None, line: Sequence[Position]) -> None:
        """Let what a cell told before be reported no more."""
        if present is not None and present["held"]:
            old = Position(present["at"], self._run)
            self.history.apply([(state, unweave(self.history.all_spans(state), old, *_neighbours(line, old)))])

    def _rebuild(
        self, state: Known, scan: str, of_state: Sequence[tuple[Position, Any]], digests: Mapping[Position, str]
    ) -> None:
        """Rebuild a state from all its cells, and of what is known of what they told as a whole."""
        line = sorted(of_state, key=lambda each: each[0])
        tried = [row for _, row in line if row["outcome"] != Outcome.SKIPPED.value]
        newest = line[-1][1] if line else _NONE
        ending = tried[-1] if tried else line[0][1] if line else _NONE
        change = {"last_run_id": newest["run_id"], "last_at": newest["at"]}
        change |= {"outcome": ending["outcome"], "reason": ending["reason"]}
        good = [index for index, row in enumerate(tried) if row["outcome"] == _OK]
        change["failures"] = len(tried) - (good[-1] + 1 if good else 0)
        ok = tried[good[-1]] if good else None
        change |= {"ok_run_id": ok["run_id"] if ok else None, "ok_at": ok["at"] if ok else 0}
        change |= {name: ok[name] if ok else "" for name in _OF_OK}
        change |= self._suspicions.of(scan, ok) if ok else {"suspect": "", "suspect_at": 0}
        told = [(place, row) for place, row in line if row["held"]]
        held, row = told[-1] if told else (None, _NONE)
        change |= {"held_run_id": row["run_id"], "held_at": row["at"]}
        change["rows_digest"] = digests.get(held, UNKNOWN) if held else ""
        is_open = func.coalesce(func.sum(case((findings.c.gone_at == 0, 1), else_=0)), 0)
        counts = select(is_open, func.count()).where(findings.c.state_id == state.id)
        still, every = self._connection.execute(counts).one()
        change |= {"findings": int(still), "ever_found": int(every > 0)}
        self._connection.execute(update(states).where(states.c.id == state.id).values(change))
        count_again(self._connection, {state.target: None})

    def _has_later_bom(self, cell: NewCell) -> bool:
        """Whether the very same report is known from a later cell."""
        same = boms.c.state_id == cell.state.id, boms.c.digest == cell.values["report_digest"]
        known = self._connection.execute(select(boms.c.at, boms.c.run_id).where(*same)).one_or_none()
        return known is not None and self.history.place(known.at, known.run_id) > cell.here

    def _bom(self, cell: NewCell) -> dict[str, Any]:
        row = cell.row
        path = f"runs/{self._run}/{row.target}/{row.scan}/{self._reports.get(row.scan, 'report.json')}"
        return {
            "state_id": cell.state.id,
            "digest": cell.values["report_digest"],
            "components": cell.values["components"],
            "path": path[:LONGEST_NAME],
            "run_id": self._run_id,
            "at": cell.here.at,
        }


def _has_bom(cell: NewCell) -> bool:
    return cell.row.outcome is Outcome.OK and cell.values["components"] is not None


def _neighbours(line: Sequence[Position], here: Position) -> tuple[Position | None, Position | None]:
    before = [place for place in line if place < here]
    after = [place for place in line if place > here]
    return (before[-1] if before else None), (after[0] if after else None)
