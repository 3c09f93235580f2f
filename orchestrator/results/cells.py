"""The ledger's rows: how each cell of a plan ended, by `orchestrator.model.endings` and what lies on the volume.

In a cluster the end of an attempt is written into the record when the run ends, from what the API server knows
(`orchestrator.steps.settle`). Where nobody could ask it, records have no end, and the report alone tells.
"""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from orchestrator.catalog.question import question_of
from orchestrator.errors import ScanmatrixError
from orchestrator.findings.interface import Report, ReportError, ReportMissingError
from orchestrator.findings.reading import read_report_file
from orchestrator.kit.guarding import guarded
from orchestrator.model import Cell, CellRecord, CellState, Decision, LedgerRow, Outcome, Plan, Scan, Target
from orchestrator.model.documents import spell_time
from orchestrator.model.endings import Evidence, RecordState, ReportState, decide, decision_of
from orchestrator.results.reports import parse_report, read_within
from orchestrator.scanners.distrust import Made, of_row, why
from orchestrator.volume.layout import Volume, version_time
from orchestrator.volume.records import Recorded, Records

_REASON_LENGTH = 500
_NAME_LENGTH = 100
#: How the note of a row begins whose database was due for a newer one when its run was planned.
STALE = "database stale since"
_LOG_LENGTH = 4000
# Whatever a terminal could take for a command, line breaks aside.
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class ReadReport(NamedTuple):
    """A report that was read.

    Attributes:
        report: what it says.
        digest: of its bytes.
        size: how many they are.
        modified: when they were written, seconds since 1970.
    """

    report: Report
    digest: str
    size: int
    modified: float


class Examined(NamedTuple):
    """A cell's ledger row and, when it is ok, what its report says and how many bytes that took."""

    row: LedgerRow
    report: Report | None = None
    size: int = 0


class _Seen(NamedTuple):
    """What there is to say of a report; when it was read, the row of a cell that ended ok with it, and the report."""

    state: ReportState
    reason: str = ""
    row: LedgerRow | None = None
    report: Report | None = None
    size: int = 0


def examine(
    plan: Plan,
    cell: Cell,
    target: Target,
    scan: Scan,
    volume: Volume,
    *,
    unrecorded: str = "",
    read: bool = True,
    known: ReadReport | None = None,
) -> Examined:
    """Decide how a cell ended; trouble of any kind is its outcome, never an exception.

    Args:
        plan: of the run whose folder on the volume holds the cell's record and report.
        cell: the cell.
        target: its target.
        scan: its scan.
        volume: where the run lies; knows who is not trusted, as the plan does.
        unrecorded: why it failed, where that could not be written into its record.
        read: False to take any report for a sound one; that takes no time.
        known: its report, where the caller has read it.
    """
    row, decision = _planned(cell, target, scan), decision_of(cell, target)
    rule = decide(Evidence(decision, report=ReportState.SOUND))
    if rule.state is not CellState.OK:  # whatever lies on the volume
        return Examined(_ended(row, rule.state, cell.reason or target.error or "the plan gives no reason"))
    try:
        with guarded(f"examining {target.reference} × {scan.name}"):
            found = Records(volume, plan.run).look(cell.target, cell.scan, scan.success_codes)
            found = found._replace(state=RecordState.FAILED, reason=unrecorded) if unrecorded else found
            return _examine(plan, cell, scan, volume, found=found, decision=decision, row=row, read=read, known=known)
    except ScanmatrixError as error:
        return Examined(failed(row, str(error)))
    except OSError as error:
        return Examined(failed(row, f"what it left on the volume cannot be read: {error}"))


def _examine(
    plan: Plan,
    cell: Cell,
    scan: Scan,
    volume: Volume,
    *,
    found: Recorded,
    decision: Decision,
    row: LedgerRow,
    read: bool,
    known: ReadReport | None,
) -> Examined:
    """Go by the record, and look at the report where the best one could make the cell ok."""
    if found.state not in {RecordState.NONE, RecordState.DAMAGED}:
        row = _with_record(row, found.record, plan, scan)
    seen = _Seen(ReportState.SOUND)
    rule = decide(Evidence(decision, found.state, report=seen.state))
    if rule.state is CellState.OK:
        if read:
            seen = _see(plan, cell, scan, volume, found=found, row=row, known=known)
        else:
            seen = _glance(volume.cell(plan.run, cell.target, cell.scan), scan.report, row)
        rule = decide(Evidence(decision, found.state, report=seen.state))
    if rule.state is CellState.OK and seen.row is not None:
        return Examined(seen.row, seen.report, seen.size)
    reason = rule.reason(record=found.reason, report=seen.reason)
    return Examined(failed(seen.row or row, reason, log=found.record.log))


