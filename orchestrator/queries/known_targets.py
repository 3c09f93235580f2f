"""Which targets are known: their names, who answers for them, what runs them, and when which scan last had a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import NotKnownError
from orchestrator.model import Document
from orchestrator.queries.difference.states import NamesAt
from orchestrator.queries.places import NamedTarget, asked_about, named_targets
from orchestrator.results.coverage import Coverage, NotCovered
from orchestrator.store.documents import ScanState  # noqa: TC001 - msgspec reads the annotations
from orchestrator.store.names import names_of, workloads_of
from orchestrator.store.one_target import every_target, targets_with
from orchestrator.store.scan_states import scan_states

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator.queries.choice import Choice
    from orchestrator.store.past import StoreReader


class KnownTarget(Document, frozen=True):
    """A target that is known.

    Attributes:
        target: its id.
        references: the names that mean it; of one that none means any more, those that did.
        owners: who answers for these.
        digest: of its manifest; `indexes` those of the indexes that led to it.
        current: whether any name means it.
        workloads: what runs it in clusters, `<cluster>/<namespace>/<kind>/<name>`.
        states: how each scan of it stands, those too that are no longer planned.
    """

    target: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    digest: str
    platform: str
    current: bool
    indexes: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    states: tuple[ScanState, ...] = ()


def targets_by_id(past: StoreReader, ids: Collection[str]) -> tuple[KnownTarget, ...]:
    """Some targets, those of them that names mean now: costs what they are, not what there is."""
    numbers = targets_with(past.connection, ids)
    meant = NamesAt(past, past.runs, past.names_of_targets(numbers)).meant()
    names = {number: meant[number] for number in numbers if number in meant}
    return _known(past, dict(named_targets(past, names, names)), names)


def targets_by_number(past: StoreReader, numbers: Collection[int]) -> dict[int, KnownTarget]:
    """The same by their numbers in the store."""
    meant = NamesAt(past, past.runs, past.names_of_targets(numbers)).meant()
    names = {number: meant[number] for number in numbers if number in meant}
    by_id = {of.target: of for of in _known(past, dict(named_targets(past, names, names)), names)}
    return {number: by_id[id_] for number, id_ in past.targets(names).items()}


def numbers_meant(past: StoreReader, numbers: Collection[int]) -> frozenset[int]:
    """Those of some targets, by their numbers, that names mean now."""
    return frozenset(NamesAt(past, past.runs, past.names_of_targets(numbers)).meant()).intersection(numbers)


def meant_now(past: StoreReader) -> frozenset[int]:
    """The numbers of the targets that names mean now."""
    return frozenset(NamesAt(past, past.runs).meant())


def known_targets(past: StoreReader, choice: Choice, *, every: bool = False) -> tuple[KnownTarget, ...]:
    """The targets that names mean now; where those asked for mean none of these, the ones that they meant earlier.

    Args:
        past: all runs.
        choice: of which only target and owner count.
        every: also those that no name means any more.

    Raises:
        NotKnownError: no target or owner has such a name.
    """
    names = NamesAt(past, past.runs).meant()
    current = dict(named_targets(past, names, names))
    try:
        found = {} if every else asked_about(current, choice)
    except NotKnownError:
        every = True
    if every:
        found = asked_about(current | _earlier(past, every_target(past.connection) - current.keys()), choice)
    return _known(past, found, current)


def _known(past: StoreReader, found: Mapping[int, NamedTarget], current: Collection[int]) -> tuple[KnownTarget, ...]:
    states, workloads = scan_states(past.connection, found), workloads_of(past.connection, found)
    known = (
        KnownTarget(
            target=of.target,
            references=of.references,
            owners=of.owners,
            digest=of.digest,
            platform=of.platform,
            current=number in current,
            indexes=of.indexes,
            workloads=workloads.get(number, ()),
            states=tuple(states.get(number, {}).values()),
        )
        for number, of in found.items()
    )
    return tuple(sorted(known, key=lambda each: (each.references, each.platform, each.target)))


def coverage_of_targets(found: Sequence[KnownTarget]) -> Coverage:
    """Of which of these targets there is any result."""
    unknown = [NotCovered(of.target, of.references, _why(of)) for of in found if not any(map(_tells, of.states))]
    return Coverage(targets=len(found), unknown=tuple(unknown))


def _earlier(past: StoreReader, targets: Collection[int]) -> dict[int, NamedTarget]:
    called = names_of(past.connection, targets)
    return {
        number: NamedTarget(
            of.target, called[number][0] if number in called else (), of.owners, of.digest, of.indexes, of.platform
        )
        for number, of in past.described(targets).items()
    }


def _tells(state: ScanState) -> bool:
    return state.scanned is not None and not state.suspect


def _why(of: KnownTarget) -> str:
    return ", ".join(f"{state.scan} {_end(state)}" for state in of.states) or "never scanned"


def _end(state: ScanState) -> str:
    return "suspect" if state.suspect else state.outcome.value if state.outcome else "never ran"
