"""Manifests and indexes, OCI and Docker v2, read into our types.

Nothing but the bytes decides (never a header of the registry), so the same digest always gives the same `Image`.
Specifications: OCI image-spec 1.1 manifest.md and image-index.md; Docker's "Image Manifest V2, Schema 2".
"""

from typing import Any

import msgspec

from orchestrator.images.digests import check_digest, digest_of
from orchestrator.images.interface import Unsupported
from orchestrator.images.platforms import normalise
from orchestrator.model import Blob, Image, Platform

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)

_FOREIGN = (
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
_LAYERS = (OCI_LAYER, "application/vnd.docker.image.rootfs.diff.tar", *_FOREIGN)
_COMPRESSIONS = {"": "none", "+gzip": "gzip", "+zstd": "zstd", ".gzip": "gzip", ".zstd": "zstd"}
_UNKNOWN = Platform(os="unknown", architecture="unknown")
_SIZE_LIMIT = 1 << 50


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """A descriptor as it stands in a manifest, an index, or an OCI layout's index.json."""

    digest: str
    size: int
    media_type: str = ""
    platform: dict[str, Any] | None = None
    annotations: dict[str, str] | None = None

    def blob(self, origin: str) -> Blob:
        """The same in our words, checked.

        Raises:
            Unsupported: a digest that cannot be verified, or an impossible size.
        """
        if not 0 <= self.size < _SIZE_LIMIT:
            raise Unsupported(f"{origin}: {self.digest[:80]} cannot be {self.size} bytes long")
        return Blob(digest=check_digest(self.digest, origin=origin), size=self.size, media_type=self.media_type)

    def declared_platform(self) -> Platform | None:
        """The platform it declares; None when it declares none."""
        return _platform(self.platform) if self.platform else None

    def is_attestation(self) -> bool:
        """Whether it is about an image (SBOM, provenance as BuildKit attaches them) rather than one itself."""
        kind = (self.annotations or {}).get("vnd.docker.reference.type")
        return kind == "attestation-manifest" or self.declared_platform() == _UNKNOWN


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest or an index: `manifests` tells which. Members of no interest are ignored."""

    schema_version: int = 0
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests."""
        return self.manifests is not None


def read_manifest(data: bytes, *, origin: str) -> Manifest:
    """Read a manifest or an index.

    Args:
        data: its bytes.
        origin: what it is, for messages.

    Raises:
        Unsupported: not a manifest of the four kinds known, or one that could be read as two of them.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unsupported(f"{origin}: not an image manifest: {error}") from error
    if manifest.schema_version == 1:
        raise Unsupported(
            f"{origin}: Docker image manifest schema 1, obsolete since 2017; push the image again with a current client"
        )
    # A document that is manifest and index at once means different things to different readers (CVE-2021-41190).
    if manifest.is_index and (manifest.config is not None or manifest.layers is not None):
        raise Unsupported(f"{origin}: claims to be an image and an index of images at once")
    expected = INDEX_TYPES if manifest.is_index else MANIFEST_TYPES
    if manifest.media_type and manifest.media_type not in expected:
        raise Unsupported(f"{origin}: a manifest of type {manifest.media_type!r} is not a container image")
    if not manifest.is_index and (manifest.config is None or manifest.layers is None):
        raise Unsupported(f"{origin}: neither an image manifest nor an index: it has no config and layers")
    return manifest


def read_image(data: bytes, *, origin: str, platform: Platform | None = None, digest: str = "sha256:") -> Image:
    """Read the manifest of one image.

    Args:
        data: the manifest's bytes.
        origin: what it is, for messages.
        platform: of the image, where its config is not to be asked.
        digest: the digest it was asked for by, for its algorithm; verify it before.

    Raises:
        Unsupported: an index, an artifact that is no image, a layer of a type no scan could read.
    """
    manifest = read_manifest(data, origin=origin)
    if manifest.config is None or manifest.layers is None:
        raise Unsupported(f"{origin}: an index of images where one image was expected")
    if manifest.config.media_type not in {OCI_CONFIG, DOCKER_CONFIG}:
        kind = manifest.artifact_type or manifest.config.media_type or "unknown"
        raise Unsupported(f"{origin}: an artifact of type {kind!r}, not a container image")
    for layer in manifest.layers:
        compression(layer.media_type, origin=f"{origin}: layer {layer.digest[:80]}")
    image = Image(
        manifest=Blob(
            digest=digest_of(data, like=digest), size=len(data), media_type=manifest.media_type or OCI_MANIFEST
        ),
        config=manifest.config.blob(origin),
        layers=tuple(layer.blob(origin) for layer in manifest.layers),
        platform=platform or Platform(),
    )
    _check_sizes(image, origin)
    return image


def compression(media_type: str, *, origin: str = "layer") -> str:
    """How a layer of this type is compressed: `gzip`, `zstd` or `none`.

    Raises:
        Unsupported: not the type of a file system layer, encrypted ones among them.
    """
    for base in _LAYERS:
        found = _COMPRESSIONS.get(media_type.removeprefix(base)) if media_type.startswith(base) else None
        if found:
            return found
    reason = "is encrypted" if media_type.endswith("+encrypted") else "is not a file system layer we know"
    raise Unsupported(f"{origin}: {media_type!r} {reason}")


def compressions(image: Image) -> tuple[str, ...]:
    """All compressions of its layers, sorted."""
    return tuple(sorted({compression(layer.media_type) for layer in image.layers}))


def is_foreign(layer: Blob) -> bool:
    """Whether it is a layer that registries need not hold (Windows base layers)."""
    return layer.media_type.startswith(_FOREIGN)


def config_platform(config: bytes, *, origin: str) -> Platform:
    """The platform an image's config states (OCI image-spec, config.md).

    Raises:
        Unsupported: not such a config.
    """
    try:
        content = msgspec.json.decode(config, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unsupported(f"{origin}: its config is not JSON: {error}") from error
    if not content.get("architecture") or not content.get("os"):
        raise Unsupported(f"{origin}: its config names no platform, so it is not a container image")
    return _platform(content)


def _platform(fields: dict[str, Any]) -> Platform:
    values = {name: str(fields.get(name) or "")[:64] for name in ("os", "architecture", "variant")}
    return normalise(Platform(**values))


def _check_sizes(image: Image, origin: str) -> None:
    """One blob has one size: a manifest that says otherwise would make a tarball nobody can lay out."""
    sizes: dict[str, int] = {}
    for blob in (image.manifest, image.config, *image.layers):
        if sizes.setdefault(blob.digest, blob.size) != blob.size:
            raise Unsupported(f"{origin}: gives {blob.digest} two different sizes")
