"""Where every byte of an image's tarball lies, known before any of it is fetched.

The tarball is an OCI image layout (image-spec 1.1, image-layout.md) and a `docker save` archive at once: both
descriptions point at the same blobs, which stay as they were fetched. It depends on nothing but the image, so one
digest has one tarball, whatever name it was asked for by: the descriptions carry the constant reference `image`, and
no repository tag (as `docker save` writes an image that has none).
"""

import json
from typing import NamedTuple

from orchestrator.model import Blob, Image

REFERENCE = "image"
_BLOCK = 512
_END = 2 * _BLOCK  # a tar file ends with two blocks of zeros


class LayoutEntry(NamedTuple):
    """One member of the tarball.

    Attributes:
        name: as in the tar; folders end with `/`.
        header: its tar header, extended where the size or the name needs it.
        offset: where its content starts, bytes from the start of the tarball.
        size: bytes of its content.
        content: the content, where the layout itself knows it; None for blobs.
    """

    name: str
    header: bytes
    offset: int
    size: int
    content: bytes | None = None

    @property
    def start(self) -> int:
        """Where its header starts."""
        return self.offset - len(self.header)


class TarballLayout(NamedTuple):
    """All members in order, the place of each blob, and the size of the whole."""

    entries: tuple[LayoutEntry, ...]
    blobs: dict[str, LayoutEntry]
    size: int


def blob_name(digest: str) -> str:
    """Name of a blob in an OCI image layout; the digest must have been checked."""
    return "blobs/" + digest.replace(":", "/", 1)


def unique_blobs(image: Image) -> dict[str, Blob]:
    """Manifest, config and layers by digest, each once, in the order they lie in the tarball."""
    blobs: dict[str, Blob] = {}
    for blob in (image.manifest, image.config, *image.layers):
        blobs.setdefault(blob.digest, blob)
    return blobs


def layout(image: Image) -> TarballLayout:
    """Lay an image out as a tarball."""
    blobs = unique_blobs(image)
    entries: list[LayoutEntry] = []
    end = 0

    def add(name: str, size: int, content: bytes | None = None) -> LayoutEntry:
        nonlocal end
        header = _header(name, size)
        entry = LayoutEntry(name, header, end + len(header), size, content)
        entries.append(entry)
        end = entry.offset + -(-size // _BLOCK) * _BLOCK
        return entry

    # Some readers (syft) fail without the folders.
    add("blobs/", 0)
    for algorithm in sorted({digest.partition(":")[0] for digest in blobs}):
        add(f"blobs/{algorithm}/", 0)
    for name, content in _descriptions(image).items():
        add(name, len(content), content)
    places = {digest: add(blob_name(digest), blob.size) for digest, blob in blobs.items()}
    return TarballLayout(tuple(entries), places, end + _END)


def tarball_size(image: Image) -> int:
    """Bytes of an image's tarball, exact."""
    return layout(image).size


def _header(name: str, size: int) -> bytes:
    import tarfile  # noqa: PLC0415 - only where a tarball is written

    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o444
    if name.endswith("/"):
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    # Plain ustar, with pax records only for what ustar cannot say: sizes from 8 GiB, names of sha512 blobs.
    return member.tobuf(tarfile.PAX_FORMAT)


def _descriptions(image: Image) -> dict[str, bytes]:
    manifest = {
        "mediaType": image.manifest.media_type,
        "digest": image.manifest.digest,
        "size": image.manifest.size,
        "annotations": {"org.opencontainers.image.ref.name": REFERENCE},
    }
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    }
    docker = {
        "Config": blob_name(image.config.digest),
        "RepoTags": None,
        "Layers": [blob_name(layer.digest) for layer in image.layers],
    }
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": _json(index),
        "manifest.json": _json([docker]),
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
