"""Where the bytes of an image come from, behind one interface; every byte is proven on its way to the sink."""

import threading
from contextlib import suppress
from typing import Protocol

from orchestrator.errors import Cancelled, TemporaryError
from orchestrator.images.digests import Hash, new_hash
from orchestrator.images.manifests import is_foreign, read_image, read_manifest
from orchestrator.images.registry.blob_stream import BlobStream
from orchestrator.images.registry.cache import remedy
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.sink import CHUNK, Sink
from orchestrator.kit.retrying import Patience
from orchestrator.kit.signatures import HEAD
from orchestrator.model import Blob, Image, Platform
from orchestrator.net.errors import Broken, Damaged, NotFound, Unsupported, WrongBytes
from orchestrator.net.pages import refuse_page

#: Bytes that are taken from a connection at once, at most: what comes while the other threads hash and write.
_PIECE = 2 * CHUNK
#: How many times the size of a blob is read for it at most, counting what a server without Range makes us read again.
_REPEATS = 4


class BlobSource(Protocol):
    """Something that holds images."""

    def image(self, digest: str, platform: Platform) -> tuple[Image, bytes]:
        """An image and its manifest's bytes, by digest; of an index, the image of this platform."""
        ...

    def fetch(self, blob: Blob, sink: Sink) -> None:
        """Hand over a whole blob, proven against its digest when this returns."""

    def abort(self) -> None:
        """Make all `fetch` in other threads end soon, with `Cancelled`."""


class RegistryBlobs:
    """A repository of a registry; interrupted blobs continue where they stopped.

    Args:
        client: does the requests.
        location: `http(s)://host[:port]/repository`.
        cancelled: ends waits for a busy registry while the manifest is read.
    """

    def __init__(self, client: RegistryClient, location: str, cancelled: threading.Event | None = None) -> None:
        self._client, self._location, self._cancelled = client, location, cancelled
        self._stopped = threading.Event()
        self._streams: set[BlobStream] = set()
        self._lock = threading.Lock()

    def image(self, digest: str, platform: Platform) -> tuple[Image, bytes]:
        """Read an image's manifest.

        Raises:
            ImageError: as `resolve` does.
        """
        data = self._client.manifest(self._location, digest, cancelled=self._cancelled).data
        if read_manifest(data, origin=self._location).is_index:
            from orchestrator.images.registry.resolve import resolve_manifests  # noqa: PLC0415 - planned offline only

            found = resolve_manifests(self._location, digest, [platform], self._client, cancelled=self._cancelled)
            if len(found.images) > 1:
                raise Unsupported(
                    f"{self._location}@{digest}: an index of {len(found.images)} images for {platform}; which of them "
                    "would run is the runtime's choice: plan it online, so that all of them are scanned"
                )
            return found.images[0]
        # The digest decides: a config that states another platform than its index (it happens) changes nothing.
        return read_image(data, origin=f"{self._location}@{digest}", digest=digest, platform=platform), data

    def fetch(self, blob: Blob, sink: Sink) -> None:
        """Read a blob, resuming by Range; wrong bytes are read a second time, from the start.

        An attempt that brought a megabyte more than any before does not count against the retries.

        Raises:
            WrongBytes: wrong twice.
            Unsupported: a foreign layer that this registry does not have.
            ImageError: as `RegistryClient.open_blob` does, when the retries are used up.
        """
        patience = self._client.patience(self._stopped)
        received = _Received(blob, sink, patience)
        try:
            patience.retry(lambda: self._receive(blob, received))
        except Damaged as error:
            raise WrongBytes(
                f"{self._location}: serves other bytes than {blob.digest} stands for; {remedy(blob.digest)}"
            ) from error
        except NotFound as error:
            if not is_foreign(blob):
                raise
            raise Unsupported(
                f"{self._location}: layer {blob.digest} is foreign ({blob.media_type}) and not in this registry; its "
                "vendor's URLs are not followed: push the image with its foreign layers to be able to scan it"
            ) from error

    def abort(self) -> None:
        """End all reads; each raises `Cancelled`."""
        self._stopped.set()
        with self._lock:
            for stream in self._streams:
                stream.abort()

    def _receive(self, blob: Blob, received: "_Received") -> None:
        """One attempt to read what is missing of a blob.

        Raises:
            Damaged: its bytes are wrong; the next attempt begins at its start.
        """
        with self._client.open_blob(self._location, blob.digest, received.at) as stream:
            self._track(stream)
            try:
                if received.take(stream):
                    return
            finally:
                with self._lock:
                    self._streams.discard(stream)
        received.restart()
        refuse_page(received.head, f"{self._location}: {blob.digest}")
        raise Damaged(f"{self._location}: other bytes than {blob.digest} stands for")

    def _track(self, stream: BlobStream) -> None:
        with self._lock:
            self._streams.add(stream)
        if self._stopped.is_set():
            raise Cancelled("stopped on request")


class _Received:
    """What of a blob has come so far: hash and position always speak of the same bytes.

    Progress is only what lies beyond the furthest byte that ever came: a server that ignores Range and cuts sends the
    same bytes forever. What is discarded must not be more than a few times the blob's size.

    Attributes:
        at: bytes of it that have come.
        head: its first bytes, to see what came in its place.
    """

    def __init__(self, blob: Blob, sink: Sink, patience: Patience) -> None:
        self._blob, self._sink, self._patience = blob, sink, patience
        self._hash: Hash = new_hash(blob.digest)
        self._furthest = self._counted = 0
        self._left = _REPEATS * blob.size + CHUNK
        self._buffer = memoryview(bytearray(min(blob.size + 1, _PIECE)))  # with room to see that more comes
        self.at = 0
        self.head = b""

    def restart(self) -> None:
        """Read it from its start the next time."""
        self._hash, self.at = new_hash(self._blob.digest), 0

    def take(self, stream: BlobStream) -> bool:
        """Use what a stream brings; False when it is not this blob.

        Raises:
            Broken: it ended early.
            WrongBytes: more came in all than several copies of the blob have.
        """
        size = self._blob.size
        if stream.start != self.at:  # Range was ignored
            self.restart()
        if stream.promised is not None and stream.start + stream.promised != size:
            with suppress(TemporaryError):  # its length is verdict enough
                self.head = stream.read(HEAD)
            return False
        while count := stream.read_into(self._buffer):
            data = self._buffer[:count]
            if self.at == 0:
                self.head = bytes(data[:HEAD])
            if self.at + count > size:
                return False
            self._left -= count
            if self._left < 0:
                raise WrongBytes(
                    f"{self._blob.digest}: cut again and again, and begun from the start: more than {_REPEATS} times "
                    f"its {size} bytes came without the whole; its registry does not honour Range requests"
                )
            self._hash.update(data)
            self._sink.write(self.at, data)
            self.at += count
            self._furthest = max(self._furthest, self.at)
            if self._furthest - self._counted >= CHUNK:  # or a server could send one byte at a time forever
                self._counted = self._furthest
                self._patience.progressed()
        if self.at < size:
            raise Broken(f"{self._blob.digest} ended after {self.at} of {size} bytes")
        return self._hash.hexdigest() == self._blob.digest.partition(":")[2]
