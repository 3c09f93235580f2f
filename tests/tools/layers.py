"""File-system layers: a tar of some files, and the blob a registry holds of it."""

import gzip
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal

Compression = Literal["gzip", "zstd", "none"]
Kind = Literal["oci", "docker"]

_SUFFIX = {
    "oci": {"gzip": "+gzip", "zstd": "+zstd", "none": ""},
    "docker": {"gzip": ".gzip", "zstd": ".zstd", "none": ""},
}
MEDIA_TYPES = {
    "oci": {
        "layer": "application/vnd.oci.image.layer.v1.tar",
        "foreign": "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "config": "application/vnd.oci.image.config.v1+json",
        "manifest": "application/vnd.oci.image.manifest.v1+json",
        "index": "application/vnd.oci.image.index.v1+json",
    },
    "docker": {
        "layer": "application/vnd.docker.image.rootfs.diff.tar",
        "foreign": "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "config": "application/vnd.docker.container.image.v1+json",
        "manifest": "application/vnd.docker.distribution.manifest.v2+json",
        "index": "application/vnd.docker.distribution.manifest.list.v2+json",
    },
}


def sha256(data: bytes) -> str:
    """Digest in the words of the OCI specification."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class File:
    """One entry of a layer; `link` makes it a symbolic link."""

    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""


@dataclass(frozen=True, eq=False)
class Layer:
    """A file-system layer: its tar, and the bytes a registry holds of it.

    Attributes:
        tar: uncompressed.
        blob: as stored.
        compression: what lies between the two.
        urls: where a foreign layer is available; a foreign layer's blob is in no registry and no archive.
    """

    tar: bytes
    blob: bytes
    compression: Compression = "gzip"
    urls: tuple[str, ...] = ()

    @cached_property
    def diff_id(self) -> str:
        """Digest of the uncompressed tar."""
        return sha256(self.tar)

    @cached_property
    def digest(self) -> str:
        """Digest of the stored blob."""
        return sha256(self.blob)

    def descriptor(self, kind: Kind) -> dict[str, Any]:
        """As it stands in a manifest."""
        media_type = MEDIA_TYPES[kind]["foreign" if self.urls else "layer"] + _SUFFIX[kind][self.compression]
        found: dict[str, Any] = {"mediaType": media_type, "digest": self.digest, "size": len(self.blob)}
        return found | ({"urls": list(self.urls)} if self.urls else {})


def layer(
    files: Mapping[str, bytes | str | File], compression: Compression = "gzip", *, urls: Sequence[str] = ()
) -> Layer:
    """A layer with these files; parent folders are made, names are taken as they are (also `../x`)."""
    return layer_of_tar(tar_of(files), compression, urls=urls)


def layer_of_tar(tar: bytes, compression: Compression = "gzip", *, urls: Sequence[str] = ()) -> Layer:
    """A layer out of a ready tar, for example debootstrap's."""
    return Layer(tar, compress(tar, compression), compression, tuple(urls))


def tar_of(files: Mapping[str, bytes | str | File]) -> bytes:
    """The tar of these files, without any time or name of this machine in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in _folders(files):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, content in files.items():
            file = content if isinstance(content, File) else File(_bytes(content))
            entry = tarfile.TarInfo(name)
            entry.mode, entry.uid, entry.gid, entry.size = file.mode, file.uid, file.gid, len(file.data)
            if file.link:
                entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, file.link, 0
            tar.addfile(entry, io.BytesIO(file.data))
    return buffer.getvalue()


def compress(data: bytes, compression: Compression) -> bytes:
    """The data as a registry would store it."""
    if compression == "none":
        return data
    if compression == "gzip":
        return gzip.compress(data, compresslevel=6 if len(data) < 1 << 20 else 1, mtime=0)
    try:
        import zstandard  # noqa: PLC0415 - the installer and bare machines have only the command
    except ImportError:
        return subprocess.run(["zstd", "-q", "-c", "-3"], input=data, capture_output=True, check=True).stdout
    return zstandard.ZstdCompressor(level=3).compress(data)


def _folders(files: Mapping[str, object]) -> list[str]:
    found = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    return sorted(name for name in found if name not in {".", "/"} and ".." not in name)


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content
