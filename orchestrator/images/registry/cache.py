"""Where an image is read: its registry, or the pull-through cache that stands in front of it."""

from collections.abc import Iterable
from typing import Protocol

from orchestrator.images.reference import Reference
from orchestrator.kit.advice import ours
from orchestrator.kit.docker_hub import HUB, HUB_HOST, HUB_OLD
from orchestrator.kit.hosts import host_name, is_loopback


class CacheRule(Protocol):
    """One cache, as the configuration describes it: upstream, URL, and repository prefix within it."""

    @property
    def upstream(self) -> str:
        """Registry it stands for."""
        ...

    @property
    def url(self) -> str:
        """Where it answers, `http(s)://host[:port]`."""
        ...

    @property
    def path(self) -> str:
        """Repository prefix; empty when it serves its upstream's own paths."""
        ...


def pull_location(reference: Reference, caches: Iterable[CacheRule], insecure: Iterable[str]) -> str:
    """Where to read an image's repository, as `http(s)://host[:port]/repository`.

    A cache is spoken to by the scheme of its URL. Without one for this registry, the registry itself is read: by
    plain HTTP on the machine's own addresses, by HTTPS everywhere else. (For hosts in `insecure` the client neither
    verifies certificates nor insists on TLS.)

    Args:
        reference: of the image; tag and digest play no role.
        caches: at most one per upstream.
        insecure: registries, `host[:port]`, spoken to without TLS verification.
    """
    for cache in caches:
        if (repository := repository_in(cache, reference)) is not None:
            return "/".join(part for part in (cache.url.rstrip("/"), repository) if part)
    if reference.registry == HUB:
        return f"https://{HUB_HOST}/{reference.repository}"
    tls = reference.registry in set(insecure) or not is_loopback(host_name(reference.registry))
    return f"{'https' if tls else 'http'}://{reference.registry}/{reference.repository}"


def repository_in(cache: CacheRule, reference: Reference) -> str | None:
    """An image's repository within a cache; None where the cache stands for another registry."""
    if not _same_host(cache.upstream, reference.registry):
        return None
    return "/".join(part for part in (cache.path.strip("/"), reference.repository) if part)


def is_within(cache: CacheRule, location: str) -> bool:
    """Whether a location, `http(s)://host[:port]/repository`, is in a cache."""
    prefix = "/".join(part for part in (cache.url.rstrip("/"), cache.path.strip("/")) if part)
    return location.startswith(f"{prefix}/")


def remedy(digest: str) -> str:
    """What to do about a blob or manifest that is served wrong again and again."""
    return f"if that is a cache: {ours('cache', 'drop', digest)}; if it is the registry itself, push the image again"


def _same_host(upstream: str, registry: str) -> bool:
    aliases = {HUB_OLD: HUB, HUB_HOST: HUB}
    return aliases.get(upstream.lower(), upstream.lower()) == aliases.get(registry.lower(), registry.lower())
