"""Images as files: OCI layout folder, OCI archive, and the tar that `docker save` wrote before Docker 25."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.tools.images import Image, Index, sha256


def write_layout(folder: Path, *images: Image | Index, name: str = "latest") -> Path:
    """An OCI image layout; the first image gets the reference name, a second one its number appended."""
    for path, data in _members(images, name).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def write_archive(path: Path, *images: Image | Index, name: str = "latest") -> Path:
    """The same layout as one tar, as `skopeo copy … oci-archive:` makes it."""
    with tarfile.open(path, "w") as tar:
        for folder in ("blobs", "blobs/sha256"):  # syft's reader fails without them
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        write_members(tar, _members(images, name))
    return path


def write_docker_save(path: Path, *images: Image, tags: tuple[str, ...] = ("app:latest",)) -> Path:
    """What `docker save` makes: a manifest.json and uncompressed layers; the tags go to the first image."""
    members: dict[str, bytes] = {}
    manifest = []
    for number, image in enumerate(images):
        layers = [f"{each.diff_id.removeprefix('sha256:')}/layer.tar" for each in image.layers]
        config = sha256(image.config).removeprefix("sha256:") + ".json"
        members |= {config: image.config} | dict(zip(layers, (each.tar for each in image.layers), strict=True))
        manifest.append({"Config": config, "RepoTags": list(tags) if number == 0 else [], "Layers": layers})
    members["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as tar:
        write_members(tar, members)
    return path


def write_members(tar: tarfile.TarFile, members: Mapping[str, bytes]) -> None:
    """Files of a tar, names as they are: a test for bad archives gives bad names."""
    for name, data in members.items():
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o644
        tar.addfile(entry, io.BytesIO(data))


def _members(images: tuple[Image | Index, ...], name: str) -> dict[str, bytes]:
    descriptors = []
    blobs: dict[str, bytes] = {}
    for number, image in enumerate(images):
        reference = name if number == 0 else f"{name}-{number}"
        descriptors.append(image.descriptor | {"annotations": {"org.opencontainers.image.ref.name": reference}})
        blobs |= image.blobs | {each.digest: each.manifest for each in image.images} | {image.digest: image.manifest}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": descriptors,
    }
    members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    return members | {f"blobs/{digest.replace(':', '/')}": data for digest, data in sorted(blobs.items())}
