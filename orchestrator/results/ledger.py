"""Reading ledgers: one run's, and what all of them say of when each cell last succeeded."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.kit.guarding import is_internal
from orchestrator.model import Document, Ledger, LedgerRow, Outcome
from orchestrator.model.documents import read
from orchestrator.results.deletions import Deleted
from orchestrator.results.errors import NoResultsError
from orchestrator.results.finished import ledgers
from orchestrator.results.provisional import LEDGER
from orchestrator.scanners.distrust import Made, of_row, why
from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Success(Document, frozen=True):
    """When and in which run a cell last ended ok.

    Attributes:
        finished: end of the scan, RFC 3339.
        asked: as in the ledger's row.
    """

    run: str
    finished: str
    scanner: str = ""
    scanner_version: str = ""
    database_version: str = ""
    asked: str = ""


class _Row(msgspec.Struct, gc=False):
    """As much of a ledger row as `history` needs; the rest is skipped unread."""

    target: str
    scan: str
    outcome: str
    started: str = ""
    finished: str = ""
    scanner: str = ""
    scanner_version: str = ""
    scanner_image: str = ""
    database_version: str = ""
    asked: str = ""


class _Ledger(msgspec.Struct):
    run: str
    rows: list[_Row]


def read_ledger(volume: Volume, run: str) -> Ledger:
    """The ledger of a finished run; results that are not believed any more are marked as suspect.

    Where its results are not put together yet it is the provisional one, see `orchestrator.results.provisional`.

    Raises:
        NoResultsError: there is none.
        orchestrator.model.documents.DocumentError: it is damaged.
    """
    path = volume.results(run) / LEDGER
    if not path.exists():
        raise NoResultsError(f"{path}: run {run} has no ledger; it never ended, or never was on this volume")
    return mark(read(path, Ledger), volume)


def suspects(volume: Volume, run: str) -> dict[tuple[str, str], str]:
    """Why results of a run are not believed, by target and scan; none where its ledger cannot be read."""
    try:
        rows = read_ledger(volume, run).rows
    except PermanentError:
        return {}
    return {(row.target, row.scan): row.suspect for row in rows if row.suspect}


def mark(ledger: Ledger, volume: Volume) -> Ledger:
    """A ledger with each result marked that is not believed, by the rules of now, or was deleted since.

    Marks of before do not count. A cell that was skipped because an earlier result still stood is as suspect as that.
    """
    earlier: dict[str, dict[str, LedgerRow]] = {}
    deleted = Deleted(volume)

    def suspicion(row: LedgerRow) -> str:
        if (row.outcome is Outcome.OK or row.standing) and (reason := deleted.why_not(row, ledger)):
            return reason
        if row.outcome is Outcome.OK:
            return why(of_row(row), volume.distrusted)
        if not row.standing:
            return ""
        if row.standing not in earlier:
            earlier[row.standing] = _rows_of(volume, row.standing)
        stood = earlier[row.standing].get(row.cell)
        return why(of_row(stood), volume.distrusted) if stood is not None else why(Made(row.scan), volume.distrusted)

    found = [(row, suspicion(row)) for row in ledger.rows]
    if all(row.suspect == reason for row, reason in found):
        return ledger
    rows = tuple(msgspec.structs.replace(row, suspect=reason) for row, reason in found)
    return msgspec.structs.replace(ledger, rows=rows)


def _rows_of(volume: Volume, run: str) -> dict[str, LedgerRow]:
    """The rows of another run by cell; none where it is gone."""
    try:
        return {row.cell: row for row in read(volume.results(run) / LEDGER, Ledger).rows}
    except (PermanentError, OSError):
        return {}


def broke(ledger: Ledger) -> bool:
    """Whether something failed in the run that nobody foresaw: its verdict is then no answer of the policy alone."""
    return any(map(is_internal, (*(row.reason for row in ledger.rows), *ledger.verdict.broken)))


def history(volume: Volume, since: datetime) -> dict[tuple[str, str], Success]:
    """The newest ok result of each target and scan, for deciding what need not be scanned again.

    Reads only ledgers written since then, each once. A damaged one is passed over with a warning: at worst something
    is scanned once more. Where the newest one is deleted, or not believed any more, there is none, whatever an older
    one said.

    Args:
        volume: where the runs lie.
        since: with a time zone; results that ended earlier are left out.

    Returns:
        By target id and scan name.
    """
    newest: dict[tuple[str, str], tuple[datetime, Success | None]] = {}
    deleted = Deleted(volume)
    for _, ledger in each_ledger(volume, _Ledger, since=since):
        for row in ledger.rows:
            ended = moment(row.finished) if row.outcome == "ok" else None
            known = newest.get((row.target, row.scan))
            if ended is not None and ended >= since and (known is None or ended > known[0]):
                believed = not (
                    deleted.why(row.target, ledger.run, row.finished) or why(of_row(row), volume.distrusted)
                )
                newest[row.target, row.scan] = (ended, _success(ledger.run, row) if believed else None)
    return {key: success for key, (_, success) in newest.items() if success is not None}


def each_ledger(volume: Volume, kind: type[T], *, since: datetime | None = None) -> Iterator[tuple[str, T]]:
    """Every ledger of a volume, one at a time, by the ids of their runs; a damaged one is passed over with a warning.

    Args:
        volume: where the runs lie.
        kind: what to read of each: a type with as many of its fields as are needed.
        since: only those written since then.
    """
    for run, entry in ledgers(volume):
        if since is not None and entry.stat().st_mtime < since.timestamp():
            continue
        try:
            with open(entry.path, "rb") as file:  # noqa: PTH123 - an os.DirEntry
                yield run, msgspec.json.decode(file.read(), type=kind)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _log.warning("the ledger of run %s is passed over: %s", run, error)


def _success(run: str, row: _Row) -> Success:
    return Success(
        run=run,
        finished=row.finished,
        scanner=row.scanner,
        scanner_version=row.scanner_version,
        database_version=row.database_version,
        asked=row.asked,
    )


def moment(text: str) -> datetime | None:
    """A moment with a time zone; None for anything else."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def seconds(text: str) -> int:
    """A document's moment as seconds since 1970; 0 for none."""
    found = moment(text)
    return int(found.timestamp()) if found else 0
