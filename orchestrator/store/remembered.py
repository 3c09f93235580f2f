"""What questions have read of a store, for other questions as long as nothing has changed in it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from orchestrator.model import Distrust
    from orchestrator.store.lookers import RunTold
    from orchestrator.store.places import RunsRead, TargetPlace
    from orchestrator.store.tag_cells import TellingCell

K = TypeVar("K")
V = TypeVar("V")

_Version: TypeAlias = "tuple[str, tuple[Distrust, ...]]"
# Targets, names or runs of which something is remembered; and for how many sets of owners.
_MOST, _OWNERS = 20_000, 4


class Remembered:
    """What was read at one revision, as some owners may see it.

    Attributes:
        runs: all of them; None until they are read.
        names: names by number.
        places: targets by number.
        told: what runs say of their scans, by id; None of one that says nothing.
        current: the cells that tell what names mean now, by target and scan.
    """

    def __init__(self) -> None:
        self.runs: RunsRead | None = None
        self.names: dict[int, tuple[str, str]] = {}
        self.places: dict[int, TargetPlace] = {}
        self.told: dict[str, RunTold | None] = {}
        self.current: dict[tuple[int, str], tuple[TellingCell, ...]] = {}


class StoreMemory:
    """Keeps what was read at the newest revision alone; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...] | None, tuple[_Version, Remembered]] = OrderedDict()

    def at(self, revision: str, owners: tuple[str, ...] | None, distrusted: Sequence[Distrust]) -> Remembered:
        """What was read at a revision, which a question has just read itself, within its transaction.

        Args:
            revision: as `orchestrator.store.revision` has it; empty where nothing can be remembered.
            owners: as these may see the store; None for all of it.
            distrusted: which scanners are not believed.
        """
        if not revision:
            return Remembered()
        version = revision, tuple(distrusted)
        with self._lock:
            known = self._kept.get(owners)
            if known is None or known[0] != version:
                known = self._kept[owners] = version, Remembered()
            self._kept.move_to_end(owners)
            if len(self._kept) > _OWNERS:
                self._kept.popitem(last=False)
            return known[1]


def filled(known: dict[K, V], wanted: Iterable[K], read: Callable[[Collection[K]], Mapping[K, V]]) -> dict[K, V]:
    """What is known of some, and what is read of the others, which is then known as well.

    Args:
        known: by what it is of.
        wanted: those.
        read: reads some; what it does not give there is not.
    """
    every = set(wanted)
    found = {key: known[key] for key in every & known.keys()}
    if lacking := every - found.keys():
        found |= (new := read(lacking))
        if len(known) + len(new) <= _MOST:
            known.update(new)
    return found