def _glance(folder: Path, report: str, row: LedgerRow) -> _Seen:
    """Look only whether there is a report in a cell's folder."""
    if os.path.lexists(folder / report):
        return _Seen(ReportState.SOUND, row=msgspec.structs.replace(row, outcome=Outcome.OK))
    return _Seen(ReportState.MISSING, f"there is no report {report}")


def _see(
    plan: Plan, cell: Cell, scan: Scan, volume: Volume, *, found: Recorded, row: LedgerRow, known: ReadReport | None
) -> _Seen:
    """Read a cell's report, unless its scanner is not trusted; the row is then that of a cell that ended ok."""
    distrusted = (*plan.distrusted, *volume.distrusted)
    if reason := why(_planned_scanner(scan, found, plan), distrusted):
        return _Seen(ReportState.DISTRUSTED, reason)
    try:
        file = known or _read(volume.cell(plan.run, cell.target, cell.scan), scan)
        report = read_within(plan.run, cell, scan, file.report)
    except ReportMissingError as error:
        return _Seen(ReportState.MISSING, str(error))
    except ReportError as error:
        return _Seen(ReportState.UNSOUND, str(error))
    row = _ok(row, file, report)
    if reason := why(of_row(row), distrusted):
        return _Seen(ReportState.DISTRUSTED, reason, row)
    return _Seen(ReportState.SOUND, row=row, report=report, size=file.size)


def _read(folder: Path, scan: Scan) -> ReadReport:
    file = read_report_file(folder / scan.report, scan.report_limit, root=folder)
    digest = f"sha256:{hashlib.sha256(file.data).hexdigest()}"
    return ReadReport(parse_report(scan.format, file.data), digest, len(file.data), file.modified)


def clean(text: str, limit: int) -> str:
    """Foreign text for people: no control characters, cut to a length."""
    text = text.translate(_CONTROL).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _planned(cell: Cell, target: Target, scan: Scan) -> LedgerRow:
    """The row as far as the plan knows it."""
    return LedgerRow(
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
        asked=question_of(scan, target.kind, online=cell.online) if cell.decision is Decision.RUN else "",
        outcome=Outcome.FAILED,
    )


def _with_record(row: LedgerRow, record: CellRecord, plan: Plan, scan: Scan) -> LedgerRow:
    return msgspec.structs.replace(
        row,
        attempts=record.attempts,
        started=record.started,
        finished=record.finished,
        database_version=record.database_version,
        isolation=record.isolation,
        scanner_image=record.image,
        source=record.source,
        put_by=record.put_by,
        database_age=_age(record.database_version, _seconds(record.finished or record.started)),
        note="; ".join(filter(None, (clean(record.note, _REASON_LENGTH), _note(scan, record, plan)))),
    )


def _note(scan: Scan, record: CellRecord, plan: Plan) -> str:
    """That a cell used a database for which a newer one was due when its run was planned."""
    refreshed = version_time(record.database_version)
    if scan.database is None or refreshed is None:
        return ""
    age = int(_seconds(plan.created)) - refreshed.timestamp()
    if age <= 0 or not scan.database.is_due(age):
        return ""
    why = "its refresh failed in this run" if scan.database.update else "this run was to download none"
    return f"{STALE} {spell_time(refreshed)}: {why}"


def _age(version: str, at: float) -> int | None:
    """Seconds from a database's refresh to a moment."""
    refreshed = version_time(version)
    return max(0, int(at - refreshed.timestamp())) if refreshed is not None and at else None


def _planned_scanner(scan: Scan, found: Recorded, plan: Plan) -> Made:
    """What is known of a cell's scanner without its report: where no attempt began, what the plan was to run."""
    record = found.record
    if scan.builtin:
        return Made(scan.name)
    if found.state is RecordState.NONE:
        return Made(scan.name, scan.image, scan.digests, started=plan.created, finished=plan.created)
    digests = scan.digests if record.image == scan.image else ()
    return Made(scan.name, record.image, digests, started=record.started, finished=record.finished)


def _seconds(moment: str) -> float:
    """Seconds since 1970; a moment that cannot be read refuses no report."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0


def _ok(row: LedgerRow, file: ReadReport, report: Report) -> LedgerRow:
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
        report_digest=file.digest,
    )


def _ended(row: LedgerRow, state: CellState, reason: str) -> LedgerRow:
    """The row of a cell that the plan has ended."""
    if state is CellState.SKIPPED:
        return msgspec.structs.replace(row, outcome=Outcome.SKIPPED, reason=reason)
    return failed(row, reason)


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
