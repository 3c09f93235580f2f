"""From the name of an image to its images of the wanted platforms."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from orchestrator.images.artifacts import check_image
from orchestrator.images.digests import digest_of
from orchestrator.images.manifests import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    config_platform,
    read_image,
    read_manifest,
)
from orchestrator.images.platforms import choose, completed
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.memory import Memory
from orchestrator.model import Blob, Image, Platform, ReadBudget
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import NoPlatform, NotAnImage, NotFound, Unsupported

# An index may hold indexes (image-spec, image-index.md); nobody nests them deeper.
_DEPTH_LIMIT = 3
# Platforms that a message names, and things passed over that a plan does.
_MOST_NAMED = 20


class _Offer(NamedTuple):
    """One manifest of an index: where it is, or already read."""

    digest: str
    data: bytes


class Resolution(NamedTuple):
    """What a name leads to.

    Attributes:
        images: with the bytes of their manifests.
        passed_over: what an index lists beside them that is no image, a sentence each; the first ones of very many.
        indexes: digests of the indexes that lead to an image, the outermost first, by the image's digest: the one that
            `docker pull` prints is among them.
    """

    images: tuple[tuple[Image, bytes], ...]
    passed_over: tuple[str, ...]
    indexes: dict[str, tuple[str, ...]]


def resolve(
    location: str,
    reference: str,
    platforms: Sequence[Platform],
    client: RegistryClient,
    *,
    cancelled: threading.Event | None = None,
    allowance: Allowance | None = None,
    memory: Memory | None = None,
) -> tuple[Image, ...]:
    """Look an image up.

    Args:
        location: its repository, `http(s)://host[:port]/repository`, already that of the cache.
        reference: tag or digest.
        platforms: those wanted, the most important first.
        client: asks the registry.
        cancelled: ends any wait.
        allowance: what it may cost; by default as much as `limits.lookup` grants without a configuration.
        memory: of what was read before.

    Returns:
        At least one image, in the order of the wanted platforms; several for one platform only where an index has them
        (see `choose`). Each carries the platform that the index, or else its own config, states; where neither states
        one, that of the first machine wanted.

    Raises:
        NoPlatform: there are only others, which the message names.
        NotAnImage: an artifact, or an index that lists nothing else.
        Unsupported: of schema 1, or with layers no scan could read.
        OverBudget: its indexes cost more than the allowance grants.
        ImageError: as `RegistryClient.manifest` does.
    """
    found = resolve_manifests(
        location, reference, platforms, client, cancelled=cancelled, allowance=allowance, memory=memory
    )
    return tuple(image for image, _ in found.images)


def resolve_manifests(
    location: str,
    reference: str,
    platforms: Sequence[Platform],
    client: RegistryClient,
    *,
    cancelled: threading.Event | None = None,
    allowance: Allowance | None = None,
    memory: Memory | None = None,
) -> Resolution:
    """The same, with the bytes of each image's manifest, and what was passed over."""
    allowance = allowance or Allowance(ReadBudget(), "limits.lookup")
    lookup = _Lookup(location, platforms, client, cancelled=cancelled, allowance=allowance, memory=memory or Memory())
    offers = lookup.offers(reference)
    while True:
        # An image that is named with its platform and once more without is one.
        chosen = list({offer.digest: offer for offer in choose(platforms, offers)}.values())
        # Of an entry that declares a platform nothing was read yet.
        artifacts = {offer.digest for offer in chosen if not lookup.is_image(offer)}
        if not artifacts:
            break
        offers = [(platform, offer) for platform, offer in offers if offer.digest not in artifacts]
    passed_over = tuple(lookup.passed_over.values())
    origin = lookup.origin(reference)
    if not offers:
        first = f": {passed_over[0]}" if passed_over else ""
        raise NotAnImage(f"{origin}: an index that lists no container image{first}")
    if not chosen:
        have = ", ".join(sorted({str(platform) for platform, _ in offers})[:_MOST_NAMED])
        wanted = ", ".join(map(str, platforms))
        raise NoPlatform(f"{origin}: there is {have}, but not {wanted}; add a platform, or drop it")
    images = (lookup.read(one, next(platform for platform, other in offers if other is one)) for one in chosen)
    indexes = {one.digest: tuple(lookup.indexes.get(one.digest, ())) for one in chosen}
    return Resolution(tuple(images), passed_over[:_MOST_NAMED], indexes)


