"""Taking a run in from the volume, some cells with each transaction: a cell is in the store whole or not at all.

The run is marked as imported when its last cell is, so an interrupted one is resumed; the cells it had written
are compared, and left alone. Nothing here depends on the order in which runs come.

This module imports pyarrow: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, update

from orchestrator.model import Outcome
from orchestrator.model.documents import DocumentError
from orchestrator.results.deletions import Deleted
from orchestrator.results.ledger import seconds
from orchestrator.results.overview import RunSummary, summary_of
from orchestrator.results.provisional import LEDGER
from orchestrator.store.catalogue import (
    run_id,
    write_scores,
    write_states,
    write_tags,
    write_targets,
)
from orchestrator.store.cells import KNOWN, CellWriter, Known, NewCell
from orchestrator.store.columns import clip
from orchestrator.store.counts import Numbers
from orchestrator.store.dialects import among, batches, rows_by
from orchestrator.store.documents import TakenIn
from orchestrator.store.events.recording import GONE, recording, writing
from orchestrator.store.extent import Measured
from orchestrator.store.facts import Facts
from orchestrator.store.found import NOTHING, read_rows
from orchestrator.store.lacking import has
from orchestrator.store.reading import damaged, read_run, stamp
from orchestrator.store.schema import LONGEST_NAME, LONGEST_QUESTION, MERGED, cells, runs, states
from orchestrator.store.spans import Position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from orchestrator.model import LedgerRow, MergedFinding
    from orchestrator.store.events.recording import Recorder
    from orchestrator.store.found import TargetRows
    from orchestrator.store.pieces import Piece, RowsOfPiece
    from orchestrator.store.reading import RunFiles
    from orchestrator.volume.layout import Volume

#: Cells of one transaction, or the number of findings they have together.
CELLS_AT_ONCE, FINDINGS_AT_ONCE = 500, 10_000
#: Rows of all pieces that wait for one because of some of theirs; each piece keeps its row group in memory.
ROWS_AT_ONCE = 32_768


def take_in(connection: Connection, volume: Volume, run: str, merged: Sequence[MergedFinding] | None = None) -> TakenIn:
    """Import a run, unless the store has it as its ledger on the volume is now.

    Args:
        connection: of the only writer, outside of a transaction, unless all of the import is one (`all_at_once`).
        volume: where the run lies.
        run: its id.
        merged: its merged findings, where they are in memory.

    Raises:
        NoResultsError: it has no ledger.
        DamagedRunError: its files cannot be believed.
    """
    mark = stamp(volume, run)
    with writing(connection):
        known = connection.execute(select(runs).where(runs.c.run == run)).one_or_none()
    if known is not None and has(known, mark):
        return TakenIn(run=run, known=True)
    files = read_run(volume, run)
    taken, told = TakenIn(run=run, known=True), {}
    if known is None or known.ledger_digest != files.digest or known.form != MERGED:
        # What an earlier version kept of a run is compared with nothing: it is another form of the same.
        again = known is not None and known.ledger_digest == files.digest and known.form != MERGED
        if known is not None and not again:
            with writing(connection):  # until it is whole again, no question sees it half as it was
                connection.execute(update(runs).where(runs.c.run == run).values(ledger_digest="", ledger_stamp=""))
        reader = _Run(connection, volume, files, again=again)
        taken = reader.take_in(merged, again=known is not None)
        told = {"form": MERGED, "summary": msgspec.json.encode(reader.summary).decode(), "looks_for": reader.looks_for}
        told |= reader.measured.columns
    whole = {
        "ledger_digest": files.digest,
        "ledger_stamp": mark,
        "created_at": seconds(files.ledger.created),
        "finished_at": seconds(files.ledger.finished),
        "passed": files.ledger.verdict.passed,
        "partial": int(files.ledger.partial),
        **told,
    }
    with recording(connection) as events:
        connection.execute(update(runs).where(runs.c.run == run).values(whole))
        events.run(run)
    return taken


class _Run:
    """One run on its way into the store.

    Attributes:
        summary: the run in numbers, once it is in.
        measured: what its cells are.
    """

    def __init__(self, connection: Connection, volume: Volume, files: RunFiles, *, again: bool) -> None:
        self._connection = connection
        self._volume = volume
        self._files = files
        self._anew = again
        self._facts = Facts(connection)
        self._waiting: list[tuple[NewCell, list[RowsOfPiece]]] = []
        self._waiting_facts = 0
        self._waiting_pieces: set[Piece] = set()
        self._read = self._found = 0
        self._numbers = Numbers()
        self._gone: dict[str, bool] = {}
        deleted, ledger = Deleted(volume), files.ledger
        try:
            self._rows = [row for row in ledger.rows if not deleted.why_not(row, ledger)]
        except DocumentError as error:
            raise damaged(ledger.run, f"what was deleted of it cannot be read: {error}") from error

    @property
    def summary(self) -> RunSummary:
        """The run in numbers."""
        return summary_of(self._files.ledger, self._numbers.unsuppressed, self._numbers.suppressed)

    @property
    def looks_for(self) -> str:
        """What its scans look for, as JSON."""
        return msgspec.json.encode(self._numbers.looks_for).decode()

    def take_in(self, merged: Sequence[MergedFinding] | None, *, again: bool) -> TakenIn:
        """Write every cell that the store lacks, or has otherwise; what was deleted is none of them."""
        ledger, ended = self._files.ledger, self._rows
        created = seconds(ledger.created)
        run = run_id(self._connection, ledger.run, created)
        described = {row.target: row for row in ended}
        targets = write_targets(self._connection, described, self._files.names, created)
        self.measured = Measured(write_tags(self._connection, run, targets, ended))
        pairs = {row.cell: (targets[row.target], row.scan) for row in ended}
        write_states(self._connection, pairs.values())
        self._writer = CellWriter(self._connection, ledger.run, run, self._files.reports, self._volume.distrusted)
        known = self._known_states(list(targets.values()))
        present = self._present(run) if again else {}
        waiting = {(row.target, row.scan): row for row in ended}

        def cell(row: LedgerRow, digest: str) -> NewCell:
            state, values = known[pairs[row.cell]], _values(row, created, held=bool(digest))
            self.measured.add(row, values)
            return NewCell(row, values, Position(values["at"], ledger.run), state, present.get(state.id), digest)

        holding = _holding(known)
        for told in read_rows(self._volume, self._files, self._numbers, merged):
            scans = [scan for scan in sorted(told.scans) if (told.target, scan) in waiting]
            if not scans:
                continue
            found = [cell(waiting.pop((told.target, scan)), told.digest) for scan in scans]
            things = self._things(told, found, holding.setdefault(targets[told.target], set()))
            things = things if len(scans) == len(told.scans) else None
            for each in found:
                self._add(each._replace(things=things), told)
            self._flush_if_many()
        for row in waiting.values():
            self._add(cell(row, NOTHING if row.outcome is Outcome.OK else ""), None)
            self._flush_if_many()
        self._flush()
        for pair in pairs.values():
            present.pop(known[pair].id, None)
        self._remove(present)
        write_scores(self._connection, self._numbers.scores, created)
        return TakenIn(
            run=ledger.run,
            cells=self._read,
            findings=self._found,
            opened=self._writer.history.opened,
            closed=self._writer.history.closed,
        )

    def _things(self, told: TargetRows, found: Sequence[NewCell], holding: set[int]) -> int | None:
        """How many things a target has once these cells are written; None where others count as well.

        Args:
            told: what the run says of the target.
            found: its cells.
            holding: the states of the target that have findings; these are added.
        """
        others = holding - {cell.state.id for cell in found}
        holding.update(cell.state.id for cell in found)
        return None if others or self._anew or any(cell.is_late for cell in found) else told.things

    def _known_states(self, targets: list[int]) -> dict[tuple[int, str], Known]:
        query = select(*KNOWN, states.c.scan)
        with writing(self._connection):
            rows = rows_by(self._connection, states.c.target_id, targets, query)
            return {(row.target_id, row.scan): self._writer.known(row) for row in rows}

    def _remove(self, gone: Mapping[int, Mapping[str, Any]]) -> None:
        """Take out cells that the run had, and has no more, by state."""
        for some in batches(gone):
            with recording(self._connection) as events:
                rows = self._connection.execute(select(states).where(among(self._connection, states.c.id, some))).all()
                for row in rows:
                    self._writer.remove(self._writer.known(row), row.scan, gone[row.id])
                    events.cell(self._files.ledger.run, row.target_id, row.scan, GONE)

    def _present(self, run: int) -> dict[int, dict[str, Any]]:
        """The run's cells as the store has them, by state."""
        with writing(self._connection):
            rows = self._connection.execute(select(cells).where(cells.c.run_id == run)).mappings()
            return {row["state_id"]: {k: row[k] for k in row if k not in {"state_id", "run_id"}} for row in rows}

    def _add(self, cell: NewCell, told: TargetRows | None) -> None:
        """Write a cell with the next others, unless it is there; its rows are looked at only where they may be news."""
        loud = cell.is_loud
        if self._anew and cell.present is not None and _alike(cell.present, cell.values):
            cell = self._again(cell)
        elif cell.present == cell.values and not cell.is_news:
            return
        parts = told.of(cell.row.scan) if told is not None and loud else []
        found = sum([len(rows) for _, rows in parts])
        self._waiting.append((cell, parts))
        self._waiting_facts += found
        self._waiting_pieces.update(part.piece for part in parts)
        self._read += 1
        self._found += found

    def _flush_if_many(self) -> None:
        """Write what waits, unless it is little; between targets, so that each is written with all that it has."""
        are_many = len(self._waiting) >= CELLS_AT_ONCE or self._waiting_facts >= FINDINGS_AT_ONCE
        if are_many or sum(len(piece.keys) for piece in self._waiting_pieces) >= ROWS_AT_ONCE:
            self._flush()

    def _again(self, cell: NewCell) -> NewCell:
        """A cell that an earlier version wrote: what it told is written over what that version kept.

        Where that was last told by a run that is gone from the volume, it stays: nobody could tell it again.
        """
        state = cell.state
        if state.held is None or state.digest or cell.here > state.held or not cell.digest:
            return cell._replace(again=True)
        if self._is_gone(state.held.run):
            return cell._replace(again=True, digest="")
        return cell._replace(again=True, state=state._replace(held=None))

    def _is_gone(self, run: str) -> bool:
        if run not in self._gone:
            self._gone[run] = not (self._volume.results(run) / LEDGER).exists()
        return self._gone[run]

    def _flush(self) -> None:
        """Write what waits: the newest cells together, each late one by itself, because it reads what is there."""
        try:
            ids = self._facts.ids([parts for _, parts in self._waiting])
        except (ValueError, msgspec.DecodeError) as error:
            raise damaged(self._files.ledger.run, f"a finding cannot be read: {error}") from error
        cells_found = [(cell, found) for (cell, _), found in zip(self._waiting, ids, strict=True)]
        newest = [(cell, found) for cell, found in cells_found if not cell.is_late]
        with recording(self._connection) as events:
            told_anew = [(cell.state.id, cell.here) for cell, _ in newest if cell.again and cell.state.held is None]
            self._writer.history.forget_after(told_anew)
            self._writer.look_ahead(cell for cell, _ in newest)
            self._writer.write(newest)
            for cell, _ in newest:
                self._announce(events, cell)
        for cell, found in cells_found:
            if cell.is_late:
                with recording(self._connection) as events:
                    self._writer.write_late(cell, found)
                    self._announce(events, cell)
        self._waiting.clear()
        self._waiting_pieces.clear()
        self._waiting_facts = 0

    def _announce(self, events: Recorder, cell: NewCell) -> None:
        events.cell(self._files.ledger.run, cell.state.target, cell.row.scan, cell.row.outcome.value)


def _holding(known: Mapping[tuple[int, str], Known]) -> dict[int, set[int]]:
    """By target, the states that have findings."""
    found: dict[int, set[int]] = {}
    for state in known.values():
        if state.findings:
            found.setdefault(state.target, set()).add(state.id)
    return found


def _values(row: LedgerRow, created: int, *, held: bool) -> dict[str, Any]:
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
        "standing": clip(row.standing, 128),
        "held": int(held),
        "source_bom": clip(row.source.bom, 80) if row.source else "",
        "source_made_at": seconds(row.source.made) if row.source else 0,
        "source_cataloguer": clip(row.source.cataloguer, 100) if row.source else "",
        "put_by": clip(row.put_by, 200),
        "asked": clip(row.asked, LONGEST_QUESTION),
    }


def _alike(present: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a cell is as an earlier version wrote it down, which knew less of it."""
    return all(present[name] == value for name, value in values.items() if name not in {"standing", "held"})
