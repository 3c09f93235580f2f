"""Container images made from nothing but Python: layers, image manifests, indexes.

Deterministic: the same call gives the same digests. A small image takes a millisecond, so unit tests use them too.

Example:
    image = Image.build([layer({"etc/os-release": "ID=debian\\n"}), layer({"app/run": File(b"…", mode=0o755)}, "zstd")])
    layouts.write_archive(tmp_path / "app.tar", image)
    push("127.0.0.1:5000", "team/app", image, tag="1.0")
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from tests.tools.layers import MEDIA_TYPES, Compression, File, Kind, Layer, layer, layer_of_tar, sha256

__all__ = ["Compression", "File", "Image", "Index", "Kind", "Layer", "layer", "layer_of_tar", "sha256"]

EPOCH = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, eq=False)
class Image:
    """One image of one platform.

    Attributes:
        manifest: its bytes; `digest` is theirs.
        config: the configuration's bytes.
        layers: the base first.
        platform: as an index says it.
    """

    manifest: bytes
    config: bytes
    layers: tuple[Layer, ...]
    platform: dict[str, str]
    media_type: str

    @classmethod
    def build(
        cls,
        layers: Iterable[Layer],
        *,
        platform: str = "linux/amd64",
        created: str = EPOCH,
        user: str = "",
        settings: Mapping[str, Any] | None = None,
        annotations: Mapping[str, str] | None = None,
        kind: Kind = "oci",
    ) -> Self:
        """Make config and manifest; `settings` are further members of the config's `config` (Env, Cmd, Labels, …)."""
        stack = tuple(layers)
        where = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
        config = _json(
            {
                **where,
                "created": created,
                "config": ({"User": user} if user else {}) | dict(settings or {}),
                "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in stack]},
                "history": [{"created": created, "created_by": f"layer {n}"} for n in range(len(stack))],
            }
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPES[kind]["manifest"],
            "config": {"mediaType": MEDIA_TYPES[kind]["config"], "digest": sha256(config), "size": len(config)},
            "layers": [each.descriptor(kind) for each in stack],
        }
        if annotations:
            manifest["annotations"] = dict(annotations)
        return cls(_json(manifest), config, stack, where, MEDIA_TYPES[kind]["manifest"])

    @cached_property
    def digest(self) -> str:
        """Of the manifest."""
        return sha256(self.manifest)

    @property
    def images(self) -> tuple["Image", ...]:
        """Itself, so that an image can stand where an index can."""
        return (self,)

    @property
    def blobs(self) -> dict[str, bytes]:
        """Config and layers by digest, each once; foreign layers are not among them."""
        return {sha256(self.config): self.config} | {each.digest: each.blob for each in self.layers if not each.urls}

    @property
    def size(self) -> int:
        """Bytes of its unique blobs."""
        return sum(len(blob) for blob in self.blobs.values())

    @property
    def descriptor(self) -> dict[str, Any]:
        """As it stands in an index."""
        found = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}
        return found | {"platform": self.platform}


@dataclass(frozen=True, eq=False)
class Index:
    """Several images under one digest, usually one for each platform."""

    manifest: bytes
    images: tuple[Image, ...]
    media_type: str

    @classmethod
    def build(cls, images: Iterable[Image], *, kind: Kind = "oci", extra: Sequence[Mapping[str, Any]] = ()) -> Self:
        """An index (or, with kind "docker", a manifest list); `extra` descriptors are added as they are."""
        members = tuple(images)
        media_type = MEDIA_TYPES[kind]["index"]
        descriptors = [each.descriptor for each in members] + [dict(each) for each in extra]
        return cls(_json({"schemaVersion": 2, "mediaType": media_type, "manifests": descriptors}), members, media_type)

    @cached_property
    def digest(self) -> str:
        """Of the index."""
        return sha256(self.manifest)

    @property
    def blobs(self) -> dict[str, bytes]:
        """Those of all its images."""
        return {digest: blob for image in self.images for digest, blob in image.blobs.items()}

    @property
    def descriptor(self) -> dict[str, Any]:
        """As it stands in an OCI layout's index.json."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
