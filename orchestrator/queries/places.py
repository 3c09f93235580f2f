"""The targets that names mean now: what they are called, and which of them a person means."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import NotKnownError
from orchestrator.images.names import NameBook, suggest_name
from orchestrator.queries.choice import is_meant, is_owned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from orchestrator.queries.choice import Choice, Named
    from orchestrator.store.past import StoreReader

_SHOWN = 3
#: Where names are not known; of one run it is named.
NOW = "the volume"


class NamedTarget(NamedTuple):
    """A target as a choice looks at it."""

    target: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    digest: str
    indexes: tuple[str, ...]
    platform: str


def named_targets(
    past: StoreReader, names: Mapping[int, Sequence[int]], targets: Collection[int]
) -> Iterator[tuple[int, NamedTarget]]:
    """Targets by their numbers, each under the names that are given for it.

    Args:
        past: all runs.
        names: numbers of the names of each target.
        targets: which are asked for.
    """
    described = past.described(targets)
    spelt = past.names({name for target in targets for name in names[target]})
    for target in targets:
        of, references = described[target], tuple(sorted({spelt[name][0] for name in names[target]}))
        yield target, NamedTarget(of.target, references, of.owners, of.digest, of.indexes, of.platform)


def asked_about(known: Mapping[int, NamedTarget], choice: Choice) -> dict[int, NamedTarget]:
    """The targets that have the name and the owner that are asked for.

    Raises:
        NotKnownError: none has.
    """
    found = dict(known)
    for what, pattern, is_it, called in (
        ("target", choice.target, is_meant(choice.target), _references),
        ("owner", choice.owner, is_owned(choice.owner), _owners),
    ):
        if pattern:
            found = {number: of for number, of in found.items() if is_it(of)}
            if not found:
                raise not_known(NOW, what, pattern, (name for of in known.values() for name in called(of)))
            known = found
    return found


def not_known(which: str, what: str, pattern: str, known: Iterable[str]) -> NotKnownError:
    """The error for a name that nothing has, with the one that may be meant.

    Args:
        which: run it is, or `NOW`.
        what: such as `target`.
        pattern: as it was written.
        known: names that there are.
    """
    names = sorted(set(known))
    hint = NameBook(names).suggest(pattern) if what == "target" else suggest_name(pattern, names)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return NotKnownError(f"{which} has no {what} {pattern!r}{hint} (it has {shown or 'none'})")


def _references(place: Named) -> tuple[str, ...]:
    return place.references


def _owners(place: Named) -> tuple[str, ...]:
    return place.owners
