"""One run: while it runs what its cells do, afterwards its ledger, folded to what is not ok."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model import CellState, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.model import Ledger, LedgerRow, RunStatus

#: Most cells that are listed.
MOST = 500


class RunCell(NamedTuple):
    """A cell of a run for people."""

    target: str
    name: str
    scan: str
    state: str
    why: str


class RunView(NamedTuple):
    """A run.

    Attributes:
        state: as the engine says; `ended` where only the ledger is left.
        counts: cells by state, in words of `orchestrator.model.CellState`.
        cells: those that are not ok, the failed ones first; at most `MOST`.
        left_out: how many more there are.
        message: why it stands so, where there is anything to say.
        files: of `report` and `bom`, what there is of it.
    """

    run: str
    state: str
    started: str
    finished: str
    counts: dict[str, int]
    cells: tuple[RunCell, ...] = ()
    left_out: int = 0
    message: str = ""
    files: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """All cells."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """Those that have ended."""
        return self.total - self.counts.get(CellState.WAITING, 0) - self.counts.get(CellState.RUNNING, 0)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in {"pending", "running"}


_ORDER = {state.value: place for place, state in enumerate((CellState.FAILED, CellState.RUNNING, CellState.WAITING))}


def of_status(status: RunStatus) -> RunView:
    """A run that an engine tells of."""
    rows = [
        RunCell(cell.target, cell.reference or cell.target, cell.scan, cell.state.value, cell.message)
        for cell in status.cells
    ]
    counts = {state.value: number for state, number in status.counts().items()}
    view = RunView(status.run, status.state, status.started, status.finished, counts, message=status.message)
    return _folded(view, rows)


def of_ledger(ledger: Ledger, rows: Sequence[LedgerRow]) -> RunView:
    """A run that has ended.

    Args:
        ledger: of it.
        rows: those that may be seen.
    """
    cells = [
        RunCell(
            row.target, next(iter(row.references), row.target), row.scan, row.outcome.value, row.suspect or row.reason
        )
        for row in rows
    ]
    numbers = Counter(row.outcome for row in rows)
    counts = {outcome.value: numbers[outcome] for outcome in Outcome if numbers[outcome]}
    view = RunView(ledger.run, "ended", ledger.created, ledger.finished, counts, message=ledger.verdict.remark)
    return _folded(view, cells)


def _folded(view: RunView, rows: Iterable[RunCell]) -> RunView:
    told = [row for row in rows if row.state != Outcome.OK.value or row.why]
    told.sort(key=lambda row: _ORDER.get(row.state, len(_ORDER)))
    return view._replace(cells=tuple(told[:MOST]), left_out=max(0, len(told) - MOST))