class _Lookup:
    """One reference being looked up.

    What an index says is added up, not multiplied: each index is walked once, and each image looked at once, however
    often they are named. Of two entries alike the first would be chosen anyway.

    Attributes:
        passed_over: what is no image, and why, by its digest.
        indexes: digests of the indexes that lead to an image, by its digest.
    """

    def __init__(
        self,
        location: str,
        platforms: Sequence[Platform],
        client: RegistryClient,
        *,
        cancelled: threading.Event | None,
        allowance: Allowance,
        memory: Memory,
    ) -> None:
        self._location, self._platforms, self._client, self._cancelled = location, platforms, client, cancelled
        self._allowance, self._memory = allowance, memory
        self._walked: set[str] = set()
        self._above: list[str] = []
        self.passed_over: dict[str, str] = {}
        self.indexes: dict[str, dict[str, None]] = {}

    def origin(self, reference: str) -> str:
        """What is looked at, for messages."""
        return f"{self._location.partition('://')[2]}{'@' if ':' in reference else ':'}{reference}"

    def offers(self, reference: str, depth: int = 1) -> list[tuple[Platform, _Offer]]:
        """All images there are, by platform.

        Raises:
            NotAnImage: what the reference itself names is none, nor an index.
        """
        data = self._manifest(reference)
        origin = self.origin(reference)
        manifest = read_manifest(data, origin=origin)
        if manifest.manifests is None:
            digest = reference if ":" in reference else digest_of(data)
            return [(self._own_platform(data, digest, origin), _Offer(digest, data))]
        if depth > _DEPTH_LIMIT:
            raise Unsupported(f"{origin}: indexes within indexes, deeper than {_DEPTH_LIMIT}")
        self._allowance.spend(entries=len(manifest.manifests))
        self._above.append(reference if ":" in reference else digest_of(data))
        try:
            return [
                offer for one in manifest.manifests if not one.is_attestation() for offer in self._entry(one, depth)
            ]
        finally:
            self._above.pop()

    def _entry(self, entry: Descriptor, depth: int) -> list[tuple[Platform, _Offer]]:
        blob = entry.blob(self._location)
        self.indexes.setdefault(blob.digest, {}).update(dict.fromkeys(self._above))
        declared = entry.declared_platform()
        if declared is not None:
            return [(declared, _Offer(blob.digest, b""))]
        if blob.digest in self._walked:
            return []
        self._walked.add(blob.digest)
        try:
            return self.offers(blob.digest, depth + 1)  # an index, or an image that only its config tells about
        except NotAnImage as error:
            self.passed_over[blob.digest] = str(error)
            return []
        except NotFound:
            # BuildKit's cache is an index of layers, and a list of referrers outlives what it lists. podman would look
            # for a manifest there, as we did.
            manifest = not blob.media_type or blob.media_type in {*MANIFEST_TYPES, *INDEX_TYPES}
            if manifest and not entry.artifact_type:
                raise
            what = f"an artifact that is gone, of type {entry.artifact_type[:80]!r}"
            what = what if manifest else f"a blob of type {blob.media_type[:80]!r}"
            self.passed_over[blob.digest] = f"{self.origin(blob.digest)}: {what}"
            return []

    def is_image(self, offer: _Offer) -> bool:
        """Whether an entry that declares a platform is an image; one that is none is passed over."""
        if offer.data:
            return True  # it was looked at for its platform
        try:
            self._check(self._manifest(offer.digest), self.origin(offer.digest))
        except NotAnImage as error:
            self.passed_over[offer.digest] = str(error)
            return False
        return True

    def _check(self, data: bytes, origin: str) -> None:
        check_image(read_manifest(data, origin=origin), origin=origin, read=self._blob)

    def _own_platform(self, data: bytes, digest: str, origin: str) -> Platform:
        self._check(data, origin)
        image = read_image(data, origin=origin, digest=digest)
        return completed(config_platform(self._blob(image.config), origin=origin), self._platforms)

    def read(self, offer: _Offer, platform: Platform) -> tuple[Image, bytes]:
        """The image that was chosen."""
        data = offer.data or self._manifest(offer.digest)
        image = read_image(data, origin=self.origin(offer.digest), digest=offer.digest)
        return msgspec.structs.replace(image, platform=platform), data

    def _manifest(self, reference: str) -> bytes:
        """A manifest; what a tag stands for is asked for each time, what a digest stands for only once."""

        def read(**options: Any) -> bytes:
            return self._client.manifest(self._location, reference, **options).data

        if ":" in reference:
            return self._known(reference, read)
        data = read(cancelled=self._cancelled, allowance=self._allowance)
        self._memory.put(self._location, digest_of(data), data)
        return data

    def _blob(self, blob: Blob) -> bytes:
        return self._known(blob.digest, partial(self._client.blob, self._location, blob))

    def _known(self, digest: str, read: Callable[..., bytes]) -> bytes:
        ask = partial(read, cancelled=self._cancelled, allowance=self._allowance)
        return self._memory.get(self._location, digest, ask, patience=self._allowance.seconds_left())
