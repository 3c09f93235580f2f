"""Images in an OCI image layout (image-spec 1.1, image-layout.md), whatever holds its files."""

from typing import NamedTuple

import msgspec

from orchestrator.images.artifacts import check_image
from orchestrator.images.local.documents import Documents
from orchestrator.images.local.files import JSON_LIMIT, LocalImage
from orchestrator.images.manifests import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Manifest,
    check_layers,
    platform_of,
    read_config,
    read_image,
    read_manifest,
)
from orchestrator.images.schemas import LayoutFields
from orchestrator.images.tarball.layout import blob_name
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.model import Blob, Image, Platform
from orchestrator.net.errors import ArchiveError, NotAnImage, Unsupported

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DEPTH_LIMIT = 3
# Things passed over that a plan names.
_MOST_NAMED = 20
_VERSION = "1.0.0"


class ArchiveContent(NamedTuple):
    """What an archive holds.

    Attributes:
        images: in its own order.
        blobs: the file of each of their blobs, by its digest.
        passed_over: what is no image, a sentence each.
    """

    images: list[LocalImage]
    blobs: dict[str, str]
    passed_over: tuple[str, ...] = ()


def read_layout(documents: Documents) -> ArchiveContent:
    """What an OCI layout holds.

    Raises:
        ArchiveError: a blob is missing, cut short, or (a manifest or config) not what its digest promises.
        NotAnImage: it holds artifacts only.
        Unsupported: something in it is an image that we cannot read.
    """
    path = documents.files.path
    _check_version(documents)
    reader = _LayoutReader(documents)
    index = read_manifest(documents.read("index.json"), origin=f"{path}: index.json")
    for group, entry in enumerate(index.manifests or ()):
        reader.read(entry, group, names=(), depth=1)
    passed_over = tuple(reader.passed_over.values())
    if not reader.found and passed_over:
        raise NotAnImage(f"{path}: holds no container image: {passed_over[0]}")
    if not reader.found:
        raise ArchiveError(f"{path}: its index.json names no image")
    return ArchiveContent([*reader.found, *_misdeclared(reader)], reader.blobs, passed_over[:_MOST_NAMED])


def _check_version(documents: Documents) -> None:
    """The file `oci-layout` has the only version there is; some old tools leave it out."""
    path = documents.files.path
    if documents.files.size("oci-layout") is None:
        return
    try:
        version = decode(documents.read("oci-layout"), LayoutFields, origin="oci-layout").image_layout_version
    except ForeignJsonError as error:
        raise ArchiveError(f"{path}: {error}") from error
    if version != _VERSION:
        raise Unsupported(f"{path}: an OCI layout of version {version[:40]!r}; only {_VERSION} is known")


def _misdeclared(reader: "_LayoutReader") -> list[LocalImage]:
    """Images whose config states another platform than the index does, once more, by their config.

    `podman load` and `docker load` take them out of an archive without a look at the index's platform, so they must
    not be left out as being of a platform that nobody wants.
    """
    group = 1 + max(each.group for each in reader.found)
    others = [
        (each, platform)
        for each in reader.found
        if (platform := reader.own_platforms[each.image.manifest.digest]).architecture
        and _machine(platform) != _machine(each.image.platform)
    ]
    return [
        each._replace(image=msgspec.structs.replace(each.image, platform=platform), group=group + number)
        for number, (each, platform) in enumerate(others)
    ]


def _machine(platform: Platform) -> tuple[str, str]:
    return platform.os, platform.architecture


