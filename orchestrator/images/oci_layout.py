"""Images in an OCI image layout (image-spec 1.1, image-layout.md), whatever holds its files."""

import msgspec

from orchestrator.images.digests import digest_of
from orchestrator.images.files import Files, LocalImage, read_json
from orchestrator.images.interface import ArchiveError, Unsupported
from orchestrator.images.layout import blob_name
from orchestrator.images.manifests import Descriptor, config_platform, read_image, read_manifest
from orchestrator.model import Blob

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DEPTH_LIMIT = 3


def read_layout(files: Files) -> tuple[list[LocalImage], dict[str, str]]:
    """All images of an OCI layout, and the file of each of their blobs by its digest.

    Raises:
        ArchiveError: a blob is missing, cut short, or (a manifest or config) not what its digest promises.
        Unsupported: something in it is not a container image we can read.
    """
    reader = _LayoutReader(files)
    index = read_manifest(read_json(files, "index.json"), origin=f"{files.path}: index.json")
    for group, entry in enumerate(index.manifests or ()):
        reader.read(entry, group, names=(), depth=1)
    if not reader.found:
        raise ArchiveError(f"{files.path}: its index.json names no image")
    return reader.found, reader.blobs


class _LayoutReader:
    """Walks the index.json of an OCI layout (image-spec 1.1, image-layout.md)."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.found: list[LocalImage] = []
        self.blobs: dict[str, str] = {}

    def read(self, entry: Descriptor, group: int, names: tuple[str, ...], depth: int) -> None:
        """Take in what a descriptor names."""
        if entry.is_attestation():
            return
        origin = f"{self._files.path}: {entry.digest[:80]}"
        blob = entry.blob(origin)
        if depth > 1 and not self._has(blob):
            return  # `docker save` keeps the whole index, but only the platforms it has pulled
        names = names or tuple(found for key in _NAMES if (found := (entry.annotations or {}).get(key)))[:1]
        data = _proven(self._files, blob)
        manifest = read_manifest(data, origin=origin)
        if manifest.manifests is not None:
            if depth > _DEPTH_LIMIT:
                raise Unsupported(f"{origin}: indexes within indexes, deeper than {_DEPTH_LIMIT}")
            for inner in manifest.manifests:
                self.read(inner, group, names, depth + 1)
            return
        image = read_image(data, origin=origin, digest=blob.digest)
        missing = [each.digest for each in (image.config, *image.layers) if not self._has(each)]
        if missing and depth == 1:
            raise ArchiveError(f"{origin}: lacks {missing[0]}, or has it cut short; save the image again")
        if not missing:
            platform = config_platform(_proven(self._files, image.config), origin=origin)
            image = msgspec.structs.replace(image, platform=entry.declared_platform() or platform)
            self.found.append(LocalImage(image, data, names, group))
            self.blobs |= {each.digest: blob_name(each.digest) for each in (image.config, *image.layers)}

    def _has(self, blob: Blob) -> bool:
        return self._files.size(blob_name(blob.digest)) == blob.size


def _proven(files: Files, blob: Blob) -> bytes:
    data = read_json(files, blob_name(blob.digest))
    if digest_of(data, like=blob.digest) != blob.digest:
        raise ArchiveError(f"{files.path}: {blob.digest} in it is damaged; fetch or save the archive again")
    return data
