"""Names that are the same at two moments, known without reading how their cells ended or what was found.

Such a name means one target, of which every scan ended ok in the latest run and before it, and nothing came or went
meanwhile. Most names of most nights are such, and the database alone sees them; what is left is compared finding by
finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.queries.difference.states import NamesAt
from orchestrator.store import meanings as meant
from orchestrator.store import steady as known
from orchestrator.store.extent import extents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from orchestrator.store.extent import Extent
    from orchestrator.store.past import StoreReader
    from orchestrator.store.places import RunPlace
    from orchestrator.store.tag_cells import TagCell

# Whole runs in which the cells of the older side are looked for, and runs whose names may be steady.
_BEFORE, _HEADS = 3, 4
# One in this many cells of a run may be new before they are looked for in one more run.
_NEW = 10


class Stirred(NamedTuple):
    """Names of a whole run that would be steady, had not something come or gone.

    Attributes:
        head: the run.
        bases: of the older moment, the runs with nearly all cells of it: of these names all that ever found something.
        names: their numbers.
    """

    head: RunPlace
    bases: Sequence[RunPlace]
    names: frozenset[int]


class Steady(NamedTuple):
    """What is known.

    Attributes:
        heads: whole runs, by their numbers, with names that are not steady: all other names that they have are.
        others: all names but the steady ones, and but for those that were gone at both moments.
        stirred: those of them that would be steady, had not something come or gone.
    """

    heads: Mapping[int, frozenset[int]]
    others: frozenset[int]
    stirred: Sequence[Stirred] = ()

    def sides(self, past: StoreReader, older: Sequence[RunPlace], newer: Sequence[RunPlace]) -> tuple[NamesAt, NamesAt]:
        """What is known after some runs, and after later ones, of all names that are not steady."""
        before: dict[int, dict[str, TagCell]] = {}
        after: dict[int, dict[str, TagCell]] = {}
        for some in self.stirred:
            # What other scans say of these names is the same.
            scans = known.scans_of(past.connection, some.names, [some.head.id])
            for cell in past.cells([some.head, *some.bases], some.names, scans):
                of_name = (after if cell.order == some.head.order else before).setdefault(cell.tag, {})
                if cell.scan not in of_name or of_name[cell.scan].order < cell.order:
                    of_name[cell.scan] = cell
        rest = self.others.difference(*(some.names for some in self.stirred))
        return NamesAt(past, older, rest, settled=before), NamesAt(past, newer, rest, settled=after)

    def things(self, past: StoreReader) -> int:
        """How many things there are under the steady names; all that their scans ever found counts."""
        return sum(meant.things(past.connection, run, without) for run, without in self.heads.items())


def steady(past: StoreReader, older: Sequence[RunPlace], newer: Sequence[RunPlace]) -> Steady:
    """Which names are the same after some runs as before them.

    Args:
        past: all runs.
        older: the runs of the older moment.
        newer: those that ended since.
    """
    every = [*older, *newer]
    # What a whole run had last is gone at both moments when another such run of the older side followed it.
    followed = _followed(past, [place for place in older if not place.partial])
    counting = [place for place in every if place.id not in followed]
    heads: dict[int, frozenset[int]] = {}
    stirred, busy = list[Stirred](), set[int]()
    for head in [place for place in counting if not place.partial][: -_HEADS - 1 : -1]:
        later = every[every.index(head) + 1 :]
        if _share_names(past, head, [place for place in later if not place.partial]):
            continue
        found = _unsteady(past, head, older if head in newer else ())
        if found is not None:
            partial = past.names_in([place for place in later if place.partial])
            # What other runs say of names that this one lacks is no matter of its own.
            apart = _had(past, head, found.names.union(*(names for _, names in partial)))
            stirred.append(Stirred(head, found.bases, frozenset(found.stirred)))
            busy |= apart
            heads[head.id] = frozenset(apart | found.stirred)
    are_heads = [place for place in counting if place.id in heads]
    rest = _absent(past, are_heads, [place for place in counting if place.id not in heads])
    others = frozenset(rest).union(*heads.values())
    few = (some._replace(names=some.names - busy - rest) for some in stirred)
    return Steady(heads, others, [some for some in few if some.names])


def steady_in(past: StoreReader, head: RunPlace, older: Sequence[RunPlace]) -> Steady | None:
    """Which names are the same after a whole run as before it; None where none may be.

    Args:
        past: all runs.
        head: the run.
        older: those before it.
    """
    found = _unsteady(past, head, older)
    if found is None:
        return None
    mine = _had(past, head, found.names | found.stirred)
    stirred = Stirred(head, found.bases, frozenset(found.stirred))
    return Steady({head.id: mine}, mine | gone_in(past, head, older), [stirred] if stirred.names else [])


def _followed(past: StoreReader, whole: Sequence[RunPlace]) -> set[int]:
    """Of whole runs in their order, those of which a later one has the same first name."""
    last = {place.names or str(place.id): place.id for place in whole}
    alike = {place.id for place in whole if last[place.names or str(place.id)] != place.id}
    return alike | meant.followed(past.connection, [place.id for place in whole if place.id not in alike])


def _share_names(past: StoreReader, run: RunPlace, others: Sequence[RunPlace]) -> bool:
    """Whether a run has any name that others have as well; of one that is named as another, it is known."""
    if any(run.is_named_as(other) for other in others):
        return True
    return meant.share_names(past.connection, run.id, [other.id for other in others])


def _absent(past: StoreReader, some: Sequence[RunPlace], others: Sequence[RunPlace]) -> set[int]:
    """Names that others have, and some runs have not; nothing need be asked of those that are named as one of these."""
    lacking = [other.id for other in others if not any(run.is_named_as(other) for run in some)]
    return meant.absent(past.connection, [run.id for run in some], lacking)


def _had(past: StoreReader, head: RunPlace, names: Set[int]) -> frozenset[int]:
    """Those of some names that a run has."""
    if not names:
        return frozenset()
    return frozenset(name for _, there in past.names_in([head], names) for name in there if name in names)


def gone_in(past: StoreReader, head: RunPlace, older: Sequence[RunPlace]) -> frozenset[int]:
    """Names that a whole run lacks, of whole runs that were the last one before it to have a name that it has as well.

    Args:
        past: all runs.
        head: the run.
        older: those before it.
    """
    had: list[RunPlace] = []
    waiting: set[int] | None = None
    for place in reversed([place for place in older if not place.partial]):
        if waiting is None:
            if not _share_names(past, head, [place]):
                continue
            waiting = _absent(past, [place], [head])
            had.append(place)
        elif waiting:
            [(_, names)] = past.names_in([place], waiting)
            if found := waiting.intersection(names):
                waiting -= found
                had.append(place)
        else:
            break
    return frozenset(_absent(past, [head], had))


class _Unsteady(NamedTuple):
    """Names, and others of which nothing is otherwise than that findings came or went since these runs."""

    names: set[int]
    stirred: set[int]
    bases: Sequence[RunPlace]


def _unsteady(past: StoreReader, head: RunPlace, older: Sequence[RunPlace]) -> _Unsteady | None:
    """Names of a whole run but for those that are the same after it as before it; others that it lacks perhaps.

    Args:
        past: all runs.
        head: the run, the last one that has them.
        older: the runs of the older moment; none where the run is one of these itself.

    Returns:
        None where none of its names may be the same.
    """
    whole = [place for place in older if not place.partial][: -_BEFORE - 1 : -1]
    if older and not whole:
        return None
    told = extents(past.connection, [place.id for place in (head, *whole)])
    bases, new = _bases(past, head, whole, told)
    between = [place for place in older if bases and place.partial and place.order > bases[-1].order]
    names = new.names.union(*(there for _, there in past.names_in(between)))
    if told[head.id].several:
        names |= meant.several(past.connection, head.id)
    for base in bases:
        if base.is_named_as(head):
            continue
        names |= meant.moved(past.connection, head.id, base.id)
        if base.id not in new.lacked:
            names |= meant.renamed(past.connection, head.id, base.id)
    moving = new.states | _moving(past, [head, *bases], told)
    targets = known.earlier(past.connection, head.id, past.times.begin_if_last(head.id))
    if len(bases) > 1 and not told[head.id].scans.keys() <= told[bases[0].id].whole_scans:
        # Results of several runs read otherwise than those of one, where several scans have them.
        targets |= known.scattered(past.connection, head.id)
    names |= meant.left_out(past.connection, head.id, told[head.id])
    names |= meant.names_of(past.connection, head.id, targets) | known.names_of(past.connection, head.id, moving)
    stirred = set[int]()
    if numbers := [base.id for base in bases]:
        moved = known.stirred(past.connection, numbers, past.times.after(numbers))
        stirred = known.names_of(past.connection, head.id, moved)
    return _Unsteady(names, stirred - names, bases)


class _New(NamedTuple):
    """What a run has of cells, and some others have not: by names, and beside these by targets and scans.

    Attributes:
        lacked: those of the others of which all names are there that they lack.
    """

    names: set[int]
    states: set[int]
    lacked: frozenset[int] = frozenset()


def _bases(
    past: StoreReader, head: RunPlace, whole: Sequence[RunPlace], told: Mapping[int, Extent]
) -> tuple[list[RunPlace], _New]:
    """As few runs as have nearly all cells of another one, and what of it none of them has."""
    if not whole:
        return [], _New(set(), set())
    wanted = told[head.id].scans
    scans = set[str]()
    for number, place in enumerate(whole, start=1):
        scans.update(told[place.id].scans)
        if number == len(whole) or scans.issuperset(wanted):
            new = _new(past, head, whole[:number], told)
            are_few = _NEW * len(new.names) <= told[head.id].targets and _NEW * len(new.states) <= sum(wanted.values())
            if number == len(whole) or are_few:
                break
    return list(whole[:number]), new


def _new(past: StoreReader, head: RunPlace, bases: Sequence[RunPlace], told: Mapping[int, Extent]) -> _New:
    """What a run has, and none of some others.

    Where one of these has a scan of all its targets, it has that of every name which means the same in both.
    """
    having = {scan: base for base in reversed(bases) for scan in told[base.id].whole_scans}
    wanted = told[head.id].scans.keys()
    names = set[int]()
    lacked = frozenset(having[scan] for scan in wanted & having.keys())
    for base in lacked:
        names |= _absent(past, [base], [head])
    others = wanted - having.keys()
    states = known.lacking(past.connection, head.id, [base.id for base in bases], others)
    return _New(names, states, frozenset(base.id for base in lacked))


def _moving(past: StoreReader, some: Sequence[RunPlace], told: Mapping[int, Extent]) -> set[int]:
    """Targets and scans that did not end ok in some runs, the newest first, are doubted, or ended out of order."""
    several = [place.id for place in some]
    makers = {maker for run in several for maker in told[run].makers}
    moving = known.not_ok(past.connection, several) | known.doubted(past.connection, several, makers, past.distrusted)
    for place, newer in enumerate(several):
        for older in several[place + 1 :]:
            alike = told[newer].scans.keys() & told[older].scans.keys()
            if alike and past.times[newer].begin <= past.times[older].end:
                moving |= known.disordered(past.connection, newer, older)
    return moving
