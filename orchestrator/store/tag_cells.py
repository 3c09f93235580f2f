"""The cells of runs as questions across them see them: once for each name of their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sqlalchemy import and_, bindparam, select

from orchestrator.model import Outcome
from orchestrator.store.dialects import batches, rows_by
from orchestrator.store.schema import cells, run_tags, states
from orchestrator.store.spans import Position
from orchestrator.store.suspects import Suspicions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.model import Distrust

#: When a run ended (seconds since 1970), and its id: runs in the order in which they ended.
Order: TypeAlias = tuple[int, str]

# Runs up to which cells are looked up by target, scan and run.
_FEW_RUNS = 16
# What is read of a target's scan, and of a cell.
_OF_STATE = (states.c.scan, states.c.ok_run_id, states.c.suspect, states.c.ever_found)
_OF_CELL = (
    cells.c.state_id,
    cells.c.run_id,
    cells.c.at,
    cells.c.outcome,
    cells.c.reason,
    cells.c.standing,
    cells.c.scanner,
    cells.c.scanner_version,
    cells.c.scanner_image,
)
_CELL_BEGINS = 2 + len(_OF_STATE)
_CELLS = (
    select(run_tags.c.tag_id, run_tags.c.target_id, *_OF_STATE, *_OF_CELL)
    .join(states, states.c.target_id == run_tags.c.target_id)
    .join(cells, and_(cells.c.state_id == states.c.id, cells.c.run_id == run_tags.c.run_id))
)
_NAMES, _OF_STATES = select(run_tags), select(*_OF_CELL)
# Of many runs the cells of a state are read through: the sum keeps planners from trying every pair.
_ANY_RUN = cells.c.run_id + 0
_STATES = select(states.c.id, states.c.target_id, *_OF_STATE)
_STATES_OF = _STATES.where(states.c.scan.in_(bindparam("scans", expanding=True)))


class TagCell(NamedTuple):
    """How a cell of a name ended in one run.

    Attributes:
        tag: number of the name.
        target: number of the target that the name meant.
        state: number of the target and scan.
        holds: whether there is a result of it: it ended ok, or was skipped because an earlier one still stands.
        suspect: why that result is not believed.
        place: where what it told is found.
        may_tell: whether anything was ever found of the target by the scan; where not, the cell tells nothing.
    """

    tag: int
    target: int
    state: int
    scan: str
    order: Order
    outcome: str
    reason: str
    holds: bool
    suspect: str
    place: Position
    may_tell: bool

    @property
    def run(self) -> str:
        """Id of the run."""
        return self.order[1]


TellingCell: TypeAlias = tuple[TagCell, frozenset[int]]
"""A cell that tells what names mean, and the numbers of these names."""


class TagCells:
    """Reads the cells of runs.

    Args:
        connection: of one transaction.
        orders: of the runs, by their numbers.
        distrusted: which scanners are not believed.
    """

    def __init__(self, connection: Connection, orders: Mapping[int, Order], distrusted: Sequence[Distrust]) -> None:
        self._connection = connection
        self._orders = orders
        self._suspicions = Suspicions(distrusted)

    def of(
        self, runs_: Sequence[int], wanted: Collection[int] | None, scans: Collection[str] | None = None
    ) -> Iterator[TagCell]:
        """The cells of runs, once for each name of their targets.

        Args:
            runs_: of these runs, by their numbers.
            wanted: only of these names; None for all.
            scans: where only some names are wanted: of them, only by these scans; None for all.
        """
        if wanted is not None:
            for some in batches(wanted):
                yield from self._of_names(runs_, some, scans)
            return
        for row in rows_by(self._connection, run_tags.c.run_id, runs_, _CELLS):
            yield self._cell(row[0], row[1], row[2:_CELL_BEGINS], row[_CELL_BEGINS:])

    def _of_names(
        self, runs_: Sequence[int], wanted: Sequence[int], scans: Collection[str] | None
    ) -> Iterator[TagCell]:
        """Of some names: asked table by table, each by its key, so that no planner reads whole runs."""
        had: dict[tuple[int, int], list[int]] = {}
        for run, tag, target in rows_by(
            self._connection, run_tags.c.run_id, runs_, _NAMES, also=(run_tags.c.tag_id, wanted)
        ):
            had.setdefault((target, run), []).append(tag)
        of_targets = {target for target, _ in had}
        if scans is None:
            found = rows_by(self._connection, states.c.target_id, of_targets, _STATES)
        else:
            found = rows_by(self._connection, states.c.target_id, of_targets, _STATES_OF, scans=list(scans))
        known = {state: (target, of_state) for state, target, *of_state in found}
        run = cells.c.run_id if len(runs_) <= _FEW_RUNS else _ANY_RUN
        for cell in rows_by(self._connection, cells.c.state_id, known, _OF_STATES, also=(run, runs_)):
            target, of_state = known[cell[0]]
            for tag in had.get((target, cell[1]), ()):
                yield self._cell(tag, target, of_state, cell)

    def _cell(self, tag: int, target: int, of_state: Sequence[Any], cell: Sequence[Any]) -> TagCell:
        """A cell, of columns as in `_OF_STATE` and `_OF_CELL`: there are up to tens of thousands for one answer."""
        scan, ok_run, marked, ever_found = of_state
        state, run, at, outcome, reason, standing, *made_by = cell
        order = self._orders[run]
        ok = outcome == Outcome.OK
        suspect = ""
        if ok:
            suspect = marked if marked and run == ok_run else self._by_rules(scan, at, *made_by)
        place = Position(at, order[1])
        holds = ok or standing != ""
        return TagCell(tag, target, state, scan, order, outcome, reason, holds, suspect, place, ever_found == 1)

    def suspect(self, row: Row[Any]) -> str:
        """Why a result is not believed: as the newest of its target and scan was marked, or else by the rules."""
        if row.suspect and row.run_id == row.ok_run_id:
            return str(row.suspect)
        return self._by_rules(row.scan, row.at, row.scanner, row.scanner_version, row.scanner_image)

    def _by_rules(self, scan: str, at: int, scanner: str, version: str, image: str) -> str:
        if not self._suspicions.may_be(scan, image, scanner, version):
            return ""
        values = {"at": at, "scanner": scanner, "scanner_version": version, "scanner_image": image}
        return str(self._suspicions.of(scan, values)["suspect"])
