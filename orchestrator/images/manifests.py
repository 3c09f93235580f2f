"""Manifests, indexes and configs, OCI and Docker v2, read into our types.

Nothing but the bytes decides (never a header of the registry), so the same digest always gives the same `Image`; and
they are read as the runtimes read them (`orchestrator.kit.foreign_json`), so it is the image that will run.
Specifications: OCI image-spec 1.1 manifest.md, image-index.md and config.md; Docker's "Image Manifest V2, Schema 2".
"""

from typing import Any, TypeVar

import msgspec

from orchestrator.images.digests import check_digest, digest_of
from orchestrator.images.platforms import normalise
from orchestrator.images.schemas import ConfigFields, DescriptorFields, PlatformFields
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.model import Blob, Image, Platform
from orchestrator.net.errors import NotAnImage, Unsupported

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
# What registries and builders of 2016 to 2018 called configs (moby, `distribution/registry.go`, has the same list for
# what it takes for an image); that it is one, its content shows.
_OLD_CONFIGS = ("application/octet-stream", "application/json", "")
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


T = TypeVar("T")


class Descriptor(DescriptorFields, frozen=True):
    """A descriptor as it stands in a manifest, an index, or an OCI layout's index.json."""

    def blob(self, origin: str) -> Blob:
        """The same in our words, checked.

        Raises:
            Unsupported: a digest that cannot be verified, an impossible size, or embedded content of another digest.
        """
        if not 0 <= self.size < _SIZE_LIMIT:
            raise Unsupported(f"{origin}: {self.digest[:80]} cannot be {self.size} bytes long")
        digest = check_digest(self.digest, origin=origin)
        # Some clients use it instead of fetching the blob, and not all of them verify it.
        if self.data and (len(self.data) != self.size or digest_of(self.data, like=digest) != digest):
            raise Unsupported(f"{origin}: the content embedded for {digest} is not what that digest stands for")
        return Blob(digest=digest, size=self.size, media_type=self.media_type)

    def declared_platform(self) -> Platform | None:
        """The platform it declares; None when it declares none."""
        return _platform(self.platform) if self.platform and self.platform != PlatformFields() else None

    def is_attestation(self) -> bool:
        """Whether it is about an image (SBOM, provenance as BuildKit attaches them) rather than one itself.

        Runtimes choose by the platform alone, so its annotations say nothing about that: of an entry without platform
        only its content does (`orchestrator.images.artifacts`).
        """
        return self.declared_platform() == _UNKNOWN


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest or an index: `manifests` tells which.

    Attributes:
        fs_layers: of Docker's schema 1, as are `signatures` and `history`.
        blobs: of the artifact manifest that OCI gave up before 1.1.
    """

    schema_version: int = 0
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None
    fs_layers: Any = None
    signatures: Any = None
    history: Any = None
    blobs: Any = None

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
        NotAnImage: an artifact without anything that could be run.
    """
    manifest = _decode(data, Manifest, f"{origin}: not an image manifest")
    if manifest.schema_version == 1:
        raise Unsupported(
            f"{origin}: Docker image manifest schema 1, obsolete since 2017; push the image again with a current client"
        )
    if manifest.schema_version not in {0, 2}:
        raise Unsupported(f"{origin}: a manifest of schema {manifest.schema_version}, which does not exist")
    # A document that is manifest and index at once means different things to different readers (CVE-2021-41190).
    if manifest.is_index and (manifest.config is not None or manifest.layers is not None):
        raise Unsupported(f"{origin}: claims to be an image and an index of images at once")
    if manifest.fs_layers is not None or manifest.signatures is not None:
        raise Unsupported(f"{origin}: claims to be an image of Docker's schema 1 and another manifest at once")
    expected = INDEX_TYPES if manifest.is_index else MANIFEST_TYPES
    if manifest.media_type and manifest.media_type not in expected:
        # Runtimes that go by what the registry or the index calls it would take it for an image if it has the parts.
        has_parts = manifest.is_index or manifest.config is not None or manifest.layers is not None
        kind = Unsupported if has_parts else NotAnImage
        raise kind(f"{origin}: a manifest of type {manifest.media_type[:80]!r} is not a container image")
    if not manifest.is_index and (manifest.config is None or manifest.layers is None):
        kind = NotAnImage if manifest.artifact_type or manifest.subject else Unsupported
        raise kind(f"{origin}: neither an image manifest nor an index: it has no config and layers")
    return manifest


