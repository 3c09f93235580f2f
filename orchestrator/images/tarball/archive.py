"""The tarball of an image: writing it piece by piece at the offsets of its layout, and reading it back.

Example:
    with open_tarball(path) as tarball:
        tarball.image.layers, tarball.settings      # what the manifest says, and what the config does
        for number in range(len(tarball.image.layers)):
            with tarball.open_layer(number) as tar: # the layer's tar, decompressed
                ...
"""

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from orchestrator.images.digests import digest_of, new_hash
from orchestrator.images.manifests import Manifest, check_layers, platform_of, read_config, read_image
from orchestrator.images.members import Member, read_members, section
from orchestrator.images.schemas import ConfigFields
from orchestrator.images.tarball.layout import TarballLayout, layout, tarball_size
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.model import Image
from orchestrator.net.errors import ArchiveError, Unsupported

__all__ = ["Tarball", "open_tarball", "tarball_size", "write_frame"]

JSON_LIMIT = 16 * 1024 * 1024
_ZSTD_INPUT = 1 << 11  # bytes decompressed at a time: unfolds to 64 MiB at the very most


def write_frame(descriptor: int, plan: TarballLayout) -> None:
    """Write everything of a tarball but the content of its blobs."""
    for entry in plan.entries:
        os.pwrite(descriptor, entry.header + (entry.content or b""), entry.start)


class Tarball:
    """An open tarball of ours; `open_tarball` makes it. Layers may be read from several threads at once.

    Attributes:
        path: of the file.
        image: as its manifest says, with the platform of its config.
        manifest: the manifest's bytes, proven against its digest.
        config: the config's bytes (JSON), proven likewise.
        settings: what the config says.
        watch: told again and again how many bytes of layers were read, unfolded, and what the names kept of them take;
            what it raises, reading raises.
    """

    watch: Callable[[int], None] | None = None

    def __init__(
        self, path: Path, descriptor: int, image: Image, *, manifest: bytes, config: bytes, settings: ConfigFields
    ) -> None:
        self.path, self.image, self.manifest, self.config, self.settings = path, image, manifest, config, settings
        self._descriptor = descriptor
        self._places = layout(image).blobs

    def __repr__(self) -> str:
        return f"Tarball({str(self.path)!r}, {self.image.manifest.digest})"

    def open_blob(self, digest: str) -> BinaryIO:
        """A blob as it was fetched; closing it is optional.

        Raises:
            KeyError: the image has no such blob.
        """
        place = self._places[digest]
        return section(self._descriptor, place.offset, place.size)

    def open_layer(self, number: int) -> BinaryIO:
        """The tar of a layer (0 is the base), decompressed as it is read.

        What the bytes are decides over what the media type claims, as it does in container runtimes. Reading raises
        `EOFError`, `OSError`, `zlib.error` or `zstandard.ZstdError` where the compressed data is damaged.
        """
        # Loaded here, because a pull never needs it.
        from orchestrator.kit.compression import decompressed  # noqa: PLC0415

        layer = decompressed(self.open_blob(self.image.layers[number].digest))
        return io.BufferedReader(_Watched(layer, self.watch), 1 << 17) if self.watch else layer

    def verify(self) -> None:
        """Read every blob, and compare it with its digest.

        Raises:
            ArchiveError: one of them is damaged.
        """
        for digest in self._places:
            with self.open_blob(digest) as stream:
                if not holds(stream, digest):
                    raise ArchiveError(f"{self.path}: {digest} is damaged; remove the file, and pull the image again")


class _Watched(io.RawIOBase):
    """A stream that reports how much of it is read."""

    def __init__(self, stream: BinaryIO, watch: Callable[[int], None]) -> None:
        super().__init__()
        self._stream, self._watch = stream, watch

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # the stubs want any Buffer
        """Read on, and say so."""
        count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined] # all streams here have it
        self._watch(count)
        return count


@contextmanager
def open_tarball(path: Path, *, digest: str = "") -> Iterator[Tarball]:
    """Open a tarball of ours, and make sure of its structure.

    Checked, at the cost of a few reads: manifest and config against their digests, every member's name, place and
    size against the layout the manifest implies, and the size of the file. The content of layers is not read; see
    `Tarball.verify`.

    Args:
        path: the file; a symbolic link is refused.
        digest: the image manifest expected; empty for whichever is in it.

    Raises:
        ArchiveError: missing, truncated, damaged, of another image, or not written by this project.
        Unsupported: whole, but its config is not one that every runtime reads in the same way; to pull it again is no
            help.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be opened as a tarball: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ArchiveError(f"{path}: is not a regular file, so not a tarball")
        yield _read(path, descriptor, digest)
    finally:
        os.close(descriptor)


def holds(stream: BinaryIO, digest: str) -> bool:
    """Whether the rest of a stream has this digest."""
    state = new_hash(digest)
    buffer = memoryview(bytearray(1 << 20))
    while count := stream.readinto(buffer):  # type: ignore[attr-defined] # all streams here have it
        state.update(buffer[:count])
    return state.hexdigest() == digest.partition(":")[2]


def _read(path: Path, descriptor: int, digest: str) -> Tarball:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        members = read_members(file, path)
    manifest_digest = _single_manifest(_small(path, descriptor, members, "index.json"), path)
    if digest and manifest_digest != digest:
        raise ArchiveError(f"{path}: holds {manifest_digest}, not {digest}; remove the file, and pull the image again")
    manifest = _proven(path, descriptor, members, manifest_digest)
    try:
        image = read_image(manifest, origin=str(path), digest=manifest_digest)
    except Unsupported as error:
        raise ArchiveError(f"{error}; not written by this project") from error
    _compare(path, layout(image), members, os.fstat(descriptor).st_size)
    config = _proven(path, descriptor, members, image.config.digest)
    settings = read_config(config, origin=str(path))
    check_layers(settings, image, origin=str(path))
    image = msgspec.structs.replace(image, platform=platform_of(settings))
    return Tarball(path, descriptor, image, manifest=manifest, config=config, settings=settings)


def _single_manifest(index: bytes, path: Path) -> str:
    try:
        (descriptor,) = decode(index, Manifest, origin=f"{path}: index.json").manifests or ()
        return descriptor.blob(str(path)).digest
    except (ForeignJsonError, Unsupported, ValueError) as error:
        raise ArchiveError(f"{path}: its index.json does not name exactly one image") from error


def _small(path: Path, descriptor: int, members: dict[str, Member], name: str) -> bytes:
    member = members.get(name)
    if member is None or member.size > JSON_LIMIT:
        raise ArchiveError(f"{path}: has no {name}; truncated, or not a tarball of ours")
    return os.pread(descriptor, member.size, member.offset)


def _proven(path: Path, descriptor: int, members: dict[str, Member], digest: str) -> bytes:
    data = _small(path, descriptor, members, "blobs/" + digest.replace(":", "/", 1))
    if digest_of(data, like=digest) != digest:
        raise ArchiveError(f"{path}: {digest} in it is damaged; remove the file, and pull the image again")
    return data


def _compare(path: Path, plan: TarballLayout, members: dict[str, Member], size: int) -> None:
    expected = {entry.name: Member(entry.offset, entry.size) for entry in plan.entries if not entry.name.endswith("/")}
    if members != expected or size != plan.size:
        raise ArchiveError(f"{path}: is not laid out as its manifest asks; truncated, or not a tarball of ours")
