"""Which hosts callers of a service may have it ask: public ones, and those that its configuration names.

A service that everybody with a token may ask stands where they do not: who names `169.254.169.254/x` or a host of its
private network as a target would have it knock there, and read from the answer what is behind the door.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from orchestrator.config.named import named_source
from orchestrator.config.targets import TargetSelection
from orchestrator.errors import UsageError
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.kit.addresses import Zone, literal_zone, zone_of
from orchestrator.kit.docker_hub import HUB
from orchestrator.kit.hosts import host_name
from orchestrator.kit.matching import any_glob, says_something
from orchestrator.model import TargetKind
from orchestrator.net.pools import proxy_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.config.loading import Config

#: Hosts of one request that are looked up: a name server that is slow to answer must not keep a thread for an hour.
_MOST, _AT_ONCE = 64, 16
_HTTPS: Final = "https://"


class _Asked(NamedTuple):
    """A host that a caller names.

    Attributes:
        host: `host[:port]`, in small letters.
        target: by which it is named.
    """

    host: str
    target: str


def strange_hosts(config: Config, names: Sequence[str]) -> frozenset[str]:
    """The hosts of targets that the configuration does not name; look-ups must reach public addresses of them alone.

    A service without authentication listens on loopback alone: this machine asks itself, and may ask anything.

    Args:
        config: of the service.
        names: of targets, as `remote_name` spells them.

    Returns:
        Each as `host[:port]` in small letters.

    Raises:
        UsageError: such a host has an address that is not public; or there are too many to look up.
    """
    if config.auth.tokens is None and config.auth.oidc is None:
        return frozenset()
    asked = {host: _Asked(host, name) for name in names if (host := _host_of(name)) not in {"", HUB}}
    known = set(_named(config))
    strange = [each for each in asked.values() if not (_plain(each.host) in known or _is_of_a_rule(config, each.host))]
    if len(strange) > _MOST:
        raise UsageError(
            f"the targets are of {len(strange)} hosts that the configuration does not name; at most {_MOST} are looked"
            " up for one request"
        )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        zones = dict(zip(strange, pool.map(_zone, strange), strict=True))
    inside = [each for each in strange if zones[each] is not Zone.PUBLIC]
    if inside:
        listed = set(_listed(config))  # files are read for it, which most requests can do without
        inside, strange = ([each for each in some if _plain(each.host) not in listed] for some in (inside, strange))
    if inside:
        first = inside[0]
        zone = zones[first].name.lower().replace("_", "-")
        raise UsageError(
            f"{first.target.removeprefix('docker://')}: {first.host} has a {zone} address, and callers may name such"
            " hosts only where the configuration does: list it in `insecure`, `targets`, `cache` or the globs of"
            " `events.rules`"
        )
    return frozenset(each.host for each in strange)


def _host_of(name: str) -> str:
    """`host[:port]` that is asked for a target; empty where its name is none, which planning tells."""
    source = named_source(name)
    if source.repository:
        return urlsplit(source.repository.url).netloc.lower()
    try:
        return parse(source.image or "").registry.lower()
    except InvalidReference:
        return ""


def _plain(host: str) -> str:
    """A host without the port that it has anyway."""
    return host.lower().removesuffix(":443")


def _zone(asked: _Asked) -> Zone:
    """The nearest zone of a host's addresses; of one that a proxy asks, or that has none (yet), what its name shows."""
    literal = literal_zone(host_name(asked.host))
    if literal is not Zone.PUBLIC or proxy_for(f"{_HTTPS}{asked.host}/"):
        return literal
    try:
        found = socket.getaddrinfo(host_name(asked.host), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return literal
    return max((zone_of(str(address[0])) for *_, address in found), default=literal)


def _named(config: Config) -> Iterator[str]:
    """The hosts in the configuration itself."""
    yield from map(_plain, config.insecure)
    yield from (_plain(cache.upstream) for cache in config.cache)
    yield from (_plain(source.registry.host) for source in config.targets if source.registry)
    yield from (_plain(sender.host.partition("/")[0]) for sender in config.events.senders if sender.host)


def _is_of_a_rule(config: Config, host: str) -> bool:
    """Whether a rule for events names a host, and not just any."""
    globs = [*_hosts(glob for rule in config.events.rules for glob in (*rule.images, *rule.repositories))]
    return any_glob((host, _plain(host)), globs)


def _hosts(globs: Iterable[str]) -> Iterator[str]:
    """The hosts of globs for names of images and URLs of repositories; none for those that match every host."""
    for glob in globs:
        host = glob.removeprefix(_HTTPS).partition("/")[0].lower()
        if says_something(host):
            yield host


def _listed(config: Config) -> Iterator[str]:
    """The hosts of the targets that are listed one by one: in the configuration, and in files beside it."""
    from orchestrator.inventory import collect

    for entry in collect(config.selecting(TargetSelection()), here=True):
        if entry.kind is TargetKind.REPOSITORY:
            yield _plain(urlsplit(entry.reference).netloc.rpartition("@")[2])
        elif not entry.local:
            try:
                yield _plain(parse(entry.reference).registry)
            except InvalidReference:
                continue
