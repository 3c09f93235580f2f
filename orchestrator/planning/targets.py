"""From entries to targets: look every reference up once, and gather all names of one digest under one target."""

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from orchestrator.errors import ScanmatrixError
from orchestrator.images.manifests import compressions
from orchestrator.inventory import HEAD, Entry
from orchestrator.inventory.selection import called
from orchestrator.kit.guarding import guarded
from orchestrator.model import Name, Platform, Target, TargetKind
from orchestrator.model.image import NO_PLATFORM
from orchestrator.planning.inputs import Located, PlanError, RepositoryResolver, Resolver
from orchestrator.planning.repositories import GitResolver
from orchestrator.planning.repositories import unresolved as unresolved_repository

#: Look-ups at the same time; a registry answers one in tens of milliseconds.
PARALLEL = 16
#: Hex digits of a digest in a target's id: 128 bits, and short enough for names on the volume and in Argo.
ID_DIGITS = 32


@dataclass
class Draft:
    """A target while its names are being gathered.

    Attributes:
        located: where it was found first; where it is to be scanned, if it is anywhere.
        names: each once, whatever the order of the entries: what makes two of them different is their key, by which
            they are sorted.
        scans: for each scan asked for, under which names it was.
        entries: places of the entries that led to it.
    """

    located: Located
    names: dict[tuple[Hashable, ...], Name] = field(default_factory=dict)
    scans: dict[str, list[Name]] = field(default_factory=dict)
    entries: list[int] = field(default_factory=list)
    passed_over: dict[str, None] = field(default_factory=dict)
    indexes: dict[str, None] = field(default_factory=dict)

    def add(self, name: Name, scans: Iterable[str]) -> None:
        """Take up a name, and the scans that are asked for under it."""
        known = self.names.setdefault((*name.key, name.skip, name.note), name)
        for scan in scans:
            self.scans.setdefault(scan, []).append(known)

    @property
    def digest(self) -> str:
        """Of the image manifest; empty when it could not be resolved."""
        image = self.located.image
        return image.manifest.digest if image else self.located.digest


class _Asked(NamedTuple):
    """What is looked up once, however many entries name it."""

    kind: TargetKind
    reference: str
    ref: str = ""
    local: bool = False
    error: str = ""
    platform: Platform | None = None
    look_in: tuple[str, ...] = ()
    also_called: str = ""


def gather(
    entries: Sequence[Entry],
    scans: Sequence[Sequence[str]],
    resolver: Resolver,
    repositories: RepositoryResolver | None = None,
) -> dict[str, Draft]:
    """Look all entries up, and gather them by target.

    Args:
        entries: in the order of the targets.
        scans: for each entry, the names of its scans.
        resolver: asked once for each distinct reference of an image, from several threads.
        repositories: likewise for each distinct ref of a repository.

    Returns:
        Drafts by target id, in the order in which their first names occur.

    Raises:
        PlanError: two digests have the same beginning.
    """
    called_so = [called(entry) for entry in entries]
    asked = [_asked(entry, name) for entry, name in zip(entries, called_so, strict=True)]
    found = _look_up(set(asked), resolver, repositories or GitResolver())
    drafts: dict[str, Draft] = {}
    for place, (entry, name, key, names) in enumerate(zip(entries, called_so, asked, scans, strict=True)):
        for located in (_as_meant(each, entry) for each in found[key]):
            draft = drafts.setdefault(_free_id(located, name, drafts), Draft(located))
            _check_same(draft, Draft(located), name)
            if draft.located.absent and not located.absent:
                draft.located = located
            draft.passed_over |= dict.fromkeys(located.passed_over)
            draft.indexes |= dict.fromkeys(located.indexes)
            draft.add(_name(entry, located, name), names)
            draft.entries.append(place)
    return drafts


def _as_meant(located: Located, entry: Entry) -> Located:
    """What is no image, or for other machines only, is trouble where somebody names it, not where a registry does."""
    if not (located.absent_if_listed and entry.listed):
        return located
    return msgspec.structs.replace(located, error="", absent=located.absent_if_listed)


def _name(entry: Entry, located: Located, reference: str) -> Name:
    return Name(
        reference=reference,
        owner=entry.owner,
        labels=entry.labels | located.labels,
        skip=entry.skip,
        note="; ".join(filter(None, (entry.note, located.note))),
    )


def _free_id(located: Located, reference: str, drafts: Mapping[str, Draft]) -> str:
    """Its id; another one where nobody could look at a digest that machines of two platforms run.

    Planned offline, the digest may be that of an index, of which each platform has an image of its own.
    """
    id_ = make_id(located, reference)
    known = drafts.get(id_)
    if known is None or located.image or known.located.image or known.located.platform == located.platform:
        return id_
    return f"{id_}-{hashlib.sha256(str(located.platform).encode()).hexdigest()[:8]}"


