"""Images in what `docker save` wrote before it wrote OCI layouts, and what podman, kaniko and crane write in its form.

It has no manifest, so one is made, of the config and the layers as they are: the same files give the same digest.
"""

import re
from collections.abc import Sequence

import msgspec

from orchestrator.images.compression import compression_of
from orchestrator.images.digests import digest_of, new_hash
from orchestrator.images.files import Files, LocalImage, read_json
from orchestrator.images.interface import ArchiveError
from orchestrator.images.manifests import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, config_platform, read_image
from orchestrator.model import Blob, Image

_CHUNK = 1024 * 1024
_CONFIG_NAME = re.compile(r"(?:.*/)?([a-f0-9]{64})(?:\.json)?")
_SUFFIXES = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}


class _Saved(msgspec.Struct, frozen=True, rename="pascal"):
    """One image of a `docker save` archive's manifest.json."""

    config: str
    layers: tuple[str, ...]
    repo_tags: tuple[str, ...] | None = None


def read_docker_save(files: Files) -> tuple[list[LocalImage], dict[str, str]]:
    """All images of a `docker save` archive, and the file of each of their blobs by its digest.

    Raises:
        ArchiveError: a file is missing, or damaged as far as the archive itself can tell.
        Unsupported: it holds something that is not a container image.
    """
    try:
        saved = msgspec.json.decode(read_json(files, "manifest.json"), type=tuple[_Saved, ...])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{files.path}: its manifest.json is not one of `docker save`: {error}") from error
    if not saved:
        raise ArchiveError(f"{files.path}: its manifest.json names no image")
    layers: dict[str, Blob] = {}
    blobs: dict[str, str] = {}
    found = []
    for group, each in enumerate(saved):
        config = read_json(files, each.config)
        for name in each.layers:
            layers[name] = layers.get(name) or _describe_layer(files, name)
            blobs[layers[name].digest] = name
        image, manifest = _make_manifest(files, each, config, [layers[name] for name in each.layers])
        blobs[image.config.digest] = each.config
        found.append(LocalImage(image, manifest, each.repo_tags or (), group))
    return found, blobs


def _make_manifest(files: Files, saved: _Saved, config: bytes, layers: list[Blob]) -> tuple[Image, bytes]:
    """The OCI manifest of a saved image, its config checked against its own name and the layers against the config."""
    origin = f"{files.path}: {saved.config}"
    digest = digest_of(config)
    named = _CONFIG_NAME.fullmatch(saved.config)
    if named and digest != f"sha256:{named[1]}":
        raise ArchiveError(f"{origin}: is damaged; save the image again")
    platform = config_platform(config, origin=origin)
    diff_ids = _diff_ids(config, origin)
    plain = [layer.digest if layer.media_type == OCI_LAYER else None for layer in layers]
    if len(plain) != len(diff_ids) or any(have not in {None, want} for have, want in zip(plain, diff_ids, strict=True)):
        raise ArchiveError(f"{origin}: its layers are not those the config lists; damaged, save the image again")
    described = [{"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in layers]
    manifest = msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": digest, "size": len(config)},
            "layers": described,
        }
    )
    return read_image(manifest, origin=origin, platform=platform), manifest


def _diff_ids(config: bytes, origin: str) -> Sequence[str]:
    class RootFs(msgspec.Struct):
        diff_ids: tuple[str, ...]

    class Config(msgspec.Struct):
        rootfs: RootFs

    try:
        return msgspec.json.decode(config, type=Config).rootfs.diff_ids
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{origin}: not an image's config: {error}") from error


def _describe_layer(files: Files, name: str) -> Blob:
    size = files.size(name)
    if size is None:
        raise ArchiveError(f"{files.path}: lacks {name}; truncated, save the image again")
    state = new_hash("sha256:")
    with files.open(name) as stream:
        media_type = OCI_LAYER + _SUFFIXES[compression_of(stream)]
        while data := stream.read(_CHUNK):
            state.update(data)
    return Blob(digest=f"sha256:{state.hexdigest()}", size=size, media_type=media_type)
