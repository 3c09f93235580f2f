"""Writing cells: how they went, how their targets and scans stand since, and which findings came or went with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select, update

from orchestrator.model import LedgerRow, Outcome
from orchestrator.store.dialects import insert_new, upsert
from orchestrator.store.history import History
from orchestrator.store.schema import LONGEST_NAME, boms, cells, findings, states
from orchestrator.store.spans import Position, unweave, weave
from orchestrator.store.suspects import suspicion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.model import Distrust

_OK = Outcome.OK.value
#: What a state takes over from its last ok cell.
_OF_OK = ("scanner", "scanner_version", "scanner_image", "database_version", "report_digest")


class Known(NamedTuple):
    """A target and scan as the store has it before a run comes in.

    Attributes:
        target: id of the target.
        last: place of its newest cell; None for none.
        ok: place of its newest ok cell.
        digest: of that cell's report.
        failures: how many cells have failed since.
    """

    id: int
    target: int
    last: Position | None
    ok: Position | None
    digest: str
    failures: int


class Cell(NamedTuple):
    """A cell that the store lacks, or has with another end.

    Attributes:
        row: of the ledger.
        values: the same as columns of `cells`.
        here: its place among the cells of its target and scan.
        state: how these stood before the run.
        present: what the store has of it; None when it lacks it.
    """

    row: LedgerRow
    values: Mapping[str, Any]
    here: Position
    state: Known
    present: Mapping[str, Any] | None

    @property
    def is_late(self) -> bool:
        """Whether it is not the newest of its target and scan, or is there already with another end."""
        return self.present is not None or (self.state.last is not None and self.here < self.state.last)

    @property
    def is_ok(self) -> bool:
        """Whether what it found is known."""
        return self.row.outcome is Outcome.OK

    @property
    def is_loud(self) -> bool:
        """Whether findings may differ: not when its report is the very one that is known of its target and scan."""
        known = self.state.digest if self.state.ok is not None and not self.is_late else ""
        return self.is_ok and (not known or self.values["report_digest"] != known)


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
        self._distrusted = distrusted
        self._connection = connection
        self._run = run
        self._run_id = run_id
        self._reports = reports
        self.history = History(connection)

    def known(self, row: Row[Any]) -> Known:
        """A row of `states`."""
        last = self.history.place(row.last_at, row.last_run_id) if row.last_run_id else None
        ok = self.history.place(row.ok_at, row.ok_run_id) if row.ok_run_id else None
        return Known(row.id, row.target_id, last, ok, row.report_digest, row.failures)

    def look_ahead(self, some: Iterable[Cell]) -> None:
        """Read the findings that are open before these cells, all at once."""
        self.history.look_ahead([cell.state.id for cell in some if cell.is_loud and cell.state.ok is not None])

    def write(self, some: Sequence[tuple[Cell, set[int]]]) -> None:
        """Write cells that are the newest of their targets and scans; reads nothing.

        Args:
            some: cells, with what they found.
        """
        insert_new(self._connection, cells, [self._row(cell) for cell, _ in some])
        loud = [(cell, facts) for cell, facts in some if cell.is_loud]
        self.history.apply(
            (cell.state.id, weave(self.history.open_spans(cell.state.id), facts, cell.here, cell.state.ok, None))
            for cell, facts in loud
        )
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for cell, facts in some:
            change = self._change(cell, facts)
            alike.setdefault(tuple(change), []).append(change)
        for changes in alike.values():
            upsert(self._connection, states, ("target_id", "scan"), changes)
        upsert(self._connection, boms, ("state_id", "digest"), [self._bom(cell) for cell, _ in some if _has_bom(cell)])

    def _row(self, cell: Cell) -> dict[str, Any]:
        return {"state_id": cell.state.id, "run_id": self._run_id, **cell.values}

    def _change(self, cell: Cell, facts: set[int]) -> dict[str, Any]:
        """Columns of a state that are otherwise with its newest cell."""
        values, state, at = cell.values, cell.state, cell.here.at
        change: dict[str, Any] = {"target_id": state.target, "scan": cell.row.scan}
        change |= {"last_run_id": self._run_id, "last_at": at}
        if cell.row.outcome is not Outcome.SKIPPED or state.last is None:
            change |= {"outcome": values["outcome"], "reason": values["reason"]}
        if cell.row.outcome is Outcome.FAILED:
            change["failures"] = state.failures + 1
        if cell.is_ok:
            change |= {"ok_run_id": self._run_id, "ok_at": at, "failures": 0}
            change |= {name: values[name] for name in _OF_OK}
            change |= suspicion(cell.row.scan, values, self._distrusted)
            if cell.is_loud:
                change["findings"] = len(facts)
        return change

    def write_late(self, cell: Cell, facts: set[int]) -> None:
        """Write a cell that is not the newest of its target and scan, or was there before with another end."""
        state, present, here = cell.state.id, cell.present, cell.here
        every = select(cells).where(cells.c.state_id == state, cells.c.run_id != self._run_id)
        others = [
            (self.history.place(row["at"], row["run_id"]), row) for row in self._connection.execute(every).mappings()
        ]
        line = sorted(place for place, row in others if row["outcome"] == _OK)
        if present is not None and present["outcome"] == _OK:
            old = Position(present["at"], self._run)
            self.history.apply([(state, unweave(self.history.all_spans(state), old, *_neighbours(line, old)))])
        upsert(self._connection, cells, ("state_id", "run_id"), [self._row(cell)])
        if cell.is_ok:
            self.history.apply([(state, weave(self.history.all_spans(state), facts, here, *_neighbours(line, here)))])
        self._rebuild(state, cell.row.scan, [*others, (here, self._row(cell))])
        if _has_bom(cell) and not self._has_later_bom(cell):
            upsert(self._connection, boms, ("state_id", "digest"), [self._bom(cell)])

    def _rebuild(self, state: int, scan: str, of_state: Sequence[tuple[Position, Any]]) -> None:
        """Make a state anew out of all its cells."""
        line = sorted(of_state, key=lambda each: each[0])
        tried = [row for _, row in line if row["outcome"] != Outcome.SKIPPED.value]
        newest, ending = line[-1][1], (tried or [line[0][1]])[-1]
        change = {"last_run_id": newest["run_id"], "last_at": newest["at"]}
        change |= {"outcome": ending["outcome"], "reason": ending["reason"]}
        good = [index for index, row in enumerate(tried) if row["outcome"] == _OK]
        change["failures"] = len(tried) - (good[-1] + 1 if good else 0)
        ok = tried[good[-1]] if good else None
        change |= {"ok_run_id": ok["run_id"] if ok else None, "ok_at": ok["at"] if ok else 0}
        change |= {name: ok[name] if ok else "" for name in _OF_OK}
        change |= suspicion(scan, ok, self._distrusted) if ok else {"suspect": "", "suspect_at": 0}
        still = select(func.count()).select_from(findings).where(findings.c.state_id == state, findings.c.gone_at == 0)
        change["findings"] = self._connection.scalar(still)
        self._connection.execute(update(states).where(states.c.id == state).values(change))

    def _has_later_bom(self, cell: Cell) -> bool:
        """Whether the very same report is known from a later cell."""
        same = boms.c.state_id == cell.state.id, boms.c.digest == cell.values["report_digest"]
        known = self._connection.execute(select(boms.c.at, boms.c.run_id).where(*same)).one_or_none()
        return known is not None and self.history.place(known.at, known.run_id) > cell.here

    def _bom(self, cell: Cell) -> dict[str, Any]:
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


def _has_bom(cell: Cell) -> bool:
    return cell.is_ok and cell.values["components"] is not None


def _neighbours(line: Sequence[Position], here: Position) -> tuple[Position | None, Position | None]:
    before = [place for place in line if place < here]
    after = [place for place in line if place > here]
    return (before[-1] if before else None), (after[0] if after else None)