class _LayoutReader:
    """Walks the index.json of an OCI layout (image-spec 1.1, image-layout.md), each document of it once."""

    def __init__(self, documents: Documents) -> None:
        self._documents, self._files = documents, documents.files
        self._indexes: set[tuple[str, int]] = set()
        self._above: list[str] = []
        self._images: dict[str, tuple[Image, bytes] | None] = {}
        self._sizes: dict[str, int | None] = {}
        self.found: list[LocalImage] = []
        self.blobs: dict[str, str] = {}
        self.own_platforms: dict[str, Platform] = {}
        self.passed_over: dict[str, str] = {}

    def read(self, entry: Descriptor, group: int, names: tuple[str, ...], depth: int) -> None:
        """Add what a descriptor names."""
        self._documents.count()
        if entry.is_attestation() or (entry.digest, group) in self._indexes:
            return
        origin = f"{self._files.path}: {entry.digest[:80]}"
        blob = entry.blob(origin)
        if depth > 1 and not self._has(blob):
            return  # `docker save` keeps the whole index, but only the platforms it has pulled
        names = names or tuple(found for key in _NAMES if (found := (entry.annotations or {}).get(key)))[:1]
        if blob.digest not in self._images:
            try:
                data = self._document(blob, origin)
                manifest = read_manifest(data, origin=origin)
                if manifest.manifests is not None:
                    self._indexes.add((blob.digest, group))
                    self._above.append(blob.digest)
                    self._read_all(manifest.manifests, group, names, depth, origin)
                    self._above.pop()
                    return
                self._images[blob.digest] = self._image(blob, data, manifest, origin, depth)
            except NotAnImage as error:
                self.passed_over[blob.digest] = str(error)
                self._images[blob.digest] = None
        known = self._images[blob.digest]
        if known:
            image = msgspec.structs.replace(known[0], platform=entry.declared_platform() or known[0].platform)
            self.found.append(LocalImage(image, known[1], names, group, tuple(self._above)))

    def _read_all(
        self, entries: tuple[Descriptor, ...], group: int, names: tuple[str, ...], depth: int, origin: str
    ) -> None:
        if depth > _DEPTH_LIMIT:
            raise Unsupported(f"{origin}: indexes within indexes, deeper than {_DEPTH_LIMIT}")
        for entry in entries:
            self.read(entry, group, names, depth + 1)

    def _document(self, blob: Blob, origin: str) -> bytes:
        """A manifest or an index.

        Raises:
            NotAnImage: by its type it is neither, and by its content nobody could take it for one.
        """
        known = not blob.media_type or blob.media_type in {*MANIFEST_TYPES, *INDEX_TYPES}
        if known or blob.size <= JSON_LIMIT:
            data = self._documents.proven(blob)
            if known or data.lstrip()[:1] == b"{":
                return data
        raise NotAnImage(f"{origin}: a blob of type {blob.media_type[:80]!r}, not a manifest")

    def _image(
        self, blob: Blob, data: bytes, manifest: Manifest, origin: str, depth: int
    ) -> tuple[Image, bytes] | None:
        """An image with the platform of its config; None where the archive does not hold all of it."""
        parts = (*((manifest.config,) if manifest.config else ()), *(manifest.layers or ()))
        missing = [each.digest for each in parts if not self._has(each.blob(origin))]
        if missing and depth == 1:
            raise ArchiveError(f"{origin}: lacks {missing[0]}; save the image again")
        if missing:
            return None
        check_image(manifest, origin=origin, read=self._documents.proven, listed_as=blob.media_type)
        image = read_image(data, origin=origin, digest=blob.digest)
        config = read_config(self._documents.proven(image.config), origin=origin)
        check_layers(config, image, origin=origin)
        self.own_platforms[blob.digest] = platform_of(config)
        self.blobs |= {each.digest: blob_name(each.digest) for each in (image.config, *image.layers)}
        return msgspec.structs.replace(image, platform=platform_of(config)), data

    def _has(self, blob: Blob) -> bool:
        """Whether the archive holds a blob; one of another size is no absent one, since podman would use it."""
        if blob.digest not in self._sizes:  # in a folder, each look is a file opened
            self._sizes[blob.digest] = self._files.size(blob_name(blob.digest))
        size = self._sizes[blob.digest]
        if size not in {None, blob.size}:
            raise ArchiveError(f"{self._files.path}: {blob.digest} in it is {size} bytes long, not {blob.size}")
        return size is not None
