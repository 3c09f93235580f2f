"""What a store's reader gives: runs, targets, cells that told something, and findings, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.store.schema import MERGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.store.documents import Use
    from orchestrator.store.spans import Position, Span
    from orchestrator.store.tag_cells import Order


class RunPlace(NamedTuple):
    """A run among all: its number, when it ended and its id, and whether it held only some targets and scans.

    Attributes:
        names: equal where two runs have the same names for the same targets; empty where nobody knows.
    """

    id: int
    order: Order
    partial: bool
    names: str = ""

    def is_named_as(self, other: RunPlace) -> bool:
        """Whether both are known to have the same names for the same targets."""
        return bool(self.names) and self.names == other.names


class RunsRead(NamedTuple):
    """All runs.

    Attributes:
        rows: as they are read.
        ids: by number, those too that are not whole yet.
        merged: whether every run is kept by this version.
        places: of those that are whole, in the order in which they ended.
        orders: the same by number.
    """

    rows: Sequence[Any]
    ids: dict[int, str]
    merged: bool
    places: tuple[RunPlace, ...]
    orders: dict[int, Order]

    @classmethod
    def of(cls, rows: Sequence[Any]) -> RunsRead:
        """The runs of rows: number, id, when they ended, two more moments, partial, digest, form, names."""
        ids: dict[int, str] = {}
        merged = True
        places: list[RunPlace] = []
        # By position, because there are thousands of them where results are put one by one.
        for number, run, finished, _, _, partial, digest, form, named in rows:
            ids[number] = run
            merged &= form == MERGED
            if digest:
                places.append(RunPlace(number, (finished, run), bool(partial), named))
        places.sort(key=lambda place: place.order)
        return cls(rows, ids, merged, tuple(places), {place.id: place.order for place in places})


class TargetPlace(NamedTuple):
    """What a target is, who answers for it, the indexes that led to it, and the workloads that run it."""

    target: str
    digest: str
    platform: str
    owners: tuple[str, ...]
    indexes: tuple[str, ...]
    uses: tuple[Use, ...]


class StateTold(NamedTuple):
    """The newest cell of a target and scan that told what there is: its place, and a digest; empty where none is known.

    A digest is the same as long as all that it said stays the same.
    """

    place: Position
    digest: str


class Alike(NamedTuple):
    """A finding of a target and scan, and what it is about."""

    state: int
    identity: str
    span: Span
