"""What a store's reader gives: runs, targets, cells that told something, and findings, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
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
