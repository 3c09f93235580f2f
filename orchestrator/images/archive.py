"""The tarball of an image: writing it piece by piece at the offsets of its layout, and reading it back.

Example:
    with open_tarball(path) as tarball:
        tarball.image.layers, tarball.config        # what the manifest says; the config's JSON
        for number in range(len(tarball.image.layers)):
            with tarball.open_layer(number) as tar: # the layer's tar, decompressed
                ...
"""

import gzip
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from orchestrator.images.digests import digest_of, new_hash
from orchestrator.images.interface import ArchiveError, Unsupported
from orchestrator.images.layout import Layout, layout, tarball_size
from orchestrator.images.manifests import Manifest, config_platform, read_image
from orchestrator.images.members import Member, read_members, section
from orchestrator.model import Blob, Image

__all__ = ["Tarball", "open_tarball", "tarball_size", "write_frame"]

JSON_LIMIT = 16 * 1024 * 1024
_ZSTD_WINDOW = 1 << 27  # 128 MiB, what `zstd --long` needs; more is an attack on our memory
_ZSTD_INPUT = 1 << 11  # bytes decompressed at a time: unfolds to 64 MiB at the very most
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def write_frame(descriptor: int, plan: Layout) -> None:
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
    """

    def __init__(self, path: Path, descriptor: int, image: Image, manifest: bytes, config: bytes) -> None:
        self.path, self.image, self.manifest, self.config = path, image, manifest, config
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
        `EOFError`, `OSError` or `zstandard.ZstdError` where the compressed data is damaged.
        """
        return decompressed(self.open_blob(self.image.layers[number].digest))

    def verify(self) -> None:
        """Read every blob, and compare it with its digest.

        Raises:
            ArchiveError: one of them is damaged.
        """
        for digest in self._places:
            with self.open_blob(digest) as stream:
                if not holds(stream, digest):
                    raise ArchiveError(f"{self.path}: {digest} is damaged; remove the file, and pull the image again")


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


def decompressed(stream: BinaryIO) -> BinaryIO:
    """A gzip, zstd or plain stream as plain bytes; the first bytes tell which."""
    kind = compression_of(stream)
    if kind == "gzip":
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value] # it is one in all but name
    if kind == "zstd":
        return io.BufferedReader(_Zstd(stream), 1 << 17)
    return stream


class _Zstd(io.RawIOBase):
    """The plain bytes of a zstd stream of any number of frames.

    `zstandard`'s own reader takes the end of its input for the end of the data, even within a frame: a truncated layer
    would look like a short one.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._pending = memoryview(b"")
        self._begun = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # the stubs want any Buffer
        """Fill the buffer with what is there, or else with what the next piece of input gives.

        Raises:
            EOFError: the input ends within a frame.
            zstandard.ZstdError: the input is damaged.
        """
        while not self._pending:
            left_over = self._frame.unused_data if self._frame.eof else b""
            data = left_over or self._stream.read(_ZSTD_INPUT)
            if not data:
                if self._begun and not self._frame.eof:
                    raise EOFError("compressed file ended before the end of its zstd frame was reached")
                return 0
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._begun = True
            self._pending = memoryview(self._frame.decompress(data))
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count


def compression_of(stream: BinaryIO) -> str:
    """`gzip`, `zstd` or `none`, by the first bytes of a seekable stream, which is then at its start again."""
    start = stream.read(4)
    stream.seek(0)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "none")


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
        config = _proven(path, descriptor, members, image.config.digest)
        image = msgspec.structs.replace(image, platform=config_platform(config, origin=str(path)))
    except Unsupported as error:
        raise ArchiveError(f"{error}; not written by this project") from error
    _compare(path, layout(image), members, os.fstat(descriptor).st_size)
    return Tarball(path, descriptor, image, manifest, config)


def _single_manifest(index: bytes, path: Path) -> str:
    try:
        manifests = msgspec.json.decode(index, type=Manifest).manifests or ()
        (descriptor,) = manifests
        return Blob(digest=descriptor.digest, size=descriptor.size).digest
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
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


def _compare(path: Path, plan: Layout, members: dict[str, Member], size: int) -> None:
    expected = {entry.name: Member(entry.offset, entry.size) for entry in plan.entries if not entry.name.endswith("/")}
    if members != expected or size != plan.size:
        raise ArchiveError(f"{path}: is not laid out as its manifest asks; truncated, or not a tarball of ours")
