"""Differences between what runs found: new, changed, fixed, still there, or no longer scanned.

What is compared is the *state* of a name (a reference and its platform) at two moments, or of two names now: for each
scan its latest result, whichever run made it, because a run may hold only some targets and scans. On the newer side a
result counts only while it says something of the name as it is now: not when the scan failed since, is no longer
planned, or has not run since the name moved to another image; what was there is then `no longer scanned`, not `fixed`.

Every function gives one `Difference` for each name and key of a merged finding, ordered by reference, platform, status,
severity (the worst first), id and key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import NotKnownError, UsageError
from orchestrator.images.names import NameBook
from orchestrator.queries.difference.compare import Still, compare
from orchestrator.queries.difference.explain import STATUSES, STILL, Pair
from orchestrator.queries.difference.rows import Difference
from orchestrator.queries.difference.states import NamesAt
from orchestrator.queries.difference.steady import gone_in, steady, steady_in
from orchestrator.results.errors import NoResultsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from orchestrator.store.past import StoreReader, TagName

__all__ = ["STATUSES", "STILL", "Difference", "Still", "between", "named", "since", "since_last"]


def since_last(past: StoreReader, run: str, *, still: Still | None = None) -> Iterator[Difference]:
    """What a run changed: its names against what all runs before it say of them.

    A run that is not partial also tells what it no longer holds: names that the last such run had, if the two have any
    name in common.

    Args:
        past: all runs.
        run: id of one of them.
        still: counts what is still there and not altered, instead of giving it.

    Returns:
        As the module says; with no run before it, everything is `new`, because of the `first run`.

    Raises:
        NoResultsError: the run is not among them.
    """
    number = next((number for number, place in enumerate(past.runs) if place.order[1] == run), None)
    if number is None:
        raise NoResultsError(f"run {run} has no results here; it never ended, or never was on this volume")
    head = past.runs[number]
    known = None
    if still is not None and number and not head.partial:
        known = steady_in(past, head, past.runs[:number])
    if still is not None and known is not None:
        still.add(past, known)
        mine = known.heads[head.id]
        older, newer = known.sides(past, past.runs[:number], past.runs[: number + 1])
    else:
        [(_, names)] = past.names_in([head])
        mine = frozenset(names)
        # What others had matters only to what the run no longer holds; a partial run is asked for nothing but its own.
        asked = mine if head.partial else mine | gone_in(past, head, past.runs[:number])
        older, newer = (NamesAt(past, past.runs[:end], asked) for end in (number, number + 1))
    gone = {
        name: successor
        for name in older.names
        if name not in mine and (successor := newer.gone(name)) and not older.gone(name)
    }
    return compare(past, older, newer, _pairs(past.names(mine | gone.keys()), gone), still=still)


def since(
    past: StoreReader, moment: datetime, *, references: Sequence[str] | None = None, still: Still | None = None
) -> Iterator[Difference]:
    """What all runs that ended after a moment changed.

    Args:
        past: all runs.
        moment: with a time zone; runs that ended then or before are what is compared with.
        references: only these names, as the runs have them (`docker.io/library/ubuntu:20.04`), or as people may
            shorten them (`orchestrator.images.names`); None for all.
        still: as for `since_last`.

    Returns:
        As the module says.

    Raises:
        UsageError: the moment has no time zone, or a name may be several.
        NoResultsError: there is no run.
        NotKnownError: no run has such a name.
    """
    if moment.tzinfo is None:
        raise UsageError(f"{moment}: say in which time zone, such as {moment}+00:00")
    _check_runs(past)
    before = [place for place in past.runs if place.order[0] <= moment.timestamp()]
    known = None
    if references is None and still is not None and before:
        known = steady(past, before, past.runs[len(before) :])
    if still is not None and known is not None and known.heads:
        still.add(past, known)
        older, newer = known.sides(past, before, past.runs)
    else:
        asked = None if references is None else _chosen(past.names(), references).keys()
        older, newer = (NamesAt(past, runs, asked) for runs in (before, past.runs))
    gone = {name: newer.gone(name) for name in newer.names}
    names = [name for name in newer.names if not (gone[name] and older.gone(name))]
    return compare(past, older, newer, _pairs(past.names(names), gone), still=still)


def between(past: StoreReader, older_reference: str, newer_reference: str) -> Iterator[Difference]:
    """What is different between two tags of an image, or any two names, as they were last scanned.

    Args:
        past: all runs.
        older_reference: a name as for `since`.
        newer_reference: the other; the rows have it as their `reference`.

    Returns:
        As the module says, for each platform that one of them has.

    Raises:
        UsageError: a name may be several.
        NoResultsError: there is no run.
        NotKnownError: no run has such a name.
    """
    _check_runs(past)
    known = past.names()
    sides = [_chosen(known, [reference]) for reference in (older_reference, newer_reference)]
    older, newer = ({platform: name for name, (_, platform) in side.items()} for side in sides)
    reference = next(iter(sides[1].values()))[0]
    pairs = [Pair(older.get(each), newer.get(each), reference, each) for each in {**older, **newer}]
    state = NamesAt(past, past.runs, [name for side in sides for name in side])
    return compare(past, state, state, pairs)


def named(past: StoreReader, references: Sequence[str]) -> Collection[int]:
    """The numbers of names as people write them, every platform of each.

    Raises:
        NotKnownError: no run has such a name.
    """
    return _chosen(past.names(), references).keys()


def _pairs(names: Mapping[int, TagName], gone: Mapping[int, str]) -> list[Pair]:
    return [Pair(name, name, *spelt, gone=gone.get(name, "")) for name, spelt in names.items()]


def _check_runs(past: StoreReader) -> None:
    if not past.runs:
        raise NoResultsError("no run has ended here; there is nothing to compare")


def _chosen(known: Mapping[int, TagName], references: Sequence[str]) -> dict[int, TagName]:
    """The names of these references, every platform of each."""
    book = NameBook(reference for reference, _ in known.values())
    wanted = {_find(reference, book) for reference in references}
    return {number: name for number, name in known.items() if name[0] in wanted}


def _find(written: str, book: NameBook) -> str:
    """The name that a person means."""
    if found := book.find(written):
        return found
    raise NotKnownError(f"no run here has {written!r}{book.suggest(written)}")
