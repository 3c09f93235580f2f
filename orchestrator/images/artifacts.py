"""What lies where images do and is none: signatures, SBOMs, attestations, charts, and other OCI artifacts.

An artifact may call itself an image and an image an artifact, so only that is none which no container runtime would
run. They go by different things:

* podman and CRI-O refuse an OCI manifest whose config is not of OCI's own type (containers/image, `manifestOCI1`);
* Docker goes by the config's `rootfs.diff_ids`, which must be there, one for each layer, and unpacks each layer
  whatever its type is called (moby, `distribution/pull_v2.go`);
* containerd needs `diff_ids` likewise, and mounts the layers that are of an image's type only (`images.IsLayerType`).

Image-spec 1.1, manifest.md, "Guidelines for Artifact Usage", says how artifacts should be written.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from orchestrator.images.digests import digest_of
from orchestrator.images.manifests import DOCKER_MANIFEST, Descriptor, Manifest, is_config
from orchestrator.images.schemas import RootFsFields
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.kit.tar.header import has_checksum
from orchestrator.model import Blob
from orchestrator.net.errors import NotAnImage, Unsupported

#: What runs, but not as an image: nothing may hide from the scans as one of these, so they are not passed over.
_RUN_OTHERWISE: Final = re.compile(r"application/vnd\.(sylabs\.sif|docker\.plugin|fermyon\.spin)\.|.*wasm")
#: Reads a blob, proven.
Read = Callable[[Blob], bytes]

#: What containerd takes for layers to mount, beside file systems of EROFS.
_MOUNTED: Final = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
_EROFS: Final = ".erofs"
_EMPTY: Final = digest_of(b"{}")
#: Largest blob that is read to see what it is, and how many of one manifest are.
_LARGEST: Final = 16 * 1024 * 1024
_MOST_READ: Final = 3
_BLOCK: Final = 512
#: Beginnings of what runtimes unpack: gzip, bzip2, xz, zstd and its skippable frames.
_SKIPPABLE: Final = tuple(bytes([number, 0x2A, 0x4D, 0x18]) for number in range(0x50, 0x60))
_PACKED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", *_SKIPPABLE)


class _Config(msgspec.Struct, frozen=True):
    rootfs: RootFsFields | None = None


def check_image(manifest: Manifest, *, origin: str, read: Read, listed_as: str = "") -> None:
    """Make sure that some container runtime might run what a manifest describes.

    Nothing is read where config and layers are of the types that images have.

    Args:
        manifest: of one image, perhaps.
        origin: what it is, for messages.
        read: reads its config, and layers of other types.
        listed_as: the type that its descriptor gives it, which podman goes by where the manifest names none.

    Raises:
        NotAnImage: no runtime would.
        Unsupported: its config is ambiguous, it is an index, or what runtimes of another kind run.
        ImageError: as `read` does.
    """
    config, layers = manifest.config, manifest.layers
    if config is None or layers is None:
        raise Unsupported(f"{origin}: an index of images where one image was expected")
    others = [layer for layer in layers if not _is_mounted(layer)]
    if is_config(config.media_type) and not others:
        return
    nobody_mounts = len(others) == len(layers)
    if (
        not is_config(config.media_type)
        and (manifest.media_type or listed_as) != DOCKER_MANIFEST
        and not _lists_layers(config.blob(origin), origin, read)
    ) or (nobody_mounts and others and not _could_be_unpacked(others, origin, read)):
        if runs := _runs_otherwise(manifest):
            raise Unsupported(f"{origin}: {runs[:80]!r} is no container image, but runs otherwise; no scan reads it")
        raise NotAnImage(f"{origin}: an artifact of type {_kind(manifest)!r}, not a container image")


def _kind(manifest: Manifest) -> str:
    """What it calls itself."""
    config = manifest.config.media_type if manifest.config else ""
    layers = [layer.media_type for layer in manifest.layers or () if not _is_mounted(layer)]
    own = "" if is_config(config) or config == "application/vnd.oci.empty.v1+json" else config
    return (manifest.artifact_type or own or next(iter(layers), "") or config or "unknown")[:80]


def _is_mounted(layer: Descriptor) -> bool:
    """Whether containerd might mount a layer by its type."""
    return layer.media_type.startswith(_MOUNTED) or layer.media_type.partition("+")[0].endswith(_EROFS)


def _runs_otherwise(manifest: Manifest) -> str:
    """The type by which it is a program for something else than containers; empty if it is none."""
    parts = (*((manifest.config,) if manifest.config else ()), *(manifest.layers or ()))
    kinds = (manifest.artifact_type, *(part.media_type for part in parts))
    return next((kind for kind in kinds if _RUN_OTHERWISE.match(kind)), "")


def _lists_layers(config: Blob, origin: str, read: Read) -> bool:
    """Whether a config has `rootfs.diff_ids`, as Go would read it."""
    if config.digest == _EMPTY:
        return False
    data = read(config)
    if data.lstrip(b" \t\r\n")[:1] != b"{":
        return False  # nothing that Go reads as a config
    try:
        rootfs = decode(data, _Config, origin=f"{origin}: its config").rootfs
    except ForeignJsonError as error:
        raise Unsupported(str(error)) from error
    return bool(rootfs and rootfs.diff_ids)


def _could_be_unpacked(layers: Sequence[Descriptor], origin: str, read: Read) -> bool:
    """Whether each of these may be an archive; of large ones nobody knows."""
    small = sorted((layer for layer in layers if 0 < layer.size <= _LARGEST), key=lambda layer: layer.size)
    return all(may_be_archive(read(layer.blob(origin))) for layer in small[:_MOST_READ])


def may_be_archive(data: bytes) -> bool:
    """Whether a runtime could unpack this as a layer: it is compressed, a tar, or nothing at all."""
    if not data or data.startswith(_PACKED):
        return True
    block = data[:_BLOCK]
    return len(block) == _BLOCK and (not any(block) or has_checksum(block))
