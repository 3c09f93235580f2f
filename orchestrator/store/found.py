"""What a run found, read for the store target by target; whatever cannot be believed is reported, never guessed.

This module imports pyarrow: import it where it is used.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.model import MergedFinding, Outcome
from orchestrator.results.errors import NoResultsError
from orchestrator.results.tables.columns import names_of
from orchestrator.results.tables.rows import open_merged
from orchestrator.store.merged import alone
from orchestrator.store.pieces import MadePiece, MergedPiece, RowsOfPiece, digest_of
from orchestrator.store.reading import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from orchestrator.store.counts import Numbers
    from orchestrator.store.reading import RunFiles
    from orchestrator.volume.layout import Volume

# Rows read at once of a run that was not merged, and rows whose keys are made at once.
_ROWS, _PIECE = 16_384, 4096


class TargetRows(NamedTuple):
    """What a run says of one target, or, of a run of an earlier version, of one scan of it.

    Attributes:
        target: its id.
        scans: those that found something.
        digest: the same as long as all that is said stays the same, but for EPSS; never empty.
        parts: the rows.
    """

    target: str
    scans: frozenset[str]
    digest: str
    parts: Sequence[RowsOfPiece]

    @classmethod
    def of_parts(cls, target: str, parts: Sequence[RowsOfPiece]) -> TargetRows:
        """These rows."""
        return cls(target, frozenset().union(*(part.scans for part in parts)), digest_of(parts), parts)

    @property
    def things(self) -> int:
        """How many things they are about."""
        return len({part.piece.things[row] for part in self.parts for row in part.rows})

    def of(self, scan: str) -> list[RowsOfPiece]:
        """The rows that a scan found."""
        return [part.of(scan) for part in self.parts]


#: The digest of no row at all.
NOTHING = "-"
_SUPPRESSED = "suppressed"
# Columns that say what was found; what they were found in is in the ledger.
_COLUMNS = ("run", *names_of(MergedFinding))


def read_rows(
    volume: Volume, files: RunFiles, numbers: Numbers, merged: Sequence[MergedFinding] | None = None
) -> Iterator[TargetRows]:
    """What a run found, merged, target by target; memory holds one row group, and one target.

    Of a run of a version that did not merge, what each scan reported, as a row of its own.

    Args:
        volume: where the run lies.
        files: of the run.
        numbers: what is counted on the way.
        merged: the rows of its `merged.parquet`, in their order, where they are in memory; it is not read then.

    Raises:
        DamagedRunError: the findings are damaged, or not those of the ledger; what was given before them is whole.
    """
    run = files.ledger.run
    told = {(row.target, row.scan) for row in files.ledger.rows if row.outcome is Outcome.OK or row.standing}
    due = {(row.target, row.scan) for row in files.ledger.rows if row.outcome is Outcome.OK and row.findings}
    path = volume.results(run) / "merged.parquet"
    if merged is not None:
        given = _handed(merged, numbers)
    elif path.exists():
        given = _merged(path, run, numbers)
    else:
        path = path.with_name("findings.parquet")
        given = _reported(path, numbers)
        if not path.exists() and any(row.outcome is Outcome.OK and row.findings != 0 for row in files.ledger.rows):
            raise damaged(run, f"{path.with_name('merged.parquet')}: it is not there")
    try:
        for each in given:
            found = {(each.target, scan) for scan in each.scans}
            if strange := found - told:
                raise damaged(
                    run, f"{path}: cell {'/'.join(min(strange))} is in it twice, or has no result in the ledger"
                )
            told -= found
            due -= found
            yield each
    except FileNotFoundError:
        return  # nothing was found
    except (pa.ArrowException, OSError, ValueError, LookupError, NoResultsError) as error:
        raise damaged(run, f"{path}: {error}") from error
    if due:
        raise damaged(run, f"{path}: it lacks the findings of {len(due)} cells, such as {'/'.join(min(due))}")


def _merged(path: Path, run: str, numbers: Numbers) -> Iterator[TargetRows]:
    """Neighbouring rows of one target, which may lie in several pieces."""
    waiting: list[RowsOfPiece] = []
    last = ""
    with open_merged(path) as file:
        for table in file.tables(_COLUMNS):
            if len(table) and table["run"][0].as_py() != run:
                raise pa.ArrowInvalid(f"it is of run {table['run'][0]}")
            numbers.add(table)
            for start in range(0, len(table), _PIECE):
                for target, part in MergedPiece(table.slice(start, _PIECE).combine_chunks()).targets():
                    if waiting and target != last:
                        yield TargetRows.of_parts(last, waiting)
                        waiting = []
                    waiting.append(part)
                    last = target
    if waiting:
        yield TargetRows.of_parts(last, waiting)


def _handed(merged: Sequence[MergedFinding], numbers: Numbers) -> Iterator[TargetRows]:
    """Rows that were never read, target by target."""
    numbers.add_made(merged)
    for target, some in groupby(merged, key=attrgetter("target")):
        piece = MadePiece(list(some))
        yield TargetRows.of_parts(target, [RowsOfPiece(piece, range(len(piece.keys)))])


def _reported(path: Path, numbers: Numbers) -> Iterator[TargetRows]:
    """What each scan reported, cell by cell; only of versions that did not merge, nor mark what is suppressed."""
    with pq.ParquetFile(path, memory_map=False) as file:
        if _SUPPRESSED in file.schema_arrow.names:
            raise LookupError(f"{path.with_name('merged.parquet').name} is not there, although this version merged")
        for cell, some in groupby(_rows_of(file, numbers), key=itemgetter("cell")):
            target, _, scan = cell.rpartition("/")
            piece = MadePiece([alone(target, scan, row) for row in some])
            yield TargetRows.of_parts(target, [RowsOfPiece(piece, range(len(piece.keys)))])


def _rows_of(file: pq.ParquetFile, numbers: Numbers) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(_ROWS):
        numbers.add(pa.Table.from_batches([batch]))
        yield from batch.to_pylist()