def _check_same(known: Draft, draft: Draft, reference: str) -> None:
    """Two images under one id would be scanned as one; chance cannot do that, but somebody may."""
    if known.digest != draft.digest:
        raise PlanError(
            f"{reference}: its digest {draft.digest} begins like {known.digest}, another image's; no honest image does:"
            " find out who made it, and take it out of the targets"
        )


def finish(id_: str, draft: Draft) -> Target:
    """The target itself."""
    located = draft.located
    image = located.image
    return Target(
        id=id_,
        names=tuple(draft.names[key] for key in sorted(draft.names)),
        platform=image.platform if image else located.platform,
        digest=draft.digest,
        pull=located.pull,
        size=located.size,
        compressions=compressions(image) if image else (),
        error=located.error,
        kind=located.kind,
        passed_over=tuple(draft.passed_over),
        indexes=tuple(draft.indexes),
    )


def make_id(located: Located, reference: str) -> str:
    """Id of a target: from its digest, or without one from its reference and platform.

    That of a repository is made of its URL, too: what a scan asks of its host is not the same for a fork of it.
    """
    if located.kind is TargetKind.REPOSITORY and located.digest:
        return f"git-{hashlib.sha256(f'{located.pull} {located.digest}'.encode()).hexdigest()[:ID_DIGITS]}"
    digest = located.image.manifest.digest if located.image else located.digest
    if digest:
        algorithm, _, value = digest.partition(":")
        return f"{algorithm}-{value[:ID_DIGITS]}"
    # A path of this machine need not be Unicode.
    key = f"{reference} {located.platform}".encode("utf-8", "surrogateescape")
    return f"unresolved-{hashlib.sha256(key).hexdigest()[:ID_DIGITS]}"


def unresolved(platforms: Iterable[Platform], error: str) -> tuple[Located, ...]:
    """The same trouble for every wanted platform."""
    return tuple(Located(platform=platform, error=error) for platform in platforms)


def _asked(entry: Entry, name: str) -> _Asked:
    if entry.kind is TargetKind.REPOSITORY:
        return _Asked(entry.kind, entry.reference, entry.digest or entry.ref)
    return _Asked(
        entry.kind,
        f"{name}@{entry.digest}" if entry.digest else name,
        local=entry.local,
        error=entry.error,
        platform=entry.platform,
        look_in=entry.look_in,
        also_called=entry.also_called,
    )


def _ask_registry(resolver: Resolver, asked: _Asked) -> tuple[Located, ...]:
    if asked.platform is None:
        return resolver(asked.reference, local=asked.local)
    return resolver(asked.reference, local=asked.local, platform=asked.platform)


def _called_otherwise(resolver: Resolver, asked: _Asked, found: tuple[Located, ...]) -> tuple[Located, ...]:
    """The answers under the other name; where there are none either, the first trouble, with that of the other name."""
    others = _ask_registry(resolver, asked._replace(reference=asked.also_called))
    why = f"{found[0].error}; {asked.also_called}, as its node calls it"
    if all(each.error for each in others):
        return tuple(msgspec.structs.replace(each, error=f"{why}: {others[0].error}") for each in found)
    note = f"{why}, is read instead"
    return tuple(msgspec.structs.replace(each, note="; ".join(filter(None, (note, each.note)))) for each in others)


def _look_up(
    wanted: set[_Asked], resolver: Resolver, repositories: RepositoryResolver
) -> Mapping[_Asked, tuple[Located, ...]]:
    """Ask for all at once; an interrupt drops those that have not begun.

    Whatever happens to one of them is the answer about it, so that none keeps the others from being planned.
    """

    def ask(asked: _Asked) -> tuple[Located, ...]:
        if asked.error:
            return unresolved([NO_PLATFORM], asked.error)
        is_repository = asked.kind is TargetKind.REPOSITORY
        try:
            with guarded(f"looking up {asked.reference}"):
                if is_repository:
                    return (repositories(asked.reference, asked.ref or HEAD),)
                if asked.look_in:
                    return resolver(asked.reference, local=False, look_in=asked.look_in)
                found = _ask_registry(resolver, asked)
                if asked.also_called and all(each.error for each in found):
                    return _called_otherwise(resolver, asked, found)
                return found
        except (ScanmatrixError, OSError) as error:
            why = str(error)
            return (unresolved_repository(why),) if is_repository else unresolved([NO_PLATFORM], why)

    ordered = sorted(wanted, key=repr)
    pool = ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="resolve")
    try:
        answers = list(pool.map(ask, ordered))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return dict(zip(ordered, answers, strict=True))
