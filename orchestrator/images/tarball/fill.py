"""Brings an image's tarball onto the volume: the layout first, then all blobs at once, each at its own offset."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from orchestrator.errors import Cancelled, TemporaryError
from orchestrator.images.members import section
from orchestrator.images.tarball.archive import holds, write_frame
from orchestrator.images.tarball.layout import LayoutEntry, layout, unique_blobs
from orchestrator.images.tarball.shared import SharedBlobs
from orchestrator.images.tarball.sources import BlobSource
from orchestrator.model import Blob, Image
from orchestrator.volume.partial import Partial, full_volume

#: Layers fetched at the same time; each costs a connection and about two megabytes.
PARALLEL = 4
#: Seconds between two reports of progress, and between two looks at `cancelled`.
_INTERVAL = 0.1

Progress = Callable[[int, int], None]


def fill(
    partial: Partial,
    final: Path,
    image: Image,
    manifest: bytes,
    source: BlobSource,
    *,
    shared: SharedBlobs,
    progress: Progress | None = None,
    cancelled: threading.Event,
) -> None:
    """Write an image's tarball into a partial file, and make it final.

    Blobs that are already in the partial file, left there by a pull that was killed, are not fetched again if they
    still have their digest.

    Args:
        partial: ours alone.
        final: the tarball to be.
        image: to be written.
        manifest: its manifest's bytes.
        source: holds its blobs.
        shared: tells which blobs other tarballs hold already.
        progress: told the bytes of blobs done and their sum, about ten times a second, from one thread.
        cancelled: stops it; nothing is left then.

    Raises:
        VolumeFullError: the volume is full.
        ImageError: as the source does.
    """
    plan = layout(image)
    partial.reserve(plan.size)
    blobs = unique_blobs(image)
    with full_volume(partial.path, plan.size):
        write_frame(partial.descriptor, plan)
        _Place(partial, plan.blobs[image.manifest.digest]).write(0, manifest)
        del blobs[image.manifest.digest]
        places = {blob: _Place(partial, plan.blobs[digest]) for digest, blob in blobs.items()}
        try:
            _fetch_all(places, source, shared, partial, progress=progress, cancelled=cancelled)
        except BaseException as error:
            # What cannot be finished, or was stopped by a person, is not worth its space.
            partial.keep = partial.keep and isinstance(error, TemporaryError) and not isinstance(error, Cancelled)
            raise
        partial.commit(final)


def _fetch_all(
    places: dict[Blob, "_Place"],
    source: BlobSource,
    shared: SharedBlobs,
    partial: Partial,
    *,
    progress: Progress | None,
    cancelled: threading.Event,
) -> None:
    failures: list[Exception] = []

    def abort() -> None:
        source.abort()
        shared.abort()

    def fetch(blob: Blob) -> None:
        try:
            _fetch(blob, places[blob], source, shared)
        except Exception as error:
            failures.append(error)  # before the others end because of it, so the first one is the cause
            abort()  # from here, or the next blobs would be asked for meanwhile
            raise

    total = sum(blob.size for blob in places)
    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="pull")
    try:
        # The largest first, so that none is left to run alone at the end.
        largest_first = sorted(places, key=lambda blob: -blob.size)
        pending = {pool.submit(fetch, blob) for blob in largest_first}
        while pending:
            finished, pending = wait(pending, timeout=_INTERVAL, return_when=FIRST_EXCEPTION)
            # After a temporary failure, whatever is complete is worth keeping for the next attempt.
            partial.keep = partial.keep or any(not future.exception() for future in finished)
            if failures:
                raise failures[0]
            if progress:
                progress(sum(place.done for place in places.values()), total)
            if cancelled.is_set():
                abort()
    finally:
        abort()
        pool.shutdown(cancel_futures=True)


def _fetch(blob: Blob, place: "_Place", source: BlobSource, shared: SharedBlobs) -> None:
    with shared.claim(blob) as claim:
        if place.already_holds(blob.digest):
            place.done = blob.size
        elif not claim.copy_to(place):
            source.fetch(blob, place)
        claim.publish(place.offset)


class _Place:
    """The place of one blob in the partial file."""

    def __init__(self, partial: Partial, entry: LayoutEntry) -> None:
        self._partial, self._entry = partial, entry
        self.done = 0

    @property
    def offset(self) -> int:
        """Where in the file it begins."""
        return self._entry.offset

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes at an offset of the blob."""
        self._partial.write(self._entry.offset + offset, data)
        self.done = offset + len(data)

    def already_holds(self, digest: str) -> bool:
        """Whether the blob is there from an earlier pull; a first block of zeros says no without reading the rest."""
        stream = section(self._partial.descriptor, self._entry.offset, self._entry.size)
        if not stream.read(512).strip(b"\0"):
            return False
        stream.seek(0)
        return holds(stream, digest)
