"""Images in what `docker save` wrote before it wrote OCI layouts, and what podman, kaniko and crane write in its form.

It has no manifest, so one is made, of the config and the layers as they are: the same files give the same digest.
"""

import re
from collections.abc import Sequence

import msgspec

from orchestrator.images.digests import digest_of, new_hash
from orchestrator.images.local.documents import Documents
from orchestrator.images.local.files import Files, LocalImage
from orchestrator.images.manifests import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, platform_of, read_config, read_image
from orchestrator.images.members import refuse_others
from orchestrator.images.schemas import ConfigFields, SavedFields
from orchestrator.images.tarball.layout import blob_name
from orchestrator.kit.compression import compression_of
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.model import Blob, Image
from orchestrator.net.errors import ArchiveError

_CHUNK = 1024 * 1024
_CONFIG_NAME = re.compile(r"(?:.*/)?([a-f0-9]{64})(?:\.json)?")
_SUFFIXES = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}


def read_docker_save(documents: Documents) -> tuple[list[LocalImage], dict[str, str]]:
    """All images of a `docker save` archive, and the file of each of their blobs by its digest.

    Raises:
        ArchiveError: a file is missing, or damaged as far as the archive itself can tell.
        Unsupported: it holds something that is not a container image.
    """
    reader = _SaveReader(documents)
    for group, each in enumerate(_read_list(documents)):
        reader.read(each, documents.read(each.config), group)
    return reader.found, reader.blobs


def read_other_images(documents: Documents, known: Sequence[LocalImage]) -> tuple[list[LocalImage], dict[str, str]]:
    """What the manifest.json of an OCI layout names beside the images that its index.json does.

    Docker, buildx and this project write both, for the same images. But `docker load` believes the one, and containerd
    the other: whatever either of them would load is an image of the archive.

    Args:
        documents: of the archive.
        known: the images of its index.json.

    Raises:
        As `read_docker_save` does.
    """
    reader = _SaveReader(documents)
    by_config: dict[str, list[Image]] = {}
    for one in known:
        by_config.setdefault(one.image.config.digest, []).append(one.image)
    first = 1 + max(each.group for each in known)
    for number, each in enumerate(_read_list(documents)):
        config = documents.read(each.config)
        same = [image for like in ("sha256:", "sha512:") for image in by_config.get(digest_of(config, like=like), ())]
        if not any(reader.has_layers_of(image, each, config) for image in same):
            reader.read(each, config, first + number)
    return reader.found, reader.blobs


def _read_list(documents: Documents) -> tuple[SavedFields, ...]:
    path = documents.files.path
    try:
        saved = decode(documents.read("manifest.json"), tuple[SavedFields, ...], origin="its manifest.json")
    except ForeignJsonError as error:
        if documents.files.size("version") is not None:
            raise ArchiveError(f"{path}: is a folder of `skopeo copy … dir:`; copy it to `oci-archive:`") from error
        raise ArchiveError(f"{path}: is not of `docker save`: {error}") from error
    if not saved:
        raise ArchiveError(f"{path}: its manifest.json names no image")
    return saved


class _SaveReader:
    """Collects the images of a manifest.json."""

    def __init__(self, documents: Documents) -> None:
        self._files = documents.files
        self._layers: dict[str, Blob] = {}
        self.found: list[LocalImage] = []
        self.blobs: dict[str, str] = {}

    def read(self, saved: SavedFields, config: bytes, group: int) -> None:
        """Add one image."""
        layers = [self._layer(name) for name in saved.layers]
        image, manifest = _make_manifest(self._files, saved, config, layers)
        self.blobs |= {layer.digest: name for layer, name in zip(layers, saved.layers, strict=True)}
        self.blobs[image.config.digest] = saved.config
        self.found.append(LocalImage(image, manifest, saved.repo_tags or (), group))

    def has_layers_of(self, image: Image, saved: SavedFields, config: bytes) -> bool:
        """Whether an image of manifest.json has the layers of one with the same config, packed or not."""
        diff_ids = _diff_ids(read_config(config, origin=f"{self._files.path}: {saved.config}"))
        if not len(diff_ids) == len(saved.layers) == len(image.layers):
            return False
        return all(
            name == blob_name(layer.digest) or self._layer(name).digest in {layer.digest, diff_id}
            for name, layer, diff_id in zip(saved.layers, image.layers, diff_ids, strict=True)
        )

    def _layer(self, name: str) -> Blob:
        if name not in self._layers:
            self._layers[name] = _describe_layer(self._files, name)
        return self._layers[name]


def _make_manifest(files: Files, saved: SavedFields, config: bytes, layers: list[Blob]) -> tuple[Image, bytes]:
    """The OCI manifest of a saved image, its config checked against its own name and the layers against the config."""
    origin = f"{files.path}: {saved.config}"
    digest = digest_of(config)
    named = _CONFIG_NAME.fullmatch(saved.config)
    if named and digest != f"sha256:{named[1]}":
        raise ArchiveError(f"{origin}: is damaged; save the image again")
    settings = read_config(config, origin=origin)
    diff_ids = _diff_ids(settings)
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
    return read_image(manifest, origin=origin, platform=platform_of(settings)), manifest


def _diff_ids(config: ConfigFields) -> Sequence[str]:
    return (config.rootfs.diff_ids if config.rootfs else None) or ()


def _describe_layer(files: Files, name: str) -> Blob:
    size = files.size(name)
    if size is None:
        raise ArchiveError(f"{files.path}: lacks {name}; truncated, save the image again")
    state = new_hash("sha256:")
    with files.open(name) as stream:
        compressed = compression_of(stream)
        if compressed == "none":
            refuse_others(stream, f"{files.path}: {name}")
        media_type = OCI_LAYER + _SUFFIXES[compressed]
        while data := stream.read(_CHUNK):
            state.update(data)
    return Blob(digest=f"sha256:{state.hexdigest()}", size=size, media_type=media_type)
