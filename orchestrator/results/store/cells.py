"""Writing one cell: how it went, how its target and scan stand since, and which findings came or went with it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select, update

from orchestrator.model import LedgerRow, Outcome
from orchestrator.results.store.dialects import upsert
from orchestrator.results.store.history import History
from orchestrator.results.store.schema import LONGEST_NAME, boms, cells, findings, states
from orchestrator.results.store.spans import Position, unweave, weave

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

_OK = Outcome.OK.value
#: What a state takes over from its last ok cell.
_OF_OK = ("scanner", "scanner_version", "database_version", "report_digest")


class Known(NamedTuple):
    """A target and scan as the store has it before a run comes in.

    Attributes:
        last: place of its newest cell; None for none.
        ok: place of its newest ok cell.
        digest: of that cell's report.
        failures: how many cells have failed since.
    """

    id: int
    last: Position | None
    ok: Position | None
    digest: str
    failures: int


class CellWriter:
    """Writes the cells of one run."""

    def __init__(self, connection: Connection, run: str, run_id: int, reports: Mapping[str, str]) -> None:
        self._connection = connection
        self._run = run
        self._run_id = run_id
        self._reports = reports
        self.history = History(connection)
        self._expected: dict[str, tuple[Known, Mapping[str, Any] | None]] = {}

    def known(self, row: Row[Any]) -> Known:
        """A row of `states`."""
        last = self.history.place(row.last_at, row.last_run_id) if row.last_run_id else None
        ok = self.history.place(row.ok_at, row.ok_run_id) if row.ok_run_id else None
        return Known(row.id, last, ok, row.report_digest, row.failures)

    def expect(self, cell: str, state: Known, present: Mapping[str, Any] | None) -> None:
        """Tell what the store has of a cell that will be written: its state, and the cell itself when it is there."""
        self._expected[cell] = (state, present)

    def is_quiet(self, state: Known, values: Mapping[str, Any], present: Mapping[str, Any] | None) -> bool:
        """Whether its report is the very one that is known of its target and scan, so that no finding can differ."""
        newest = state.ok is not None and present is None and (state.last is None or self._place(values) > state.last)
        return newest and values["outcome"] == _OK and values["report_digest"] == state.digest != ""

    def look_ahead(self, names: Iterable[str]) -> None:
        """Read the findings that are open before these cells, all at once."""
        states_of = (self._expected[name][0] for name in names)
        self.history.look_ahead([state.id for state in states_of if state.ok is not None])

    def is_late(self, cell: str, values: Mapping[str, Any]) -> bool:
        """Whether a cell is not the newest of its target and scan, or is there already with another end."""
        state, present = self._expected[cell]
        return present is not None or (state.last is not None and self._place(values) < state.last)

    def write(self, row: LedgerRow, values: dict[str, Any], facts: set[int] | None) -> None:
        """Write a cell, within a transaction of its own; reads nothing unless it is late.

        Args:
            row: of the ledger.
            values: the same as columns of `cells`.
            facts: what it found; None for what the last ok cell found.
        """
        late = self.is_late(row.cell, values)
        state, present = self._expected.pop(row.cell)
        here = self._place(values)
        if late:
            self._write_late(state, present, here, values, facts)
        else:
            self._write_newest(state, here, values, facts)
        if values["outcome"] == _OK and values["components"] is not None:
            self._write_bom(state, here, values, row, late=late)

    def _place(self, values: Mapping[str, Any]) -> Position:
        return Position(values["at"], self._run)

    def _write_newest(self, state: Known, here: Position, values: dict[str, Any], facts: set[int] | None) -> None:
        outcome = values["outcome"]
        self._connection.execute(_INSERT_CELL, {"state_id": state.id, "run_id": self._run_id, **values})
        change: dict[str, Any] = {"last_run_id": self._run_id, "last_at": here.at}
        if outcome != Outcome.SKIPPED.value or state.last is None:
            change |= {"outcome": outcome, "reason": values["reason"]}
        if outcome == Outcome.FAILED.value:
            change["failures"] = state.failures + 1
        if outcome == _OK:
            change |= {"ok_run_id": self._run_id, "ok_at": here.at, "failures": 0}
            change |= {name: values[name] for name in _OF_OK}
            if facts is not None:
                change["findings"] = len(facts)
                self.history.apply(state.id, weave(self.history.open_spans(state.id), facts, here, state.ok, None))
        self._connection.execute(_update_state(tuple(change)), {"state_": state.id, **change})

    def _write_late(
        self,
        state: Known,
        present: Mapping[str, Any] | None,
        here: Position,
        values: dict[str, Any],
        facts: set[int] | None,
    ) -> None:
        """A cell that is not the newest of its target and scan, or was there before with another end."""
        every = select(cells).where(cells.c.state_id == state.id, cells.c.run_id != self._run_id)
        others = [
            (self.history.place(row["at"], row["run_id"]), row) for row in self._connection.execute(every).mappings()
        ]
        line = sorted(place for place, row in others if row["outcome"] == _OK)
        if present is not None and present["outcome"] == _OK:
            old = self._place(present)
            self.history.apply(state.id, unweave(self.history.all_spans(state.id), old, *_neighbours(line, old)))
        upsert(
            self._connection, cells, ("state_id", "run_id"), [{"state_id": state.id, "run_id": self._run_id, **values}]
        )
        if values["outcome"] == _OK:
            self.history.apply(
                state.id, weave(self.history.all_spans(state.id), facts or set(), here, *_neighbours(line, here))
            )
        self._rebuild(state.id, [*others, (here, {**values, "run_id": self._run_id})])

    def _rebuild(self, state: int, of_state: Sequence[tuple[Position, Any]]) -> None:
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
        still = select(func.count()).select_from(findings).where(findings.c.state_id == state, findings.c.gone_at == 0)
        change["findings"] = self._connection.scalar(still)
        self._connection.execute(_update_state(tuple(change)), {"state_": state, **change})

    def _write_bom(self, state: Known, here: Position, values: dict[str, Any], row: LedgerRow, *, late: bool) -> None:
        key = {"state_id": state.id, "digest": values["report_digest"]}
        if late:
            of_report = select(boms.c.at, boms.c.run_id).where(*(boms.c[name] == value for name, value in key.items()))
            known = self._connection.execute(of_report).one_or_none()
            if known is not None and self.history.place(known.at, known.run_id) > here:
                return
        path = f"runs/{self._run}/{row.target}/{row.scan}/{self._reports.get(row.scan, 'report.json')}"
        made = {"components": values["components"], "path": path[:LONGEST_NAME], "run_id": self._run_id, "at": here.at}
        upsert(self._connection, boms, ("state_id", "digest"), [{**key, **made}])


_INSERT_CELL = insert(cells)


@cache
def _update_state(columns: tuple[str, ...]) -> Any:
    return update(states).where(states.c.id == bindparam("state_")).values({name: bindparam(name) for name in columns})


def _neighbours(line: Sequence[Position], here: Position) -> tuple[Position | None, Position | None]:
    before = [place for place in line if place < here]
    after = [place for place in line if place > here]
    return (before[-1] if before else None), (after[0] if after else None)
