"""Taking a run in from the volume, some cells with each transaction: a cell is in the store whole or not at all.

The run is marked as taken in when its last cell is, so one that was cut off is gone on with; the cells it had written
are compared, and left alone. Nothing here depends on the order in which runs come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from orchestrator.store.catalogue import batches, clip, run_id, write_states, write_targets
from orchestrator.store.cells import Cell, CellWriter, Known
from orchestrator.store.dialects import among
from orchestrator.store.facts import Facts
from orchestrator.store.interface import TakenIn
from orchestrator.store.reading import read_facts, read_run, seconds, stamp
from orchestrator.store.schema import LONGEST_NAME, cells, runs, states
from orchestrator.store.spans import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from orchestrator.model import LedgerRow
    from orchestrator.store.reading import Fact, RunFiles
    from orchestrator.volume.layout import Volume

#: Cells of one transaction, or the number of findings they have together.
CELLS_AT_ONCE, FINDINGS_AT_ONCE = 500, 10_000


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


class _Run:
    """One run on its way into the store."""

    def __init__(self, connection: Connection, volume: Volume, files: RunFiles) -> None:
        self._connection = connection
        self._volume = volume
        self._files = files
        self._facts = Facts(connection)
        self._waiting: list[tuple[Cell, list[Fact]]] = []
        self._waiting_facts = 0
        self._read = self._found = 0

    def take_in(self, *, again: bool) -> TakenIn:
        """Write every cell that the store lacks, or has otherwise."""
        ledger = self._files.ledger
        created = seconds(ledger.created)
        run = run_id(self._connection, ledger.run, created)
        described = {row.target: row for row in ledger.rows}
        targets = write_targets(self._connection, described, self._files.names, created)
        pairs = {row.cell: (targets[row.target], row.scan) for row in ledger.rows}
        write_states(self._connection, pairs.values())
        self._writer = CellWriter(self._connection, ledger.run, run, self._files.reports, self._volume.distrusted)
        known = self._known_states(list(targets.values()))
        present = self._present(run) if again else {}
        todo: dict[str, Cell] = {}
        for row in ledger.rows:
            state, values = known[pairs[row.cell]], _values(row, created)
            if present.get(state.id) != values:
                here = Position(values["at"], ledger.run)
                todo[row.cell] = Cell(row, values, here, state, present.get(state.id))
        loud = {name for name, cell in todo.items() if cell.is_loud}
        for name, found in read_facts(self._volume, self._files, loud):
            self._add(todo.pop(name), found)
        for cell in todo.values():
            self._add(cell, [])
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

    def _add(self, cell: Cell, facts: list[Fact]) -> None:
        self._waiting.append((cell, facts))
        self._waiting_facts += len(facts)
        self._read += 1
        self._found += len(facts)
        if len(self._waiting) >= CELLS_AT_ONCE or self._waiting_facts >= FINDINGS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        """Write what waits: the newest cells together, each late one by itself, because it reads what is there."""
        ids = self._facts.ids([facts for _, facts in self._waiting])
        cells_found = [(cell, found) for (cell, _), found in zip(self._waiting, ids, strict=True)]
        newest = [(cell, found) for cell, found in cells_found if not cell.is_late]
        self._writer.look_ahead(cell for cell, _ in newest)
        with self._connection.begin():
            self._writer.write(newest)
        for cell, found in cells_found:
            if cell.is_late:
                with self._connection.begin():
                    self._writer.write_late(cell, found)
        self._waiting.clear()
        self._waiting_facts = 0


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
        "scanner_image": clip(row.scanner_image, LONGEST_NAME),
    }
