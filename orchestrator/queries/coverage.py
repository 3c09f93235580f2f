"""What an answer about a run rests on: of which of the targets asked about there is a result, and of which none.

Without it an empty answer would look like a clean one: a run whose cells all failed, a misspelt name, a target that
nobody scanned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.kit.matching import glob
from orchestrator.queries.choice import Choice, is_meant, is_owned
from orchestrator.queries.difference import named
from orchestrator.queries.difference.states import NamesAt
from orchestrator.queries.places import NOW, asked_about, named_targets, not_known
from orchestrator.results.coverage import Coverage, NotCovered, by_target, known_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence, Set

    from orchestrator.model import LedgerRow
    from orchestrator.store.past import StoreReader

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
        raise not_known(f"run {run}", "scan", choice.scan, scans)
    told = {
        scan for scan in asked if not choice.kinds or looks_for is None or _looks(looks_for.get(scan), choice.kinds)
    }
    targets = by_target(rows)
    if choice.target:
        is_it, every = is_meant(choice.target), targets
        targets = [of for of in every if is_it(of[0])]
        if not targets:
            raise not_known(f"run {run}", "target", choice.target, (name for of in every for name in of[0].references))
    if choice.owner:
        is_theirs, every = is_owned(choice.owner), targets
        targets = [of for of in every if is_theirs(of[0])]
        if not targets:
            raise not_known(f"run {run}", "owner", choice.owner, (owner for of in every for owner in of[0].owners))
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
    names = state.meant(gone=between is not None)
    known: dict[int, bool] = dict.fromkeys(names, False)
    sought = f"by {wanted.scan}" if wanted.scan else f"for {_spell(kinds)}"
    why: dict[int, str] = {}
    scans: set[str] = set()
    for target, name in ((target, name) for target, of in names.items() for name in of):
        scans.update(state.scans(name))
        told = [
            scan
            for scan in state.scans(name)
            if (is_asked is None or is_asked(scan)) and (not kinds or _looks(looks_for.get(scan), kinds))
        ]
        results = state.results(name)
        if any(scan in results and results[scan].target == target for scan in told):
            known[target] = True
        else:
            troubles = (state.trouble(name, scan)[0] for scan in sorted(told))
            why.setdefault(target, next(filter(None, troubles), f"never scanned {sought}"))
    if is_asked is not None and not any(map(is_asked, scans)):
        raise not_known(NOW, "scan", wanted.scan, scans)
    asked: Collection[int] = names
    if wanted.target or wanted.owner:
        asked = asked_about(dict(named_targets(past, names, names)), wanted)
    unknown = sorted(target for target in asked if not known[target])
    described = named_targets(past, names, unknown)
    found = [NotCovered(of.target, of.references, why[number]) for number, of in described]
    return Coverage(targets=len(asked), unknown=tuple(sorted(found, key=lambda each: each.references)))


def _spell(kinds: Sequence[str]) -> str:
    return " or ".join(_PLURALS.get(kind, kind) for kind in kinds) or "anything"


def _looks(kinds: Set[str] | None, wanted: Iterable[str]) -> bool:
    return kinds is None or not kinds.isdisjoint(wanted)