def read_image(data: bytes, *, origin: str, platform: Platform | None = None, digest: str = "sha256:") -> Image:
    """Read the manifest of one image.

    Args:
        data: the manifest's bytes.
        origin: what it is, for messages.
        platform: of the image, where its config is not to be asked.
        digest: the digest it was asked for by, for its algorithm; verify it before.

    Raises:
        Unsupported: an index, an artifact by its config's type, or a layer of a type no scan could read. Whether it is
            an image at all is more than a manifest tells: see `orchestrator.images.artifacts`.
    """
    manifest = read_manifest(data, origin=origin)
    if manifest.config is None or manifest.layers is None:
        raise Unsupported(f"{origin}: an index of images where one image was expected")
    config_type = manifest.config.media_type.partition(";")[0].strip().lower()
    if not is_config(config_type) and config_type not in _OLD_CONFIGS and not config_type.startswith("text/"):
        kind = manifest.artifact_type or config_type
        raise Unsupported(f"{origin}: an artifact of type {kind[:80]!r}, not a container image")
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


def is_config(media_type: str) -> bool:
    """Whether a config of this type is an image's for every runtime."""
    return media_type in {OCI_CONFIG, DOCKER_CONFIG}


def compressions(image: Image) -> tuple[str, ...]:
    """All compressions of its layers, sorted."""
    return tuple(sorted({compression(layer.media_type) for layer in image.layers}))


def is_foreign(layer: Blob) -> bool:
    """Whether it is a layer that registries need not hold (Windows base layers)."""
    return layer.media_type.startswith(_FOREIGN)


def read_config(data: bytes, *, origin: str) -> ConfigFields:
    """Read an image's config (OCI image-spec, config.md).

    Its platform may be missing, as old builders left it: runtimes start such an image on any machine.

    Raises:
        Unsupported: not such a config, or one that readers could read in two ways.
    """
    return _decode(data, ConfigFields, f"{origin}: its config")


def config_platform(config: bytes, *, origin: str) -> Platform:
    """The platform an image's config states; without architecture where it states none.

    Raises:
        Unsupported: as `read_config` does.
    """
    return platform_of(read_config(config, origin=origin))


def platform_of(config: ConfigFields) -> Platform:
    """The platform of an image by its config."""
    return _platform(config)


def check_layers(config: ConfigFields, image: Image, *, origin: str) -> None:
    """Make sure that config and manifest speak of as many layers; runtimes refuse an image where they do not.

    Raises:
        Unsupported: they do not, or the config is by its type none of an image, and lists no layers either.
    """
    diff_ids = config.rootfs.diff_ids if config.rootfs else None
    if diff_ids is None and image.manifest.media_type == OCI_MANIFEST and not is_config(image.config.media_type):
        raise Unsupported(f"{origin}: an artifact of type {image.config.media_type[:80]!r}, not a container image")
    if diff_ids is not None and len(diff_ids) != len(image.layers):
        raise Unsupported(
            f"{origin}: its config lists {len(diff_ids)} layers and its manifest {len(image.layers)}; build it again"
        )


def _decode(data: bytes, kind: type[T], origin: str) -> T:
    try:
        return decode(data, kind, origin=origin)
    except ForeignJsonError as error:
        raise Unsupported(str(error)) from error


def _platform(fields: PlatformFields | ConfigFields) -> Platform:
    cut = slice(64)
    return normalise(Platform(os=fields.os[cut], architecture=fields.architecture[cut], variant=fields.variant[cut]))


def _check_sizes(image: Image, origin: str) -> None:
    """One blob has one size: a manifest that says otherwise would make a tarball nobody can lay out."""
    sizes: dict[str, int] = {}
    for blob in (image.manifest, image.config, *image.layers):
        if sizes.setdefault(blob.digest, blob.size) != blob.size:
            raise Unsupported(f"{origin}: gives {blob.digest} two different sizes")
