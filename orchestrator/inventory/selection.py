"""Some of the configured targets: those that globs mean, and what the configuration says of those that people name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from orchestrator.config.targets import LOOKED_IN
from orchestrator.errors import NotTheirsError, UsageError
from orchestrator.images.names import NameBook, names_of_target, split_reference
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.kit.matching import glob
from orchestrator.model import TargetKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator.inventory.interface import Entry

_log = logging.getLogger(__name__)

_SHOWN = 3


def called(entry: Entry) -> str:
    """The name that a target has by an entry: an image's normalised, a repository's with its ref."""
    if entry.kind is TargetKind.REPOSITORY:
        return entry.name
    return entry.reference if entry.local else _normalised(entry.reference)


def chosen(entries: Sequence[Entry], globs: Sequence[str]) -> tuple[Entry, ...]:
    """The entries with a name that one of the globs matches.

    Raises:
        UsageError: one of the globs matches none.
    """
    names = {name: names_of_target([name], short=True) for name in dict.fromkeys(map(called, entries))}
    found: set[str] = set()
    for pattern in globs:
        matches = glob(pattern.strip())
        meant = [whole for whole, each in names.items() if any(map(matches, each))]
        if not meant:
            raise UsageError(f"no configured target matches {pattern!r}{_near(pattern, list(names))}")
        found.update(meant)
    return tuple(entry for entry in entries if called(entry) in found)


def of_named(named: Sequence[Entry], known: Sequence[Entry]) -> list[Entry]:
    """What people name, with what the configuration says of it, under every name that it has there.

    Args:
        named: in their order.
        known: of the configuration.

    Raises:
        UsageError: a name without a registry may be several configured targets.
    """
    by_name: dict[str, list[Entry]] = {}
    for entry in known:
        by_name.setdefault(called(entry), []).append(entry)
    book = NameBook(by_name)
    return [_as_pushed(each, entry) for entry in named for each in _known(entry, by_name, book) or [entry]]


def theirs(entries: Sequence[Entry], owners: Collection[str], lent: Mapping[str, str]) -> list[Entry]:
    """Of what people name, what some owners answer for.

    Args:
        entries: what they name, with what is known of it.
        owners: theirs.
        lent: by name, the owner of what the configuration says nothing about.

    Raises:
        NotTheirsError: something else is named, too.
    """
    owned = [
        msgspec.structs.replace(entry, owner=owner)
        for entry in entries
        if (owner := entry.owner or lent.get(called(entry), "")) in owners
    ]
    names = set(map(called, owned))
    if others := dict.fromkeys(entry.name for entry in entries if called(entry) not in names):
        raise NotTheirsError(
            f"{', '.join(others)}: not known to be of {', '.join(sorted(owners)) or 'any owner of yours'}; the"
            " configuration says whose a target is, or one that was scanned before from the same repository does"
        )
    return owned


def repository_of(name: str) -> str:
    """The repository of an image's normalised name, or of a source repository's with a ref."""
    return name.partition("#")[0] if "://" in name else split_reference(name)[0]


def _as_pushed(known: Entry, named: Entry) -> Entry:
    """What is configured of a name, with what is known of the push that named it."""
    return msgspec.structs.replace(known, digest=named.digest, listed=named.listed) if named.listed else known


def _known(entry: Entry, by_name: dict[str, list[Entry]], book: NameBook) -> list[Entry]:
    """What is configured of a name; where a tool of this machine is named with it, it is read there."""
    whole = called(entry)
    if entry.look_in not in {(), LOOKED_IN}:
        return [msgspec.structs.replace(each, look_in=entry.look_in) for each in by_name.get(whole, [])]
    is_image = entry.kind is TargetKind.IMAGE and not entry.local
    found = whole if whole in by_name or not is_image else book.find(entry.reference, whole=True)
    if found not in {"", whole}:
        _log.warning("%s is the configured %s; for another image, write %s", entry.name, found, whole)
    return by_name.get(found, [])


def _near(pattern: str, names: Sequence[str]) -> str:
    if not names:
        return ": no targets are configured"
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{NameBook(names).suggest(pattern)} (there are: {shown}{more})"


def _normalised(reference: str) -> str:
    """The reference as Docker reads it; one that cannot be read stays as it is, and fails when it is looked up."""
    try:
        return str(parse(reference))
    except InvalidReference:
        return reference
