"""How runs of the local engine stand, by what lies on its volume."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.engines.local.lock import RunBusy, locked
from orchestrator.errors import UsageError
from orchestrator.model import CellRecord, CellState, CellStatus, Decision, Outcome, RunStatus
from orchestrator.model.documents import DocumentError, read
from orchestrator.results.interface import NoResultsError
from orchestrator.results.ledger import read_ledger
from orchestrator.upkeep.plans import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.model import Cell, Ledger, Plan
    from orchestrator.volume.layout import Volume

_OUTCOMES = {Outcome.OK: CellState.OK, Outcome.FAILED: CellState.FAILED, Outcome.SKIPPED: CellState.SKIPPED}
_INTERVAL = 1.0


def status_of(run: str, volume: Volume) -> RunStatus:
    """How one run stands: by its ledger when it has ended, by the records of its cells before.

    Raises:
        UsageError: there is no such run.
    """
    if not volume.plan(run).exists():
        raise UsageError(f"no run {run!r} on {volume.root}: there is no {volume.plan(run)}")
    plan = read_plan(run, volume)
    if goes_on(run, volume):
        return _by_records(plan, volume, "running")
    try:
        return _by_ledger(plan, read_ledger(volume, run))
    except (NoResultsError, DocumentError):
        return _by_records(plan, volume, "failed", "it was cut off; go on with `scanmatrix run --resume`")


def statuses_of(volume: Volume) -> tuple[RunStatus, ...]:
    """How every run on a volume stands, the newest first."""
    plans = sorted((volume.root / "plans").glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return tuple(status_of(path.stem, volume) for path in plans)


def follow(run: str, volume: Volume) -> Iterator[RunStatus]:
    """The status now, and whenever it has changed, until the run has ended."""
    last: RunStatus | None = None
    while last is None or not last.ended:
        found = status_of(run, volume)
        if found != last:
            yield found
        last = found
        if not found.ended:
            time.sleep(_INTERVAL)


def log_of(run: str, target: str, scan: str, volume: Volume) -> Iterator[str]:
    """The last lines that the scanner of a cell wrote to stderr.

    Raises:
        UsageError: it has not run.
    """
    path = volume.record(run, target, scan)
    try:
        record = read(path, CellRecord)
    except DocumentError as error:
        raise UsageError(f"the cell {target}/{scan} of run {run} has not run: {error}") from error
    yield from record.log.splitlines()
    if record.error:
        yield f"({record.error})"


def goes_on(run: str, volume: Volume) -> bool:
    """Whether an engine is at work on a run."""
    if not (volume.run(run) / ".lock").exists():
        return False
    try:
        with locked(volume.run(run), run):
            return False
    except RunBusy:
        return True


def _by_ledger(plan: Plan, ledger: Ledger) -> RunStatus:
    references = {id_: target.reference for id_, target in plan.targets_by_id.items()}
    cells = tuple(
        CellStatus(
            target=row.target,
            scan=row.scan,
            reference=references.get(row.target, ""),
            state=_OUTCOMES[row.outcome],
            message=row.reason,
            attempts=row.attempts,
            started=row.started,
            finished=row.finished,
        )
        for row in ledger.rows
    )
    return RunStatus(
        run=plan.run,
        state="succeeded" if ledger.verdict.passed else "failed",
        message="; ".join(ledger.verdict.broken),
        started=ledger.created,
        finished=ledger.finished,
        cells=cells,
    )


def _by_records(plan: Plan, volume: Volume, state: str, message: str = "") -> RunStatus:
    cells = tuple(_cell(plan, cell, volume) for cell in plan.cells)
    return RunStatus(run=plan.run, state=state, message=message, started=plan.created, cells=cells)


def _cell(plan: Plan, cell: Cell, volume: Volume) -> CellStatus:
    reference = plan.targets_by_id[cell.target].reference
    if cell.decision is not Decision.RUN:
        state = CellState.SKIPPED if cell.decision is Decision.SKIP else CellState.FAILED
        return CellStatus(target=cell.target, scan=cell.scan, reference=reference, state=state, message=cell.reason)
    try:
        record = read(volume.record(plan.run, cell.target, cell.scan), CellRecord)
    except DocumentError:
        return CellStatus(target=cell.target, scan=cell.scan, reference=reference)
    ended = CellState.FAILED if record.error else CellState.OK
    return CellStatus(
        target=cell.target,
        scan=cell.scan,
        reference=reference,
        state=ended if record.finished else CellState.RUNNING,
        message=record.error,
        attempts=record.attempts,
        started=record.started,
        finished=record.finished,
    )
