"""How one cell of a plan ended: decided from the plan, its record and its report, in this order of trust.

| what there is | outcome |
|---|---|
| the plan skipped or failed it, or its target could not be resolved | as planned |
| a record that cannot be read | failed |
| a record of an error, or of an exit code that is no success code | failed, whatever report lies there |
| a report that is not older than the record's begin, and whole | ok |
| a scanner that is denied or distrusted, by its image or by what its report says | failed, whatever it found |
| no report, and no record | failed: never ran |
| no report, and a record without an end | failed: was cut off |
| any other report | failed, as its format says |

In a cluster the end of an attempt is written into the record when the run ends, from what the API server knows
(`orchestrator.steps.settle`). Where nobody could ask it, records have no end, and the report alone tells.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from orchestrator.findings import formats
from orchestrator.findings.interface import Report, ReportError, ReportMissingError
from orchestrator.findings.reading import ReportFile, read_report, read_report_file
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.model import Cell, CellRecord, Decision, Distrust, LedgerRow, Outcome, Plan, Scan, Target
from orchestrator.model.documents import DocumentError, read, spell_time
from orchestrator.results.cell_paths import within_cell
from orchestrator.scanners.distrust import Made, of_row, why
from orchestrator.volume.layout import Volume, version_time

# Clocks of a node and of a file server may differ by a little, and some filesystems keep whole seconds only.
_CLOCK_SLACK = 2.0
_REASON_LENGTH = 500
#: Most findings accepted of one report; far above any real image's, and what memory is reckoned for.
MOST_FINDINGS = 200_000
_NAME_LENGTH = 100
#: How the note of a row begins whose database is older than its run's plan.
STALE = "database stale since"
_LOG_LENGTH = 4000
# Whatever a terminal could take for a command, line breaks aside.
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class Examined(NamedTuple):
    """A cell's ledger row and, when it is ok, what its report says and how many bytes that took."""

    row: LedgerRow
    report: Report | None = None
    size: int = 0


def examine(plan: Plan, cell: Cell, target: Target, scan: Scan, volume: Volume) -> Examined:
    """Decide how a cell ended; trouble of any kind is its outcome, never an exception.

    Args:
        plan: of the run whose folder on the volume holds the cell's record and report.
        cell: the cell.
        target: its target.
        scan: its scan.
        volume: where the run lies; knows who is not trusted, as the plan does.
    """
    row = _planned(cell, target)
    if row.outcome is Outcome.SKIPPED or row.reason:
        return Examined(row)
    try:
        with guarded(f"examining {target.reference} × {scan.name}"):
            return _examine(plan, cell, scan, volume, row)
    except InternalError as error:
        return Examined(failed(row, str(error)))
    except OSError as error:
        return Examined(failed(row, f"what it left on the volume cannot be read: {error}"))


def _examine(plan: Plan, cell: Cell, scan: Scan, volume: Volume, row: LedgerRow) -> Examined:
    try:
        record = _read_record(plan.run, cell, volume)
    except DocumentError as error:
        return Examined(failed(row, f"its record cannot be read: {error}"))
    if record is not None:
        row = _with_record(row, record, plan)
    distrusted = (*plan.distrusted, *volume.distrusted)
    try:
        _check_record(record, scan)
        _check_scanner(_planned_scanner(scan, record, plan), distrusted)
        file = _read_file(plan.run, cell, scan, volume, record)
        report = _read_within(volume, plan.run, cell, parse_report(scan.format, file.data))
        row = _ok(row, file, report)
        _check_scanner(of_row(row), distrusted)
    except ReportError as error:
        return Examined(failed(row, str(error), log=record.log if record else ""))
    return Examined(row, report, len(file.data))


def standing(cell: Cell, scan: Scan, volume: Volume) -> Report | None:
    """What an earlier run found in a cell that this plan skipped because that result is still fresh.

    Args:
        cell: the cell; its `standing` names the run.
        scan: its scan.
        volume: where the earlier run lies.

    Returns:
        The report; None when it is not there any more, or cannot be read as the scan's format is now.
    """
    folder = volume.cell(cell.standing, cell.target, cell.scan)
    try:
        report = parse_report(scan.format, read_report(folder / scan.report, scan.report_limit, root=folder))
    except ReportError:
        return None
    return _read_within(volume, cell.standing, cell, report)


def _read_within(volume: Volume, run: str, cell: Cell, report: Report) -> Report:
    """The report, its paths as they are within the cell."""
    folder = volume.cell(run, cell.target, cell.scan).relative_to(volume.root).as_posix()
    return msgspec.structs.replace(report, findings=tuple(within_cell(report.findings, folder)))


def parse_report(format_name: str, data: bytes) -> Report:
    """Read a report by the name of its format.

    Raises:
        ReportError: there is no such format, or the report cannot be believed; also where the parser itself fails on
            it, so that a report made to break it costs its own cell and no other.
    """
    parser = formats().get(format_name)
    if parser is None:
        raise ReportError(f"its scan has the report format {format_name!r}; known are {', '.join(sorted(formats()))}")
    try:
        with guarded(f"parsing a {format_name} report"):
            report = parser.parse(data)
    except InternalError as error:
        raise ReportError(str(error)) from error
    if len(report.findings) > MOST_FINDINGS:
        raise ReportError(f"the report has {len(report.findings):,} findings; at most {MOST_FINDINGS:,} are accepted")
    return report


