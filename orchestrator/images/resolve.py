"""From the name of an image to its images of the wanted platforms."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from orchestrator.images.digests import digest_of
from orchestrator.images.interface import NoPlatform, Unsupported
from orchestrator.images.manifests import Descriptor, config_platform, read_image, read_manifest
from orchestrator.images.platforms import choose
from orchestrator.images.registry import RegistryClient
from orchestrator.model import Image, Platform

# An index may hold indexes (image-spec, image-index.md); nobody nests them deeper.
_DEPTH_LIMIT = 3


class _Offer(NamedTuple):
    """One manifest of an index: where it is, or already read."""

    digest: str
    data: bytes


def resolve(
    location: str,
    reference: str,
    platforms: Sequence[Platform],
    client: RegistryClient,
    *,
    cancelled: threading.Event | None = None,
) -> tuple[Image, ...]:
    """Look an image up.

    Args:
        location: its repository, `http(s)://host[:port]/repository`, already that of the cache.
        reference: tag or digest.
        platforms: those wanted, the most important first.
        client: asks the registry.
        cancelled: ends any wait.

    Returns:
        At least one image, at most one for each wanted platform, in their order; each carries the platform that the
        index, or else its own config, states.

    Raises:
        NoPlatform: there are only others, which the message names.
        Unsupported: not an image, of schema 1, or with layers no scan could read.
        ImageError: as `RegistryClient.manifest` does.
    """
    found = resolve_manifests(location, reference, platforms, client, cancelled=cancelled)
    return tuple(image for image, _ in found)


def resolve_manifests(
    location: str,
    reference: str,
    platforms: Sequence[Platform],
    client: RegistryClient,
    *,
    cancelled: threading.Event | None = None,
) -> tuple[tuple[Image, bytes], ...]:
    """The same, with the bytes of each image's manifest."""
    lookup = _Lookup(location, client, cancelled)
    offers = lookup.offers(reference)
    chosen = choose(platforms, offers)
    if not chosen:
        have = ", ".join(sorted({str(platform) for platform, _ in offers})) or "no image at all"
        wanted = ", ".join(map(str, platforms))
        raise NoPlatform(f"{lookup.origin(reference)}: there is {have}, but not {wanted}; add a platform, or drop it")
    return tuple(lookup.read(offer, next(platform for platform, other in offers if other is offer)) for offer in chosen)


class _Lookup:
    """One reference being looked up."""

    def __init__(self, location: str, client: RegistryClient, cancelled: threading.Event | None) -> None:
        self._location, self._client, self._cancelled = location, client, cancelled

    def origin(self, reference: str) -> str:
        """What is looked at, for messages."""
        return f"{self._location.partition('://')[2]}{'@' if ':' in reference else ':'}{reference}"

    def offers(self, reference: str, depth: int = 1) -> list[tuple[Platform, _Offer]]:
        """All images there are, by platform."""
        data = self._client.manifest(self._location, reference, cancelled=self._cancelled).data
        origin = self.origin(reference)
        manifest = read_manifest(data, origin=origin)
        if manifest.manifests is None:
            digest = reference if ":" in reference else digest_of(data)
            return [(self._own_platform(data, digest, origin), _Offer(digest, data))]
        if depth > _DEPTH_LIMIT:
            raise Unsupported(f"{origin}: indexes within indexes, deeper than {_DEPTH_LIMIT}")
        return [
            offer for entry in manifest.manifests if not entry.is_attestation() for offer in self._entry(entry, depth)
        ]

    def _entry(self, entry: Descriptor, depth: int) -> list[tuple[Platform, _Offer]]:
        blob = entry.blob(self._location)
        declared = entry.declared_platform()
        if declared is not None:
            return [(declared, _Offer(blob.digest, b""))]
        return self.offers(blob.digest, depth + 1)  # an index, or an image that only its config tells about

    def _own_platform(self, data: bytes, digest: str, origin: str) -> Platform:
        image = read_image(data, origin=origin, digest=digest)
        config = self._client.blob(self._location, image.config, cancelled=self._cancelled)
        return config_platform(config, origin=origin)

    def read(self, offer: _Offer, platform: Platform) -> tuple[Image, bytes]:
        """The image that was chosen."""
        data = offer.data or self._client.manifest(self._location, offer.digest, cancelled=self._cancelled).data
        image = read_image(data, origin=self.origin(offer.digest), digest=offer.digest)
        return msgspec.structs.replace(image, platform=platform), data
