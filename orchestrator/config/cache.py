"""The section `cache`: pull-through caches."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from orchestrator import model
from orchestrator.config.section import Keys
from orchestrator.kit.docker_hub import HUB, HUB_HOST, HUB_OLD
from orchestrator.model.written import Written

# Docker Hub's registry answers under another name than its images carry.
_HUB = dict.fromkeys((HUB, HUB_OLD), HUB_HOST)

#: Of every cache that the install makes.
CACHE_PORT = 5000


def service_name(upstream: str) -> str:
    """Name of the cache that the install makes for an upstream: `docker.io` has `cache-docker-io`."""
    return f"cache-{re.sub('[^a-z0-9]+', '-', upstream.lower())}"[:63].rstrip("-")


def _service_url(upstream: str) -> str:
    return f"http://{service_name(upstream)}:{CACHE_PORT}"


class CacheSection(model.Cache, frozen=True):
    """A pull-through cache, and what the install needs to know of one that it makes.

    Attributes:
        remote: where an installed cache reads; of `docker.io`, `https://registry-1.docker.io`
        secret: Secret of type `kubernetes.io/basic-auth` with an installed cache's credentials there; only its own pod
            gets it
        size: maximum size of an installed cache; beyond it, the cache restarts empty
        keep: an installed cache drops content after this time
    """

    remote: Annotated[str, Written("URL")] = ""
    secret: Annotated[str | None, Written("object name")] = None
    size: Annotated[int, Written("size", least=2**20)] = 20 * 1024**3
    keep: Annotated[int, Written("duration", least=60)] = 7 * 86400

    @property
    def installed(self) -> bool:
        """Whether it is one of the caches that the install makes, and not somebody else's."""
        return self.url == _service_url(self.upstream)

    def document(self) -> model.Cache:
        """As the plan holds it."""
        return model.Cache(**{name: getattr(self, name) for name in model.Cache.__struct_fields__})


def _build(values: dict[str, Any]) -> CacheSection:
    """With the URLs that an upstream has by itself."""
    cache = CacheSection(**values)
    remote = f"https://{_HUB.get(cache.upstream.lower(), cache.upstream)}"
    return msgspec.structs.replace(cache, url=cache.url or _service_url(cache.upstream), remote=cache.remote or remote)


CACHE = Keys(CacheSection, build=_build, optional={"url": ""})