def clean(text: str, limit: int) -> str:
    """Foreign text for people: no control characters, cut to a length."""
    text = text.translate(_CONTROL).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _planned(cell: Cell, target: Target) -> LedgerRow:
    """The row as far as the plan knows it; with a reason when the plan already decided."""
    row = LedgerRow(
        cell=cell.id,
        target=target.id,
        scan=cell.scan,
        references=tuple(dict.fromkeys(name.reference for name in target.names)),
        owners=tuple(dict.fromkeys(name.owner for name in target.names if name.owner)),
        workloads=target.workloads,
        digest=target.digest,
        indexes=target.indexes,
        platform=str(target.platform),
        standing=cell.standing,
        outcome=Outcome.FAILED,
    )
    if cell.decision is Decision.SKIP:
        return msgspec.structs.replace(row, outcome=Outcome.SKIPPED, reason=cell.reason or "the plan gives no reason")
    if cell.decision is Decision.FAIL or target.error:
        reason = cell.reason or target.error or "the plan gives no reason"
        return failed(row, reason)
    return row


def _read_record(run: str, cell: Cell, volume: Volume) -> CellRecord | None:
    path = volume.record(run, cell.target, cell.scan)
    return read(path, CellRecord) if path.exists() else None


def _with_record(row: LedgerRow, record: CellRecord, plan: Plan) -> LedgerRow:
    refreshed, planned = version_time(record.database_version), _seconds(plan.created)
    stale = refreshed is not None and refreshed.timestamp() < int(planned)
    return msgspec.structs.replace(
        row,
        attempts=record.attempts,
        started=record.started,
        finished=record.finished,
        database_version=record.database_version,
        isolation=record.isolation,
        scanner_image=record.image,
        source=record.source,
        database_age=_age(record.database_version, _seconds(record.finished or record.started)),
        note=f"{STALE} {spell_time(refreshed)}: its refresh failed in this run" if refreshed and stale else "",
    )


def _age(version: str, at: float) -> int | None:
    """Seconds from a database's refresh to a moment."""
    refreshed = version_time(version)
    return max(0, int(at - refreshed.timestamp())) if refreshed is not None and at else None


def _check_record(record: CellRecord | None, scan: Scan) -> None:
    """Refuse a report of a scanner that is known to have failed."""
    if record is None:
        return
    if record.error:
        raise ReportError(record.error)
    if record.exit_code is not None and record.exit_code not in scan.success_codes:
        raise ReportError(f"the scanner ended with exit code {record.exit_code}")


def _planned_scanner(scan: Scan, record: CellRecord | None, plan: Plan) -> Made:
    """What is known of a cell's scanner without its report: where no attempt began, what the plan was to run."""
    if scan.builtin:
        return Made(scan.name)
    if record is None:
        return Made(scan.name, scan.image, scan.digests, started=plan.created, finished=plan.created)
    digests = scan.digests if record.image == scan.image else ()
    return Made(scan.name, record.image, digests, started=record.started, finished=record.finished)


def _check_scanner(made: Made, distrusted: Sequence[Distrust]) -> None:
    """Refuse the report of a scanner that is not trusted."""
    if reason := why(made, distrusted):
        raise ReportError(reason)


def _read_file(run: str, cell: Cell, scan: Scan, volume: Volume, record: CellRecord | None) -> ReportFile:
    """The report's bytes, when they are of this run's attempts."""
    folder = volume.cell(run, cell.target, cell.scan)
    try:
        file = read_report_file(folder / scan.report, scan.report_limit, root=folder)
    except ReportMissingError as error:
        if record is None:
            raise ReportError("never ran") from error
        if not record.finished:
            raise ReportError("was cut off: an attempt began, and neither its end nor a report was written") from error
        raise
    if record is not None and record.started and file.modified < _seconds(record.started) - _CLOCK_SLACK:
        raise ReportError("the report is older than the attempt: the scanner wrote none")
    return file


def _seconds(moment: str) -> float:
    """Seconds since 1970; a moment that cannot be read refuses no report."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0


def _ok(row: LedgerRow, file: ReportFile, report: Report) -> LedgerRow:
    written = spell_time(datetime.fromtimestamp(file.modified, UTC))
    return msgspec.structs.replace(
        row,
        outcome=Outcome.OK,
        finished=row.finished or written,
        findings=report.unsuppressed,
        components=report.components,
        scanner=clean(report.scanner, _NAME_LENGTH),
        scanner_version=clean(report.scanner_version, _NAME_LENGTH),
        database_version=clean(report.database_version, _NAME_LENGTH) or row.database_version,
        database_age=_age(row.database_version, file.modified),
        report_digest=f"sha256:{hashlib.sha256(file.data).hexdigest()}",
    )


def failed(row: LedgerRow, reason: str, *, log: str = "") -> LedgerRow:
    """The row of a cell that failed; nothing of its report is in it."""
    return msgspec.structs.replace(
        row,
        outcome=Outcome.FAILED,
        reason=clean(reason, _REASON_LENGTH) or "failed without a reason",
        log=clean(log, _LOG_LENGTH),
        findings=None,
        components=None,
        report_digest="",
    )
