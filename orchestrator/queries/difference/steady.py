"""Names that are the same at two moments, known without reading how their cells ended or what was found.

Such a name means one target, of which every scan ended ok in the latest run and before it, and nothing came or went
meanwhile. Most names of most nights are such; what is left is compared finding by finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.store import steady as known

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator.store.past import RunPlace, StoreReader

# Whole runs in which the cells of the older side are looked for, and runs whose names may be steady.
_BEFORE, _HEADS = 3, 4


class Steady(NamedTuple):
    """What is known.

    Attributes:
        names: the steady ones, with their targets; all that their scans ever found counts.
        others: all others, but for those that were gone at both moments.
    """

    names: Mapping[int, int]
    others: frozenset[int]


def steady(past: StoreReader, older: Sequence[RunPlace], newer: Sequence[RunPlace]) -> Steady:
    """Which names are the same after some runs as before them.

    Args:
        past: all runs.
        older: the runs of the older moment.
        newer: those that ended since.
    """
    every = [*older, *newer]
    # What a whole run had last is gone at both moments when another such run of the older side followed it.
    followed = known.followed(past.connection, [place.id for place in older if not place.partial])
    counting = [place for place in every if place.id not in followed]
    had = {place: frozenset(names) for place, names in past.names_in(counting)}
    found: dict[int, int] = {}
    for head in [place for place in counting if not place.partial][: -_HEADS - 1 : -1]:
        later = every[every.index(head) + 1 :]
        followers = [place.id for place in later if not place.partial]
        if not known.share_names(past.connection, head.id, followers):
            elsewhere = frozenset[int]().union(*(had.get(place, ()) for place in later))
            before = older if head in newer else ()
            found |= {name: of for name, of in steady_in(past, head, before).items() if name not in elsewhere}
    return Steady(found, frozenset[int]().union(*had.values()) - found.keys())


def steady_in(past: StoreReader, head: RunPlace, older: Sequence[RunPlace]) -> dict[int, int]:
    """Names that are the same after a whole run as before it, with their targets.

    Args:
        past: all runs.
        head: the run, the last one that has them.
        older: the runs of the older moment; none where the run is one of these itself.
    """
    bases = [place for place in older if not place.partial][: -_BEFORE - 1 : -1]
    if older and not bases:
        return {}
    between = [place for place in older if place.partial and place.order > bases[-1].order]
    meant = _meant(past, head, bases, frozenset[int]().union(*(names for _, names in past.names_in(between))))
    if not meant:
        return {}
    numbers = [place.id for place in bases]
    moving = known.unlike(past.connection, head.id, numbers)
    moving |= known.doubted(past.connection, [head.id, *numbers], past.distrusted)
    if numbers:
        moving |= known.disordered(past.connection, [head.id, *numbers]) | known.stirred(past.connection, numbers)
    targets, names = known.left_out(past.connection, head.id, meant)
    targets |= known.targets_of(past.connection, moving)
    if len(numbers) > 1:
        # Results of several runs read otherwise than those of one, where several scans have them.
        targets |= known.scattered(past.connection, head.id, numbers[0])
    return {name: target for name, target in meant.items() if target not in targets and name not in names}


def _meant(past: StoreReader, head: RunPlace, bases: Sequence[RunPlace], apart: Collection[int]) -> dict[int, int]:
    """The target of each name of a run that always meant this one, in every run in which either of the two was."""
    told = known.targets_by_name(past.connection, head.id)
    meant = {name: min(targets) for name, targets in told.items() if len(targets) == 1 and name not in apart}
    for base in bases:
        there = known.targets_by_name(past.connection, base.id)
        others = set[int]().union(*there.values())
        meant = {
            name: target
            for name, target in meant.items()
            if (there[name] == {target} if name in there else target not in others)
        }
    return meant
