"""Taking a run in from the volume: one transaction for each cell, so that a cell is in the store whole or not at all.

The run is marked as taken in when its last cell is, so one that was cut off is gone on with; the cells it had written
are compared, and left alone. Nothing here depends on the order in which runs come.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, update

from orchestrator.model import LedgerRow, Outcome
from orchestrator.results.store.catalogue import Facts, batches, clip, run_id, write_states, write_targets
from orchestrator.results.store.cells import CellWriter, Known
from orchestrator.results.store.dialects import among, pipelined, unsynced
from orchestrator.results.store.interface import TakenIn
from orchestrator.results.store.reading import read_facts, read_run, seconds, stamp
from orchestrator.results.store.schema import LONGEST_NAME, cells, runs, states

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from orchestrator.results.store.reading import Fact, RunFiles
    from orchestrator.volume import Volume

# Cells whose facts are looked up together, or the number of findings they have together.
_CELLS, _FINDINGS = 500, 10_000


def take_in(connection: Connection, volume: Volume, run: str) -> TakenIn:
    """Take in a run, unless the store has it as its ledger on the volume is now.

    Args:
        connection: of the only writer, outside of a transaction.
        volume: where the run lies.
        run: its id.

    Raises:
        NoResultsError: it has no ledger.
        DamagedRunError: its files cannot be believed.
    """
    mark = stamp(volume, run)
    with connection.begin():
        known = connection.execute(select(runs).where(runs.c.run == run)).one_or_none()
    if known is not None and (known.pruned or known.ledger_stamp == mark):
        return TakenIn(run=run, known=True)
    files = read_run(volume, run)
    taken = TakenIn(run=run, known=True)
    if known is None or known.ledger_digest != files.digest:
        with unsynced(connection):
            taken = _Run(connection, volume, files).take_in(again=known is not None)
    whole = {
        "ledger_digest": files.digest,
        "ledger_stamp": mark,
        "created_at": seconds(files.ledger.created),
        "finished_at": seconds(files.ledger.finished),
        "passed": files.ledger.verdict.passed,
    }
    with connection.begin():
        connection.execute(update(runs).where(runs.c.run == run).values(whole))
    return taken


def lacking(connection: Connection, volume: Volume, names: Sequence[str]) -> list[str]:
    """Those of a volume's runs that the store does not have as their ledgers are now."""
    with connection.begin():
        rows = connection.execute(select(runs.c.run, runs.c.ledger_stamp, runs.c.pruned))
        known = {row.run: None if row.pruned else row.ledger_stamp for row in rows}
    return [run for run in names if run not in known or known[run] not in {None, stamp(volume, run)}]


class _Todo(NamedTuple):
    row: LedgerRow
    values: dict[str, Any]
    facts: list[Fact]
    quiet: bool


class _Run:
    """One run on its way into the store."""

    def __init__(self, connection: Connection, volume: Volume, files: RunFiles) -> None:
        self._connection = connection
        self._volume = volume
        self._files = files
        self._facts = Facts(connection)
        self._waiting: list[_Todo] = []
        self._read = self._found = 0

    def take_in(self, *, again: bool) -> TakenIn:
        """Write every cell that the store lacks, or has otherwise."""
        ledger = self._files.ledger
        created = seconds(ledger.created)
        run = run_id(self._connection, ledger.run, created)
        targets = write_targets(self._connection, self._files, created)
        pairs = {row.cell: (targets[row.target], row.scan) for row in ledger.rows}
        write_states(self._connection, pairs.values())
        self._writer = CellWriter(self._connection, ledger.run, run, self._files.reports)
        known = self._known_states(list(targets.values()))
        present = self._present(run) if again else {}
        todo: dict[str, _Todo] = {}
        for row in ledger.rows:
            state = known[pairs[row.cell]]
            values = _values(row, created)
            if present.get(state.id) != values:
                quiet = self._writer.is_quiet(state, values, present.get(state.id))
                self._writer.expect(row.cell, state, present.get(state.id))
                todo[row.cell] = _Todo(row, values, [], quiet)
        loud = {cell for cell, each in todo.items() if each.row.outcome is Outcome.OK and not each.quiet}
        for cell, found in read_facts(self._volume, self._files, loud):
            self._add(todo.pop(cell)._replace(facts=found))
        for each in todo.values():
            self._add(each)
        self._flush()
        return TakenIn(
            run=ledger.run,
            cells=self._read,
            findings=self._found,
            opened=self._writer.history.opened,
            closed=self._writer.history.closed,
        )

    def _known_states(self, targets: list[int]) -> dict[tuple[int, str], Known]:
        found = {}
        for some in batches(targets):
            with self._connection.begin():
                for row in self._connection.execute(
                    select(states).where(among(self._connection, states.c.target_id, some))
                ):
                    found[row.target_id, row.scan] = self._writer.known(row)
        return found

    def _present(self, run: int) -> dict[int, dict[str, Any]]:
        """The run's cells as the store has them, by state."""
        with self._connection.begin():
            rows = self._connection.execute(select(cells).where(cells.c.run_id == run)).mappings()
            return {row["state_id"]: {k: row[k] for k in row if k not in {"state_id", "run_id"}} for row in rows}

    def _add(self, todo: _Todo) -> None:
        self._waiting.append(todo)
        self._read += 1
        self._found += len(todo.facts)
        if len(self._waiting) >= _CELLS or sum(len(each.facts) for each in self._waiting) >= _FINDINGS:
            self._flush()

    def _flush(self) -> None:
        ids = self._facts.ids([each.facts for each in self._waiting])
        self._writer.look_ahead([each.row.cell for each in self._waiting if not each.quiet])
        pairs = list(zip(self._waiting, ids, strict=True))
        late = [self._writer.is_late(each.row.cell, each.values) for each in self._waiting]
        with pipelined(self._connection):
            self._write(compress(pairs, [not is_late for is_late in late]))
        self._write(compress(pairs, late))
        self._waiting.clear()

    def _write(self, some: Iterable[tuple[_Todo, set[int]]]) -> None:
        for each, facts in some:
            with self._connection.begin():
                self._writer.write(each.row, each.values, None if each.quiet else facts)


def _values(row: LedgerRow, created: int) -> dict[str, Any]:
    """A ledger's row as the columns of `cells`; where nobody knows when it ended, when the run was planned."""
    return {
        "at": seconds(row.finished) or seconds(row.started) or created,
        "outcome": row.outcome.value,
        "reason": clip(row.reason),
        "attempts": row.attempts,
        "started_at": seconds(row.started),
        "findings": row.findings,
        "components": row.components,
        "scanner": clip(row.scanner, 100),
        "scanner_version": clip(row.scanner_version, 100),
        "database_version": clip(row.database_version, 100),
        "database_age": row.database_age,
        "report_digest": clip(row.report_digest, 80),
        "note": clip(row.note, LONGEST_NAME),
        "log": clip(row.log),
    }
