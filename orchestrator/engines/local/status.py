"""How runs of the local engine stand, by what lies on its volume."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.engines.local.lock import RunBusy, locked
from orchestrator.errors import ScanmatrixError, UsageError
from orchestrator.kit.advice import resuming
from orchestrator.kit.guarding import guarded
from orchestrator.model import CellState, CellStatus, Decision, RunStatus
from orchestrator.model.documents import DocumentError
from orchestrator.model.endings import Evidence, NodeState, RecordState, decide, decision_of
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import attempts
from orchestrator.upkeep.plans import find_plan
from orchestrator.volume.records import NOTHING_RECORDED, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.model import Cell, Ledger, Plan, Scan, Target
    from orchestrator.volume.layout import Volume

_INTERVAL = 1.0
#: Decisions of a plan that leave something to happen to a cell.
_RECORDED = {Decision.RUN, Decision.AWAIT}


def status_of(run: str, volume: Volume) -> RunStatus:
    """How one run stands: by its ledger when it has ended, by the records of its cells before.

    Raises:
        UsageError: there is no such run.
    """
    plan = find_plan(run, volume)
    if goes_on(run, volume):
        return _by_records(plan, volume, NodeState.UNKNOWN, "running")
    try:
        ledger = read_ledger(volume, run)
        if not attempts(volume.results(run)).provisional:
            return _by_ledger(plan, ledger)
    except (NoResultsError, DocumentError, OSError):
        pass  # as where it is provisional
    message = f"it was cut off; resume it with {resuming(run)}"
    return _by_records(plan, volume, NodeState.CUT_OFF, "failed", message)


def statuses_of(volume: Volume, look: Callable[[str], RunStatus] | None = None) -> tuple[RunStatus, ...]:
    """How every run on a volume stands, the newest first; of one that cannot be read only why.

    Args:
        volume: where they lie.
        look: how one stands; `status_of` without it.
    """
    plans = sorted((volume.root / "plans").glob("[!.]*.json"), key=_modified, reverse=True)
    return tuple(_status_or_why(path.stem, look or partial(status_of, volume=volume)) for path in plans)


def _modified(path: Path) -> float:
    """When a plan was written; 0.0 for one that is gone meanwhile."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _status_or_why(run: str, look: Callable[[str], RunStatus]) -> RunStatus:
    try:
        with guarded(f"looking how run {run} stands"):
            return look(run)
    except (ScanmatrixError, OSError) as error:
        return RunStatus(run=run, state="failed", message=str(error))


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
    found = Records(volume, run).look(target, scan)
    if found.state in {RecordState.NONE, RecordState.DAMAGED}:
        raise UsageError(f"the cell {target}/{scan} of run {run} has not run: {found.reason or 'it has no record'}")
    yield from found.record.log.splitlines()
    if found.reason:
        yield f"({found.reason})"


def goes_on(run: str, volume: Volume) -> bool:
    """Whether an engine is at work on a run."""
    if not volume.lock(run).exists():
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
            state=CellState(row.outcome),
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


def _by_records(plan: Plan, volume: Volume, node: NodeState, state: str, message: str = "") -> RunStatus:
    records, scans = Records(volume, plan.run), {scan.name: scan for scan in plan.scans}
    targets = plan.targets_by_id
    cells = tuple(
        status_of_cell(targets[cell.target], cell, scans[cell.scan], records, node=node) for cell in plan.cells
    )
    return RunStatus(run=plan.run, state=state, message=message, started=plan.created, cells=cells)


def status_of_cell(target: Target, cell: Cell, scan: Scan, records: Records, *, node: NodeState) -> CellStatus:
    """How a cell stands by its plan, its record, and what else is known of who works on it."""
    decision = decision_of(cell, target)
    found = records.look(cell.target, cell.scan, scan.success_codes) if decision in _RECORDED else NOTHING_RECORDED
    rule = decide(Evidence(decision, found.state, node))
    return CellStatus(
        target=cell.target,
        scan=cell.scan,
        reference=target.reference,
        state=rule.state,
        message=rule.reason(plan=cell.reason or target.error, record=found.reason),
        attempts=found.record.attempts,
        started=found.record.started,
        finished=found.record.finished,
    )
