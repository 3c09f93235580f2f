"""From the name of an image to the digest that stands for it, whatever its tag means tomorrow."""

from collections.abc import Iterable
from functools import partial

import msgspec

from orchestrator.images.artifacts import check_image
from orchestrator.images.digests import digest_of
from orchestrator.images.manifests import config_platform, read_image, read_manifest
from orchestrator.images.reference import Reference
from orchestrator.images.registry.cache import CacheRule, pull_location
from orchestrator.images.registry.client import RegistryClient
from orchestrator.model import Document


class Pinned(Document, frozen=True):
    """What a name stood for when it was looked up.

    Attributes:
        digest: of the index, or of the manifest where the name means one image only; worked out of the bytes.
        platforms: digest of each image by its platform; attestations are left out.
    """

    digest: str
    platforms: dict[str, str] = msgspec.field(default_factory=dict)


def pin(
    reference: Reference, client: RegistryClient, *, caches: Iterable[CacheRule] = (), insecure: Iterable[str] = ()
) -> Pinned:
    """Look up the digest of an image.

    Args:
        reference: its name; a digest in it is proven, not believed.
        client: asks the registry.
        caches: pull-through caches, as for pulls.
        insecure: registries spoken to without TLS verification.

    Raises:
        Unsupported: it is not an image, or not one that anybody can run.
        ImageError: as `RegistryClient.manifest` does.
    """
    location = pull_location(reference, caches, insecure)
    data = client.manifest(location, reference.digest or reference.tag).data
    origin = str(reference)
    digest = digest_of(data, like=reference.digest or "sha256:")
    manifest = read_manifest(data, origin=origin)
    if manifest.manifests is None:
        check_image(manifest, origin=origin, read=partial(client.blob, location))
        image = read_image(data, origin=origin, digest=digest)
        platform = config_platform(client.blob(location, image.config), origin=origin)
        if not platform.architecture:
            return Pinned(digest=digest)
        return Pinned(digest=digest, platforms={str(platform): digest})
    blobs = [
        (str(entry.declared_platform() or ""), entry.blob(origin).digest)
        for entry in manifest.manifests
        if not entry.is_attestation()
    ]
    return Pinned(digest=digest, platforms={platform: found for platform, found in sorted(blobs) if platform})
