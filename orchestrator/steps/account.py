"""The ledger and the summary of a run, written alone: for a run whose other results cannot be put together."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.analysis.summary import summarise
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.kit.text import markdown
from orchestrator.model import Ledger, Outcome, Verdict
from orchestrator.model.documents import encode, spell_time
from orchestrator.results.bom import BOM
from orchestrator.results.cells import examine, failed
from orchestrator.results.ledger import moment
from orchestrator.results.provisional import LEDGER
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.analysis.summary import Severities
    from orchestrator.model import LedgerRow, Plan
    from orchestrator.results.cells import ReadReport
    from orchestrator.volume.layout import Volume

#: Tables of a run, and the same for spreadsheets.
TABLES, SHEETS = ("findings.parquet", "merged.parquet"), ("findings.csv", "merged.csv")
#: What is made of results that were put only when somebody asks for it.
LATER = (*SHEETS, BOM, "report.html")
#: What a run has beside its ledger and its summary.
FILES = (*TABLES, *LATER)


class NotOnVolume(NamedTuple):
    """What is not on the volume.

    Attributes:
        notes: what else a reader of the summary should know, a sentence each.
        unrecorded: why cells failed whose records could not be written, by target id and scan.
        reports: those on it that were read before, by target id and scan; no other may need them.
    """

    notes: Sequence[str]
    unrecorded: Mapping[tuple[str, str], str]
    reports: Mapping[tuple[str, str], ReadReport] = MappingProxyType({})


def account(plan: Plan, volume: Volume, reason: str, told: NotOnVolume, *, read: bool = True) -> Ledger:
    """Write the ledger of a run whose results could not be put together: no cell of it counts as ok.

    Files that an earlier call wrote would be about something else, so they go. Memory holds one report at a time.

    Args:
        plan: of the run.
        volume: where it lies.
        reason: why there are no results.
        told: what is not on the volume.
        read: whether reports are read, to say which of them cannot be believed; without that it takes no time.
    """
    folder = volume.results(plan.run)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    rows = tuple(_rows(plan, volume, reason, told, read=read))
    ledger = ledger_of(plan, rows, Verdict(passed=False, broken=(reason,)))
    write_ledger(volume, ledger, {}, [reason, *told.notes])
    return ledger


def _rows(plan: Plan, volume: Volume, reason: str, told: NotOnVolume, *, read: bool) -> list[LedgerRow]:
    scans, targets = {scan.name: scan for scan in plan.scans}, plan.targets_by_id
    rows = []
    for cell in plan.cells:
        unrecorded = told.unrecorded.get((cell.target, cell.scan), "")
        row = examine(plan, cell, targets[cell.target], scans[cell.scan], volume, unrecorded=unrecorded, read=read).row
        rows.append(failed(row, reason) if row.outcome is Outcome.OK else row)
    return rows


def ledger_of(plan: Plan, rows: tuple[LedgerRow, ...], verdict: Verdict) -> Ledger:
    """The ledger of a plan by the rows of its cells."""
    return Ledger(
        run=plan.run,
        created=plan.created,
        finished=_latest(rows) or plan.created,
        rows=rows,
        verdict=verdict,
        partial=plan.partial,
        names={target.id: target.names for target in plan.targets},
    )


def _latest(rows: Sequence[LedgerRow]) -> str:
    """The latest moment in the ledger's rows, RFC 3339 in UTC; empty when nothing ran."""
    moments = [moment(text) for row in rows for text in (row.started, row.finished)]
    latest = max((each for each in moments if each), default=None)
    return spell_time(latest) if latest else ""


def write_ledger(volume: Volume, ledger: Ledger, severities: Severities, notes: Sequence[str]) -> None:
    """Write the summary of a run, then its ledger."""
    folder = volume.results(ledger.run)
    try:
        with guarded(f"writing the summary of run {ledger.run}"):
            text = summarise(ledger, severities, notes)
    except InternalError as error:
        text = f"# Run {ledger.run}\n\n{markdown(str(error))}\n"
    # With it, whatever was written there before becomes durable: the ledger says that all of it is there.
    write_atomic(folder / "summary.md", text.encode())
    write_atomic(folder / LEDGER, encode(ledger))
