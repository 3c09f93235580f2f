"""Looks references up where the pull step will read them: in caches, in registries, in local archives."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from orchestrator.config.loading import Config
from orchestrator.config.targets import REGISTRY, STDIN
from orchestrator.errors import ScanmatrixError
from orchestrator.images.local.archives import open_local
from orchestrator.images.local.files import LocalImage
from orchestrator.images.machine.copies import MachineImages
from orchestrator.images.machine.interface import MuteToolError, NoSuchImageError, NoToolError
from orchestrator.images.platforms import choose, normalise, parse_platform, runnable
from orchestrator.images.reference import Reference, parse
from orchestrator.images.registry.cache import CacheRule, pull_location
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.memory import Memory
from orchestrator.images.registry.resolve import Resolution, resolve_manifests
from orchestrator.images.tarball.archive import tarball_size
from orchestrator.model import PLANNING_BUDGET, Image, Platform, ReadBudget
from orchestrator.model.image import FOR_NO_POD, LOCAL, NO_PLATFORM
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import ArchiveError, NoPlatform, NotAnImage, OverBudget
from orchestrator.planning.inputs import Located, UnresolvedError
from orchestrator.planning.targets import unresolved
from orchestrator.scanners.rules import volume_of

_NO_POD = f"an image {FOR_NO_POD}; push it to a registry or use the local engine"
# Platforms that a message names.
_MOST_NAMED = 20


@dataclass(frozen=True)
class RegistryResolver:
    """Resolves through a registry client; without one, it knows only local archives and pinned digests.

    Attributes:
        client: None to ask no registry.
        platforms: wanted of an image that has several; the first is assumed of a digest that nobody may look at.
        caches: pull-through caches.
        insecure: registries spoken to without TLS verification.
        budget: what each reference may cost.
        allowance: what all of them may cost together.
        cancelled: ends all look-ups.
        memory: what was read for other references.
        machine: copies images of this machine's tools; None where no tool may be asked, as for a cluster.
    """

    client: RegistryClient | None
    platforms: tuple[Platform, ...]
    caches: Sequence[CacheRule]
    insecure: Sequence[str]
    budget: ReadBudget = field(default_factory=ReadBudget)
    allowance: Allowance = field(default_factory=lambda: Allowance(PLANNING_BUDGET, "limits.planning"))
    cancelled: threading.Event = field(default_factory=threading.Event)
    memory: Memory = field(default_factory=Memory)
    machine: MachineImages | None = None

    def __call__(
        self, reference: str, *, local: bool, platform: Platform | None = None, look_in: tuple[str, ...] = ()
    ) -> tuple[Located, ...]:
        """One answer for each wanted platform, and for what was left out; trouble is an answer with `error`."""
        platforms = self.platforms if platform is None else (platform,)
        try:
            return self._on_machine(reference, look_in) if look_in else self._answers(reference, local, platform)
        except NotAnImage as error:
            absent = f"no container image: {error}"
            return (Located(platform=NO_PLATFORM, error=str(error), absent_if_listed=absent),)
        except NoPlatform as error:
            absent = f"unsupported platform: {error}"
            return tuple(Located(platform=each, error=str(error), absent_if_listed=absent) for each in platforms)
        except ScanmatrixError as error:
            return unresolved(platforms, str(error))

    def _answers(self, reference: str, local: bool, platform: Platform | None) -> tuple[Located, ...]:
        platforms = self.platforms if platform is None else (platform,)
        if local and reference == STDIN:
            return self._kept(self._tools().read_stdin(), "read from standard input")
        if local:
            return self._archive(Path(reference).absolute())
        parsed = parse(reference)
        if self.client is None:
            return self._offline(parsed, platforms)
        if platform is not None:
            return self._of_machine(self.client, parsed, platform)
        location, found = self._online(self.client, parsed, platforms)
        located = self._located(_images(found), location, str(parsed), found.passed_over)
        return _with_indexes(located, found.indexes)

    def _on_machine(self, reference: str, look_in: Sequence[str]) -> tuple[Located, ...]:
        """The first answer of tools of this machine, and of the registry; where none has it, what each said."""
        parsed, said, absent, mute = parse(reference), list[str](), list[str](), list[str]()
        for place in look_in:
            try:
                if place == REGISTRY:
                    found = self._answers(reference, False, None)
                    note = f"{'; '.join(mute)}; read from its registry" if mute else ""
                    return tuple(msgspec.structs.replace(each, note=each.note or note) for each in found)
                if self.machine or look_in == (place,):
                    return self._kept(self._tools().copy(parsed, place), f"taken from {place} on this machine")
            except NoSuchImageError as error:
                (absent if isinstance(error, NoToolError) else said).append(str(error))
                mute += [str(error)] if isinstance(error, MuteToolError) else []
            except ScanmatrixError as error:
                if place != REGISTRY or not said:
                    raise
                raise UnresolvedError(f"{error}; nor is it on this machine ({'; '.join(said)})") from error
        raise UnresolvedError("; ".join(said or absent) or _NO_POD)

    def _tools(self) -> MachineImages:
        if self.machine is None:
            raise UnresolvedError(_NO_POD)
        return self.machine

    def _kept(self, path: Path, note: str) -> tuple[Located, ...]:
        """What a copy holds, whatever platforms are wanted: it is what this machine runs. A damaged one is removed."""
        try:
            with open_local(path) as archive:
                wanted = (
                    self.platforms
                    if archive.choose(self.platforms)
                    else tuple(dict.fromkeys(image.platform for image in archive.images))
                )
            found = replace(self, platforms=wanted)._archive(path)  # noqa: SLF001 - our own
        except ArchiveError:
            path.unlink(missing_ok=True)
            raise
        return tuple(msgspec.structs.replace(each, note=note) for each in found if not each.absent)

    def _online(
        self, client: RegistryClient, reference: Reference, platforms: Sequence[Platform]
    ) -> tuple[str, Resolution]:
        """Where it is pulled from, and what it leads to."""
        location = pull_location(reference, self.caches, self.insecure)
        wanted = reference.digest or reference.tag
        allowance = self.allowance.part(self.budget, "limits.lookup")
        try:
            return location, resolve_manifests(
                location,
                wanted,
                platforms,
                client,
                cancelled=self.cancelled,
                allowance=allowance,
                memory=self.memory,
            )
        except OverBudget as error:
            raise OverBudget(f"{reference}: {error}") from error

    def _of_machine(self, client: RegistryClient, reference: Reference, platform: Platform) -> tuple[Located, ...]:
        """What a machine runs of an image: the best that it can, as containerd chooses.

        An image of none of its platforms runs nevertheless where the machine emulates others, and where the image says
        something wrong of itself; then it is looked for as if nobody knew the machine, and that is noted.
        """
        note = ""
        try:
            location, found = self._online(client, reference, runnable(platform))
            best = normalise(_images(found)[0].platform)
            images = [image for image in _images(found) if normalise(image.platform) == best]
        except NoPlatform as error:
            try:
                location, found = self._online(client, reference, self.platforms)
            except NoPlatform:
                raise error from None
            images = _images(found)
            others = ", ".join(dict.fromkeys(str(image.platform) for image in images))
            note = f"its node is {platform}, for which there is no image: scanned as {others}"
        located = [
            Located(
                platform=image.platform,
                pull=location,
                image=image,
                size=tarball_size(image),
                note=note,
                passed_over=found.passed_over,
            )
            for image in images
        ]
        return _with_indexes(located, found.indexes)

    def _offline(self, reference: Reference, platforms: Sequence[Platform]) -> tuple[Located, ...]:
        if not reference.digest:
            return unresolved(platforms, "not resolvable offline: pin it by digest (name@sha256:…)")
        location = pull_location(reference, self.caches, self.insecure)
        first, *others = platforms
        absent = f"planned offline: the digest stands for one image, taken to be {first}"
        return (
            Located(platform=first, pull=location, digest=reference.digest),
            *(Located(platform=platform, absent=absent) for platform in others),
        )

    def _archive(self, path: Path) -> tuple[Located, ...]:
        with open_local(path) as archive:
            chosen, left_out = archive.choose(self.platforms), archive.left_out(self.platforms)
            indexes = {found.image.manifest.digest: found.indexes for found in reversed(archive.found)}
        if not chosen:
            have = _spell(found for images in left_out for found in images)
            raise NoPlatform(f"{path} holds {have}, not {', '.join(map(str, self.platforms))}")
        located = self._located(chosen, f"{LOCAL}{path}", str(path), archive.passed_over)
        return _with_indexes((*located, *(self._left_out(images, path) for images in left_out)), indexes)

    def _left_out(self, images: Sequence[LocalImage], path: Path) -> Located:
        """An entry of an archive that is for platforms only that nobody wants: one row, however many those are."""
        found = images[0]
        name = " ".join(found.names) or found.image.manifest.digest
        wanted = ", ".join(map(str, self.platforms))
        return Located(
            platform=found.image.platform,
            pull=f"{LOCAL}{path}",
            image=found.image,
            size=tarball_size(found.image),
            absent=f"unsupported platform: {name} is for {_spell(images)}, not for {wanted}",
        )

    def _located(
        self, images: Sequence[Image], pull: str, name: str, passed_over: tuple[str, ...] = ()
    ) -> tuple[Located, ...]:
        """The images found, and for every wanted platform without one, that there is none."""
        offered = [(image.platform, image) for image in images]
        have = ", ".join(str(platform) for platform, _ in offered)
        missing = [platform for platform in self.platforms if not choose([platform], offered)]
        return (
            *(
                Located(
                    platform=image.platform, pull=pull, image=image, size=tarball_size(image), passed_over=passed_over
                )
                for image in images
            ),
            *(
                Located(platform=platform, absent=f"unsupported platform: {name} is for {have}, not for {platform}")
                for platform in missing
            ),
        )


def _images(found: Resolution) -> list[Image]:
    return [image for image, _ in found.images]


def _with_indexes(located: Sequence[Located], indexes: Mapping[str, tuple[str, ...]]) -> tuple[Located, ...]:
    """The same with the digests of the indexes that lead to each image."""
    return tuple(
        msgspec.structs.replace(each, indexes=indexes.get(each.image.manifest.digest, ())) if each.image else each
        for each in located
    )


def _spell(images: Iterable[LocalImage]) -> str:
    """The platforms of images, some of them where they are very many."""
    platforms = sorted({str(found.image.platform) for found in images})
    more = f" and {len(platforms) - _MOST_NAMED} more" if len(platforms) > _MOST_NAMED else ""
    return ", ".join(platforms[:_MOST_NAMED]) + more


@contextmanager
def open_resolver(config: Config, *, offline: bool, here: bool = True) -> Iterator[RegistryResolver]:
    """The resolver of a configuration; its connections, and look-ups in other threads, end with the block.

    Args:
        config: names registries, caches and platforms.
        offline: ask no registry.
        here: whether plans run on this machine, so that images of its tools may be taken.
    """
    platforms = tuple(dict.fromkeys(parse_platform(text) for text in config.platforms))
    cancelled = threading.Event()
    machine = MachineImages(volume_of(config).kept, config.volume.budget, cancelled) if here else None
    if offline:
        try:
            yield RegistryResolver(None, platforms, config.cache, config.insecure, machine=machine)
        finally:
            cancelled.set()
        return
    limits = config.limits
    strange = config.selection.strange
    with RegistryClient(config.insecure, limits.retries, caches=config.cache, strange=strange) as client:
        resolver = RegistryResolver(
            client,
            platforms,
            config.cache,
            config.insecure,
            budget=limits.lookup,
            allowance=Allowance(limits.planning, "limits.planning"),
            cancelled=cancelled,
            machine=machine,
        )
        try:
            yield resolver
        finally:
            cancelled.set()
