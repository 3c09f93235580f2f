"""What an answer about a run rests on: of which of the targets asked about there is a result, and of which none.

Without it an empty answer would look like a clean one: a run whose cells all failed, a misspelt name, a target that
nobody scanned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import NotKnownError
from orchestrator.images.names import NameBook, suggest_name
from orchestrator.kit.matching import glob
from orchestrator.queries.choice import Choice, is_meant, is_owned
from orchestrator.queries.difference import named
from orchestrator.queries.difference.states import NamesAt
from orchestrator.results.coverage import Coverage, NotCovered, by_target, known_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

    from orchestrator.model import LedgerRow
    from orchestrator.queries.choice import Named
    from orchestrator.store.past import StoreReader

_SHOWN = 3
# Where names are not known; of one run it is named.
_NOW = "the volume"
_PLURALS = {"vulnerability": "vulnerabilities"}


def coverage_of(
    run: str, rows: Sequence[LedgerRow], choice: Choice, looks_for: Mapping[str, Set[str]] | None = None
) -> Coverage:
    """What is known of the targets that a choice is about.

    Args:
        run: its id.
        rows: of its ledger.
        choice: what is asked for.
        looks_for: kinds of findings by scan, where `choice.kinds` demands some; a scan that is not named looks for all.

    Raises:
        NotKnownError: the run has no target, owner or scan of such a name.
    """
    scans = {row.scan for row in rows}
    asked = set(filter(glob(choice.scan), scans)) if choice.scan else scans
    if not asked and choice.scan:
        raise _not_known(f"run {run}", "scan", choice.scan, scans)
    told = {
        scan for scan in asked if not choice.kinds or looks_for is None or _looks(looks_for.get(scan), choice.kinds)
    }
    targets = by_target(rows)
    if choice.target:
        is_it, every = is_meant(choice.target), targets
        targets = [of for of in every if is_it(of[0])]
        if not targets:
            raise _not_known(f"run {run}", "target", choice.target, (name for of in every for name in of[0].references))
    if choice.owner:
        is_theirs, every = is_owned(choice.owner), targets
        targets = [of for of in every if is_theirs(of[0])]
        if not targets:
            raise _not_known(f"run {run}", "owner", choice.owner, (owner for of in every for owner in of[0].owners))
    return known_of(targets, told)


def coverage_now(
    past: StoreReader,
    kinds: Sequence[str],
    looks_for: Mapping[str, Set[str]],
    choice: Choice | None = None,
    between: tuple[str, str] | None = None,
) -> Coverage:
    """What is known of the targets that names mean now, by their latest results.

    Args:
        past: all runs.
        kinds: of findings that are asked for; none for any.
        looks_for: kinds of findings by scan; a scan that is not named looks for all.
        choice: of which only targets, owner and scan count: those that are asked about; None for all.
        between: only of what these names mean or meant last.

    Raises:
        NotKnownError: no target, owner or scan has such a name.
    """
    state = NamesAt(past, past.runs, None if between is None else named(past, between))
    wanted = choice or Choice()
    is_asked = glob(wanted.scan) if wanted.scan else None
    known: dict[int, bool] = {}
    names: dict[int, list[int]] = {}
    why: dict[int, str] = {}
    scans: set[str] = set()
    for name in state.names:
        current = state.current(name)
        if current is None or (between is None and state.gone(name)):
            continue
        names.setdefault(current.target, []).append(name)
        scans.update(state.scans(name))
        told = [
            scan
            for scan in state.scans(name)
            if (is_asked is None or is_asked(scan)) and (not kinds or _looks(looks_for.get(scan), kinds))
        ]
        results = state.results(name)
        tells = any(scan in results and results[scan].target == current.target for scan in told)
        known[current.target] = known.get(current.target, False) or tells
        if not tells:
            troubles = (state.trouble(name, scan)[0] for scan in sorted(told))
            why.setdefault(current.target, next(filter(None, troubles), f"never scanned for {_spell(kinds)}"))
    if is_asked is not None and not any(map(is_asked, scans)):
        raise _not_known(_NOW, "scan", wanted.scan, scans)
    asked = _asked_about(past, names, wanted) if wanted.target or wanted.owner else known.keys()
    unknown = sorted(target for target in asked if not known[target])
    found = [NotCovered(place.target, place.references, why[number]) for number, place in _places(past, names, unknown)]
    return Coverage(targets=len(asked), unknown=tuple(sorted(found, key=lambda each: each.references)))


class _Place(NamedTuple):
    """A target as a choice looks at it."""

    target: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    digest: str
    indexes: tuple[str, ...]


def _places(
    past: StoreReader, names: Mapping[int, Sequence[int]], targets: Collection[int]
) -> Iterator[tuple[int, _Place]]:
    described = past.described(targets)
    spelt = past.names({name for target in targets for name in names[target]})
    for target in targets:
        place, references = described[target], tuple(sorted({spelt[name][0] for name in names[target]}))
        yield target, _Place(place.target, references, place.owners, place.digest, place.indexes)


def _asked_about(past: StoreReader, names: Mapping[int, Sequence[int]], choice: Choice) -> Collection[int]:
    """The targets that have the name and the owner that are asked for."""
    places = dict(_places(past, names, names.keys()))
    for what, pattern, is_it, called in (
        ("target", choice.target, is_meant(choice.target), _references),
        ("owner", choice.owner, is_owned(choice.owner), _owners),
    ):
        if pattern:
            found = {number: place for number, place in places.items() if is_it(place)}
            if not found:
                raise _not_known(_NOW, what, pattern, (name for place in places.values() for name in called(place)))
            places = found
    return places.keys()


def _references(place: Named) -> tuple[str, ...]:
    return place.references


def _owners(place: Named) -> tuple[str, ...]:
    return place.owners


def _spell(kinds: Sequence[str]) -> str:
    return " or ".join(_PLURALS.get(kind, kind) for kind in kinds) or "anything"


def _looks(kinds: Set[str] | None, wanted: Iterable[str]) -> bool:
    return kinds is None or not kinds.isdisjoint(wanted)


def _not_known(which: str, what: str, pattern: str, known: Iterable[str]) -> NotKnownError:
    names = sorted(set(known))
    hint = NameBook(names).suggest(pattern) if what == "target" else suggest_name(pattern, names)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return NotKnownError(f"{which} has no {what} {pattern!r}{hint} (it has {shown or 'none'})")
