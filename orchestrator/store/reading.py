"""A run's files on the volume, read for the store; whatever cannot be believed is told, never guessed."""

from __future__ import annotations

import hashlib
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.model import Ledger, Name, Outcome
from orchestrator.model.documents import DocumentError, decode
from orchestrator.results.interface import NoResultsError
from orchestrator.results.ledger import LEDGER, moment
from orchestrator.store.interface import DamagedRunError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from orchestrator.volume.layout import Volume

_ROWS = 16_384


class Fact(NamedTuple):
    """What one finding says; the fields in the order in which they are read out of `findings.parquet`."""

    kind: str
    id: str
    aliases: list[str]
    severity: str
    title: str
    package: str
    version: str
    purl: str
    location: str
    fixed_version: str
    cvss_score: float | None
    cvss_version: str
    cvss_vector: str
    place: str = ""


_COLUMNS = ("cell", *Fact._fields)
_SUPPRESSED = "suppressed"
# What runs of earlier versions do not have.
_LATER = frozenset({"place"})


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
            names[row.target] = tuple(Name(reference=reference) for reference in row.references)
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


def read_facts(volume: Volume, files: RunFiles, wanted: Container[str]) -> Iterator[tuple[str, list[Fact]]]:
    """What the cells found, cell by cell in the order of the file; memory holds one cell and a few thousand rows.

    What a scanner itself suppressed is left out, as the ledger's numbers leave it out: the store knows no suppression.

    Args:
        volume: where the run lies.
        files: of the run.
        wanted: cells to read; the others are only counted.

    Raises:
        DamagedRunError: the findings are damaged, or not those of the ledger; cells given before it were whole.
    """
    run = files.ledger.run
    due = {row.cell: row.findings for row in files.ledger.rows if row.outcome is Outcome.OK and row.findings}
    path = volume.results(run) / "findings.parquet"
    try:
        for cell, count, facts in _by_cell(_rows(str(path), wanted)):
            if due.pop(cell, None) != count:
                raise _damaged(run, f"{path}: cell {cell} has {count} findings in it, and another number in the ledger")
            if facts:
                yield cell, facts
    except FileNotFoundError as error:
        if due:
            raise _damaged(run, f"{path}: it is not there") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(run, f"{path}: {error}") from error
    if due:
        raise _damaged(run, f"{path}: it lacks the findings of {len(due)} cells, such as {next(iter(due))}")


def _rows(path: str, wanted: Container[str]) -> Iterator[tuple[str, list[Fact]]]:
    """Neighbouring rows of one cell; the facts of unwanted cells are None, but as many."""
    metadata = pq.read_metadata(path, memory_map=False)
    present = set(metadata.schema.to_arrow_schema().names)
    if missing := set(_COLUMNS) - _LATER - present:
        raise pa.ArrowInvalid(f"it has no column {', '.join(sorted(missing))}")
    known = [name for name in _COLUMNS if name in present]
    texts = [name for name in known if name != "aliases"]  # Arrow makes no dictionaries within lists
    # Runs of earlier versions have no such column, and no such findings.
    by_scanners = _SUPPRESSED in present
    columns = [*known, *([_SUPPRESSED] if by_scanners else ())]
    with pq.ParquetFile(path, metadata=metadata, memory_map=False, read_dictionary=texts) as file:
        for read in file.iter_batches(_ROWS, columns=columns):
            batch = read.filter(pc.equal(read.column(_SUPPRESSED), "")) if by_scanners else read
            groups = [(cell, sum(1 for _ in rows)) for cell, rows in groupby(_values(batch.column("cell")))]
            facts: list[Fact] | None = None
            if any(cell in wanted for cell, _ in groups):
                values = (
                    _values(batch.column(name)) if name in present else [""] * len(batch) for name in Fact._fields
                )
                facts = list(map(Fact._make, zip(*values, strict=True)))
            start = 0
            for cell, count in groups:
                yield cell, facts[start : start + count] if facts and cell in wanted else [_UNREAD] * count
                start += count


def _values(column: pa.Array) -> list[Any]:
    """A column as Python has it; equal texts are made once, because most of them are on many rows."""
    if pa.types.is_dictionary(column.type):
        texts = [*column.dictionary.to_pylist(), None]
        return [texts[code] for code in column.indices.fill_null(len(texts) - 1).to_numpy().tolist()]
    if pa.types.is_list(column.type):
        flat, offsets = _values(column.flatten().dictionary_encode()), column.offsets.to_numpy().tolist()
        return [flat[begin - offsets[0] : end - offsets[0]] for begin, end in pairwise(offsets)]
    return list(column.to_pylist())


_UNREAD = Fact("", "", [], "", "", "", "", "", "", "", None, "", "")


def _by_cell(rows: Iterator[tuple[str, list[Fact]]]) -> Iterator[tuple[str, int, list[Fact]]]:
    """Each cell once, with the number of its findings; unwanted ones without these."""
    for cell, parts in groupby(rows, key=lambda part: part[0]):
        facts = [fact for _, part in parts for fact in part]
        yield cell, len(facts), [] if facts[0] is _UNREAD else facts


def seconds(text: str) -> int:
    """A document's moment as seconds since 1970; 0 for none."""
    found = moment(text)
    return int(found.timestamp()) if found else 0


def _damaged(run: str, why: str) -> DamagedRunError:
    return DamagedRunError(
        f"run {run} cannot be taken in: {why}; make its results anew (`scanmatrix run --resume {run}`), or remove them"
    )
