"""Tells an observer what happens in a run: what changed between two looks at it, each thing once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.sbom_batches import sbom_batches
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.model import Cell, CellRecord, CellState, Name, Plan, Target
from orchestrator.volume.layout import batch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.engines.interface import Observer
    from orchestrator.model import CellStatus, RunStatus

_log = logging.getLogger(__name__)

_ENDED = {CellState.OK, CellState.FAILED}


class Narrator:
    """Turns statuses of a run into events.

    Args:
        plan: of the run; what is not in it is passed over.
        observer: is notified.
    """

    def __init__(self, plan: Plan, observer: Observer) -> None:
        self._observer = observer
        self._cells = {cell.id: cell for cell in plan.cells}
        #: Cells that read stored SBOMs, by what stands for their batch in a status.
        self._batches = {f"{batch_folder(each.number)}/{each.scan}": each.cells for each in sbom_batches(plan)}
        self._targets = plan.targets_by_id
        self._seen: dict[str, CellState] = {}
        self._pulls: dict[str, CellState] = {}
        self._is_first = True
        notify(observer.plan_started, plan)

    def tell(self, status: RunStatus) -> None:
        """Tell what is new. A cell that is tried again is reported once, when it has ended for good with the run.

        What had ended well at the first look was done before, so it has an end and no beginning.
        """
        for pull in status.pulls:
            self._tell_pull(pull.target, pull.state, pull.message)
        for cell in status.cells:
            if cell.id in self._cells:
                self._tell_cell(cell, final=status.ended)
            elif cell.state is CellState.OK and not cell.message:  # of a batch that has left none
                for each in self._batches.pop(cell.id, ()):
                    self._tell_cell(msgspec.structs.replace(cell, target=each.target), final=status.ended)
        self._is_first = False

    def _tell_pull(self, target: str, state: CellState, message: str) -> None:
        found = self._targets.get(target)
        before = self._pulls.get(target)
        if found is None or before is state or before is CellState.OK:
            return
        self._pulls[target] = state
        if before is None:
            notify(self._observer.pull_started, found)
        if state in _ENDED:
            notify(self._observer.pull_finished, found, message if state is CellState.FAILED else "")

    def _tell_cell(self, cell: CellStatus, *, final: bool) -> None:
        before = self._seen.get(cell.id)
        if before in _ENDED:
            return
        was_done = self._is_first and cell.state is CellState.OK
        if before is None and cell.state is not CellState.WAITING and not was_done:
            notify(self._observer.cell_started, self._cells[cell.id])
            self._seen[cell.id] = CellState.RUNNING
        if cell.state is CellState.OK or (cell.state is CellState.FAILED and final):
            self._seen[cell.id] = cell.state
            error = (cell.message or "failed") if cell.state is CellState.FAILED else ""
            record = CellRecord(attempts=cell.attempts, started=cell.started, finished=cell.finished, error=error)
            notify(self._observer.cell_finished, self._cells[cell.id], record)


def narrate(statuses: Iterator[RunStatus], plan_of: Callable[[RunStatus], Plan], observer: Observer) -> RunStatus:
    """Tell an observer what happens in a run, to its end; returns its last status.

    Args:
        statuses: of the run, as it changes; one at least.
        plan_of: the plan of the run, by its first status.
        observer: is notified.
    """
    last = next(statuses)
    narrator = Narrator(plan_of(last), observer)
    narrator.tell(last)
    for last in statuses:
        narrator.tell(last)
    return last


def plan_shown_by(status: RunStatus) -> Plan:
    """As much of a plan as the status of its run shows, for those who do not have the plan."""
    references = {cell.target: cell.reference or cell.target for cell in status.cells}
    return Plan(
        run=status.run,
        created=status.started,
        version="",
        scans=(),
        targets=tuple(Target(id=id_, names=(Name(reference=name),)) for id_, name in references.items()),
        cells=tuple(Cell(target=cell.target, scan=cell.scan) for cell in status.cells),
    )


def notify(call: Callable[..., None], *about: object) -> None:
    """Tell an observer one thing; one that fails ends neither the run nor the other reports of it."""
    try:
        with guarded(f"telling an observer by {call!r}"):
            call(*about)
    except (ScanmatrixError, OSError) as error:
        _log.warning("an observer could not be notified by %r: %s", call, error)
