"""A run's files on the volume, read for the store; whatever cannot be believed is reported, never guessed."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cached_property, partial
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.model import Ledger, MergedFinding, MergedRow, Name, Outcome, Severity
from orchestrator.model.documents import DocumentError, decode
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import LEDGER
from orchestrator.results.tables.columns import names_of
from orchestrator.results.tables.rows import build, count_rows, open_merged
from orchestrator.results.tables.schema import completed
from orchestrator.store.documents import DamagedRunError
from orchestrator.store.lookers import FIELDS
from orchestrator.store.merged import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from orchestrator.volume.layout import Volume

_ROWS = 16_384
# Rows of which findings are made at once.
_PIECE = 4096


class TargetRows(NamedTuple):
    """What a run says of one target, or, of a run of an earlier version, of one scan of it.

    Attributes:
        target: its id.
        scans: those that found something.
        digest: the same as long as all that is said stays the same, but for EPSS; never empty.
        read: gives the rows.
    """

    target: str
    scans: frozenset[str]
    digest: str
    read: Callable[[], list[MergedFinding]]


class Numbers:
    """What is counted while a run is read.

    Attributes:
        scores: EPSS by the id that has it.
        unsuppressed: merged findings by severity.
        suppressed: number of those that are.
        looks_for: by kind of finding, the scans that look for it, as far as the rows tell.
    """

    def __init__(self) -> None:
        self.scores: dict[str, float] = {}
        self.unsuppressed = Counter[Severity]()
        self.suppressed = 0
        self.looks_for: dict[str, list[str]] = {}

    def add(self, table: Any) -> None:
        """Count the rows of a `pyarrow.Table`."""
        counts, suppressed = count_rows(table)
        self.suppressed += suppressed
        self.unsuppressed.update(counts)
        if "epss" in table.column_names:
            known = table.select(["id", "epss"]).filter(pc.is_valid(table["epss"]))
            self.scores |= zip(known["id"].to_pylist(), known["epss"].to_pylist(), strict=True)
        scans = [name for name in ("found_by", *FIELDS) if name in table.column_names]
        for kind in pc.unique(table["kind"]).to_pylist():
            rows = table.select(scans).filter(pc.equal(table["kind"], kind))
            told = [scan for name in scans for scan in pc.unique(pc.list_flatten(rows[name])).to_pylist()]
            self.looks_for[kind] = list(dict.fromkeys((*self.looks_for.get(kind, ()), *told)))


#: The digest of no row at all.
NOTHING = "-"
_SUPPRESSED = "suppressed"
# Columns that say what was found; what they were found in is in the ledger.
_COLUMNS = ("run", *names_of(MergedFinding))


class RunFiles(NamedTuple):
    """What a run left on the volume, its findings aside.

    Attributes:
        ledger: its ledger.
        digest: `sha256:<hex>` of the ledger's file.
        names: every name of each target; of old ledgers without owner and labels where the plan is not there.
        reports: file name of each scan's report.
    """

    ledger: Ledger
    digest: str
    names: Mapping[str, tuple[Name, ...]]
    reports: Mapping[str, str]


class _Target(msgspec.Struct):
    id: str
    names: tuple[Name, ...]


class _Scan(msgspec.Struct):
    name: str
    report: str = "report.json"


class _Plan(msgspec.Struct):
    """As much of a plan as the store needs; the rest is skipped unread."""

    targets: list[_Target]
    scans: list[_Scan]


def stamp(volume: Volume, run: str) -> str:
    """Size and time of a run's ledger: as long as they are the same, it has not been written again.

    Raises:
        NoResultsError: there is none.
    """
    try:
        found = (volume.results(run) / LEDGER).stat()
    except OSError as error:
        raise NoResultsError(f"run {run} has no ledger on the volume; it never ended, or never was here") from error
    return f"{found.st_size}:{found.st_mtime_ns}"


def read_run(volume: Volume, run: str) -> RunFiles:
    """Read ledger and plan.

    Raises:
        NoResultsError: there is no ledger.
        DamagedRunError: ledger or plan are damaged.
    """
    path = volume.results(run) / LEDGER
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NoResultsError(f"{path}: run {run} has no ledger; it never ended, or never was here") from error
    try:
        ledger = decode(data, Ledger, origin=str(path))
    except (DocumentError, RecursionError) as error:
        raise _damaged(run, str(error)) from error
    if ledger.run != run:
        raise _damaged(run, f"{path}: it is the ledger of run {ledger.run}")
    if len({row.cell for row in ledger.rows}) != len(ledger.rows):
        raise _damaged(run, f"{path}: a cell is in it twice")
    plan = _read_plan(volume, run)
    names = ledger.names | {target.id: target.names for target in plan.targets}
    for row in ledger.rows:
        if row.target not in names:
            owners = row.owners or ("",)
            names[row.target] = tuple(Name(reference=each, owner=owner) for each in row.references for owner in owners)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return RunFiles(ledger, digest, names, {scan.name: scan.report for scan in plan.scans})


def _read_plan(volume: Volume, run: str) -> _Plan:
    path = volume.plan(run)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Plan)
    except FileNotFoundError:  # results that were fetched from a cluster, whose plan stayed there
        return _Plan([], [])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(run, f"{path}: not a valid plan: {error}") from error


def read_rows(volume: Volume, files: RunFiles, numbers: Numbers) -> Iterator[TargetRows]:
    """What a run found, merged, target by target; memory holds one row group, and one target.

    Of a run of a version that did not merge, what each scan reported, as a row of its own.

    Args:
        volume: where the run lies.
        files: of the run.
        numbers: what is counted on the way.

    Raises:
        DamagedRunError: the findings are damaged, or not those of the ledger; what was given before them is whole.
    """
    run = files.ledger.run
    told = {(row.target, row.scan) for row in files.ledger.rows if row.outcome is Outcome.OK or row.standing}
    due = {(row.target, row.scan) for row in files.ledger.rows if row.outcome is Outcome.OK and row.findings}
    path = volume.results(run) / "merged.parquet"
    if path.exists():
        given = _merged(path, run, numbers)
    else:
        path = path.with_name("findings.parquet")
        given = _reported(path, numbers)
        if not path.exists() and any(row.outcome is Outcome.OK and row.findings != 0 for row in files.ledger.rows):
            raise _damaged(run, f"{path.with_name('merged.parquet')}: it is not there")
    try:
        for each in given:
            found = {(each.target, scan) for scan in each.scans}
            if strange := found - told:
                raise _damaged(
                    run, f"{path}: cell {'/'.join(min(strange))} is in it twice, or has no result in the ledger"
                )
            told -= found
            due -= found
            yield each
    except FileNotFoundError:
        return  # nothing was found
    except (pa.ArrowException, OSError, ValueError, LookupError, NoResultsError) as error:
        raise _damaged(run, f"{path}: {error}") from error
    if due:
        raise _damaged(run, f"{path}: it lacks the findings of {len(due)} cells, such as {'/'.join(min(due))}")


def _merged(path: Path, run: str, numbers: Numbers) -> Iterator[TargetRows]:
    """Neighbouring rows of one target, which may lie in two pieces."""
    waiting: list[tuple[_Piece, int, int]] = []
    with open_merged(path) as file:
        for table in file.tables(_COLUMNS):
            if len(table) and table["run"][0].as_py() != run:
                raise pa.ArrowInvalid(f"it is of run {table['run'][0]}")
            numbers.add(table)
            for start in range(0, len(table), _PIECE):
                piece = _Piece(table.slice(start, _PIECE).combine_chunks())
                for begin, end in piece.targets():
                    if waiting and waiting[0][0].target(waiting[0][1]) != piece.target(begin):
                        yield _of_target(waiting)
                        waiting = []
                    waiting.append((piece, begin, end))
    if waiting:
        yield _of_target(waiting)


class _Piece:
    """Some rows of a file; findings are made of them when the first is asked for, all at once, which is far cheaper."""

    def __init__(self, table: Any) -> None:
        self.table = table
        # As bytes of Arrow's own format: equal bytes are equal rows, and nothing is made of them that nobody needs.
        left_out = {"run", "epss", *FIELDS}.intersection(table.column_names)
        [self._said] = table.drop_columns(sorted(left_out)).to_batches()

    @cached_property
    def findings(self) -> list[MergedFinding]:
        """Every finding."""
        rows = build(MergedRow, completed(self.table, MergedRow, columns=names_of(MergedRow)))
        return [row.finding for row in rows]

    def targets(self) -> list[tuple[int, int]]:
        """Where the rows of each target begin and end."""
        ends = pc.run_end_encode(self.table["target"].combine_chunks()).run_ends.to_pylist()
        return list(pairwise([0, *ends]))

    def target(self, row: int) -> str:
        """The target of a row."""
        return str(self.table["target"][row].as_py())

    def bytes_of(self, begin: int, end: int) -> memoryview:
        """The same for equal rows."""
        return memoryview(self._said.slice(begin, end - begin).serialize())


def _of_target(parts: Sequence[tuple[_Piece, int, int]]) -> TargetRows:
    digest = hashlib.blake2b(digest_size=16)
    scans: set[str] = set()
    for piece, begin, end in parts:
        digest.update(piece.bytes_of(begin, end))
        scans.update(pc.list_flatten(piece.table["found_by"].slice(begin, end - begin)).unique().to_pylist())
    first, begin, _ = parts[0]

    def read() -> list[MergedFinding]:
        return [finding for piece, begin, end in parts for finding in piece.findings[begin:end]]

    return TargetRows(first.target(begin), frozenset(scans), digest.hexdigest(), read)


def _reported(path: Path, numbers: Numbers) -> Iterator[TargetRows]:
    """What each scan reported, cell by cell; only of versions that did not merge, nor mark what is suppressed."""
    with pq.ParquetFile(path, memory_map=False) as file:
        if _SUPPRESSED in file.schema_arrow.names:
            raise LookupError(f"{path.with_name('merged.parquet').name} is not there, although this version merged")
        for cell, some in groupby(_rows_of(file, numbers), key=itemgetter("cell")):
            target, _, scan = cell.rpartition("/")
            found = [alone(target, scan, row) for row in some]
            digest = hashlib.blake2b(msgspec.json.encode(found), digest_size=16).hexdigest()
            yield TargetRows(target, frozenset({scan}), digest, partial(list, found))


def _rows_of(file: pq.ParquetFile, numbers: Numbers) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(_ROWS):
        numbers.add(pa.Table.from_batches([batch]))
        yield from batch.to_pylist()


def _damaged(run: str, why: str) -> DamagedRunError:
    return DamagedRunError(
        f"run {run} cannot be imported: {why}; make its results again (`scanmatrix run --resume {run}`), or remove them"
    )
