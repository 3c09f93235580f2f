"""From when to when the cells of a run ended, and what they are: kept with the run, so that none is read for it.

A run whose cells were deleted in part, or that an earlier version imported, has no `Extent`; its cells tell it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, func, select

from orchestrator.model import Document, Outcome
from orchestrator.store.dialects import rows_by
from orchestrator.store.schema import cells, run_tags, runs, states

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.model import LedgerRow

_OF_RUN = cells.c.run_id == bindparam("run")
_EXTENTS = select(runs.c.id, runs.c.extent).where(runs.c.extent.is_not(None))
_TARGETS = select(func.count(states.c.target_id.distinct())).join(cells, cells.c.state_id == states.c.id).where(_OF_RUN)
_SCANS = (
    select(states.c.scan, func.count().label("cells"))
    .join(cells, cells.c.state_id == states.c.id)
    .where(_OF_RUN)
    .group_by(states.c.scan)
)
_MAKERS = (
    select(states.c.scan, cells.c.scanner_image, cells.c.scanner, cells.c.scanner_version)
    .join(cells, cells.c.state_id == states.c.id)
    .where(_OF_RUN, cells.c.outcome == Outcome.OK)
    .distinct()
)
_SEVERAL = (
    select(run_tags.c.tag_id)
    .where(run_tags.c.run_id == bindparam("run"))
    .group_by(run_tags.c.tag_id)
    .having(func.count() > 1)
    .limit(1)
)


class Maker(NamedTuple):
    """What made results: a scan, and its scanner."""

    scan: str
    image: str
    scanner: str
    version: str


class Times(NamedTuple):
    """When the first and the last cell of a run ended, in seconds since 1970."""

    begin: int
    end: int


class RunTimes:
    """When the cells of all runs ended, by the numbers of the runs.

    Attributes:
        are_known: whether every run is whole; of one that is on its way into the store nobody knows.

    Args:
        rows: of `runs`.
    """

    def __init__(self, rows: Iterable[Row[*tuple[Any, ...]]]) -> None:
        self._known: dict[int, Times] = {}
        self.are_known = True
        for row in rows:
            if row.ledger_digest:
                self._known[row.id] = Times(row.begin_at, row.end_at)
            else:
                self.are_known = False

    def __getitem__(self, run: int) -> Times:
        return self._known[run]

    def begin_if_last(self, run: int) -> int | None:
        """When the first cell of a run ended, where no cell of another run ended later; None where one may have."""
        begin = self._known[run].begin
        others = (times.end for other, times in self._known.items() if other != run)
        return begin if self.are_known and all(end < begin for end in others) else None

    def after(self, some: Collection[int]) -> int:
        """From when on cells may be of others: after the last one of some runs, or where others mingle, the first."""
        begin, end = min(self._known[run].begin for run in some), max(self._known[run].end for run in some)
        others = (times for run, times in self._known.items() if run not in some)
        apart = all(times.end < begin or times.begin > end for times in others)
        return end + 1 if self.are_known and apart else begin


class Extent(Document, frozen=True):
    """What the cells of a run are.

    Attributes:
        targets: how many it has cells of.
        scans: how many cells of each.
        makers: what made its ok results.
        several: whether one of its names may mean several targets; an earlier version did not look.
    """

    targets: int
    scans: dict[str, int]
    makers: tuple[Maker, ...]
    several: bool = True

    @property
    def whole_scans(self) -> set[str]:
        """The scans that it has of every target."""
        return {scan for scan, number in self.scans.items() if number == self.targets}


_DECODER = msgspec.json.Decoder(Extent)


class RunNames(NamedTuple):
    """Which names a run has for which targets.

    Attributes:
        digest: equal where these are the same; empty where nobody knows.
        several: whether one of the names means several targets.
    """

    digest: str
    several: bool


class Measured:
    """What is seen of the cells of a run on their way into the store.

    Args:
        names: what it has.
    """

    def __init__(self, names: RunNames) -> None:
        self._names = names
        self._moments: set[int] = set()
        self._targets: set[str] = set()
        self._scans = Counter[str]()
        self._makers: dict[Maker, None] = {}

    def add(self, row: LedgerRow, values: Mapping[str, Any]) -> None:
        """A row of the ledger, with the columns of the cell that it is."""
        self._moments.add(values["at"])
        self._targets.add(row.target)
        self._scans[row.scan] += 1
        if row.outcome is Outcome.OK:
            made = (row.scan, values["scanner_image"], values["scanner"], values["scanner_version"])
            self._makers[Maker(*made)] = None

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the run that say it."""
        said = Extent(len(self._targets), self._scans, tuple(self._makers), several=self._names.several)
        times = {"begin_at": min(self._moments, default=0), "end_at": max(self._moments, default=0)}
        return {**times, "extent": msgspec.json.encode(said).decode(), "names_digest": self._names.digest}


def read_extent(kept: str) -> Extent:
    """The column `extent` of a run that has it kept with it."""
    return _DECODER.decode(kept)


def extents(connection: Connection, wanted: Sequence[int]) -> dict[int, Extent]:
    """What the cells of runs are, by their numbers."""
    kept = {run: read_extent(extent) for run, extent in rows_by(connection, runs.c.id, wanted, _EXTENTS)}
    return {run: kept[run] if run in kept else _extent(connection, run) for run in wanted}


def _extent(connection: Connection, run: int) -> Extent:
    """As the cells of a run say it."""
    counts = connection.execute(_SCANS, {"run": run}).all()
    makers = connection.execute(_MAKERS, {"run": run}).all()
    several = connection.execute(_SEVERAL, {"run": run}).first() is not None
    return Extent(
        targets=connection.scalar(_TARGETS, {"run": run}) or 0,
        scans={row.scan: row.cells for row in counts},
        makers=tuple(Maker(*row) for row in makers),
        several=several,
    )
