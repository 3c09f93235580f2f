"""What runs of a configuration need: which scans, which registries, whether git and a cluster.

Only what stands on this machine is read: neither a registry nor a cluster nor a git host is asked for its targets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator import engines
from orchestrator.api.doctor.diagnosis import Check, CheckState
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.targets import REGISTRY
from orchestrator.errors import ScanmatrixError
from orchestrator.images.reference import InvalidReference, Reference, parse
from orchestrator.images.registry.cache import pull_location
from orchestrator.inventory import collect
from orchestrator.kit.docker_hub import HUB, HUB_HOST
from orchestrator.model import Scan, TargetKind
from orchestrator.planning.matrix import choose_scans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.config.targets import TargetSource
    from orchestrator.inventory import Entry

#: Registries that are asked; those of most targets first.
_MOST_REGISTRIES = 20


@dataclass(frozen=True)
class RegistryUse:
    """A registry, or a cache of one, that targets are read from.

    Attributes:
        host: as people name it.
        location: `http(s)://host[:port]`, with the repository of `example`.
        example: one of its images; None where only a list of it is asked for.
        cache: whether it is a cache of another registry.
    """

    host: str
    location: str
    example: Reference | None = None
    cache: bool = False


@dataclass(frozen=True)
class Needs:
    """What a configuration needs.

    Attributes:
        catalog: every scan there is, by name.
        scans: names of those that its targets ask for.
        registries: where its images are read.
        in_cluster: whether a cluster runs its plans.
        clusters: contexts of the clusters whose images are targets; None among them for the current one.
        git: whether repositories are read.
        troubles: what could not be found out.
    """

    catalog: Mapping[str, Scan]
    scans: frozenset[str]
    registries: tuple[RegistryUse, ...] = ()
    in_cluster: bool = False
    clusters: tuple[str | None, ...] = ()
    git: bool = False
    troubles: tuple[Check, ...] = field(default=())


def needs_of(config: Config) -> Needs:
    """What runs of a configuration need.

    Raises:
        UsageError: a scan template has mistakes.
    """
    catalog = load_catalog(config)
    far = [source for source in config.targets if not source.is_here]
    troubles: tuple[Check, ...] = ()
    entries: tuple[Entry, ...] = ()
    scans: set[str] = set()
    try:
        entries = collect(config, catalog=catalog, here=True)
        scans = {scan for entry in entries for scan in choose_scans(entry, config.scans, catalog)}
    except (ScanmatrixError, OSError) as error:
        troubles = (Check(area="targets", name="targets", state=CheckState.BROKEN, needed=True, found=str(error)),)
    for source in far:
        scans |= _named(source.scans or config.scans.default_for(TargetKind.IMAGE), catalog)
    if not config.targets:
        scans |= _named(config.scans.default_for(TargetKind.IMAGE), catalog)
    in_cluster = engines.venue(config).in_cluster
    sources = [source.cluster for source in far if source.cluster]
    return Needs(
        catalog=catalog,
        scans=frozenset(scans),
        registries=tuple(_registries(config, entries, far)),
        in_cluster=in_cluster,
        clusters=tuple(dict.fromkeys(name for each in sources for name in (each.contexts or (None,)))),
        git=any(entry.kind is TargetKind.REPOSITORY for entry in entries) or any(each.csv for each in far),
        troubles=troubles,
    )


def _named(names: Iterable[str], catalog: Mapping[str, Scan]) -> set[str]:
    """Scans by their names, `*` for all that read images; a name that no scan has is planning's to refuse."""
    every = {name for name, scan in catalog.items() if scan.reads(TargetKind.IMAGE)}
    return {each for name in names for each in (every if name == "*" else {name} & catalog.keys())}


def _registries(config: Config, entries: Iterable[Entry], far: Iterable[TargetSource]) -> Iterable[RegistryUse]:
    found: dict[str, RegistryUse] = {}
    uses = Counter[str]()
    for entry in entries:
        if entry.kind is TargetKind.REPOSITORY or entry.local or entry.error:
            continue
        if entry.look_in and REGISTRY not in entry.look_in:
            continue
        try:
            reference = parse(entry.reference)
        except InvalidReference:
            continue
        location = pull_location(reference, config.cache, config.insecure)
        direct = pull_location(reference, (), config.insecure)
        host = reference.registry if location == direct else location.partition("://")[2].partition("/")[0]
        uses[host] += 1
        found.setdefault(host, RegistryUse(host, location, reference, cache=location != direct))
    for source in far:
        if source.registry:
            host = source.registry.host
            uses[host] += 1
            plain = pull_location(Reference(registry=host, repository="x"), (), config.insecure)
            origin = f"https://{HUB_HOST}" if host == HUB else plain.removesuffix("/x")
            found.setdefault(host, RegistryUse(host, origin))
    return (found[host] for host, _ in uses.most_common(_MOST_REGISTRIES))
