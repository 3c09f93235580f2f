"""Layers that several images share are read from upstream once: the next image copies them out of the first's tarball.

A cache does not see to that by itself: `distribution` reads a blob again for every repository that is asked for it, and
for every reader while it is cold. So each blob has a small file on the volume that says which tarball holds it and
where. That file is a lock, too: who wants a blob that another is just reading waits, then copies.

What the file says is a hint. It is overwritten in place, because a lock belongs to the very file, and nothing is
believed: a copy is proven against the blob's digest, and a hint that leads nowhere costs one more read of upstream.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.images.members import section
from orchestrator.images.tarball.sink import Sink, copy
from orchestrator.model import Blob, Document
from orchestrator.model.documents import DocumentError, decode, encode
from orchestrator.volume.partial import partial_path, wait_for_lock

_HINT_LIMIT = 4096


class Hint(Document, frozen=True):
    """Where a blob lies: file name of a tarball, and the offset in it, in bytes."""

    tarball: str
    offset: int


class SharedBlobs:
    """The hints of a volume, for the one who writes a tarball there.

    Args:
        folder: holds the hints.
        tarball: to be written; the others lie beside it.
    """

    def __init__(self, folder: Path, tarball: Path) -> None:
        self._folder, self._tarball = folder, tarball
        self._stopped = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def claim(self, blob: Blob) -> Iterator["BlobClaim"]:
        """Become the one who reads a blob from upstream, once the current reader has ended.

        Raises:
            Cancelled: `abort` was called meanwhile.
        """
        path = self._folder / blob.digest.replace(":", "-", 1)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            wait_for_lock(descriptor, self._stopped)  # where there are no locks, two may read the same
            yield BlobClaim(self._tarball, blob, descriptor, self._stopped)
        finally:
            os.close(descriptor)

    def abort(self) -> None:
        """End all waits and copies in other threads; each raises `Cancelled`."""
        self._stopped.set()


class BlobClaim:
    """The right to read one blob, and what is known of where it lies already."""

    def __init__(self, tarball: Path, blob: Blob, descriptor: int, stopped: threading.Event) -> None:
        self._tarball, self._blob, self._descriptor, self._stopped = tarball, blob, descriptor, stopped

    def copy_to(self, sink: Sink) -> bool:
        """Copy the blob out of the tarball that holds it; False when none does, and what the sink got is void.

        Raises:
            Cancelled: we were asked to stop.
        """
        hint = self._hint()
        if hint is None:
            return False
        tarball = self._tarball.with_name(hint.tarball)
        # Perhaps the image that holds it is still on its way.
        return any(self._copy(path, hint.offset, sink) for path in (tarball, partial_path(tarball)))

    def publish(self, offset: int) -> None:
        """Say that the blob now lies in our tarball, from this offset on."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, encode(Hint(tarball=self._tarball.name, offset=offset)), 0)

    def _hint(self) -> Hint | None:
        try:
            hint = decode(os.pread(self._descriptor, _HINT_LIMIT, 0), Hint, origin="hint")
        except DocumentError:
            return None  # nobody has had this blob yet, or its reader was killed
        there = Path(hint.tarball).name == hint.tarball != self._tarball.name
        return hint if there and hint.offset >= 0 else None

    def _copy(self, path: Path, offset: int, sink: Sink) -> bool:
        try:
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            with section(source, offset, self._blob.size) as stream:
                return copy(stream, self._blob, sink, self._stopped)
        finally:
            os.close(source)


def forget_evicted(folder: Path, tarballs: Path) -> None:
    """Remove the hints of a folder that lead to tarballs which are gone."""
    for path in folder.glob("*"):
        try:
            hint = decode(path.read_bytes(), Hint, origin=str(path))
        except (DocumentError, OSError):
            continue  # somebody may be reading that blob at this moment
        tarball = tarballs / Path(hint.tarball).name
        with suppress(OSError):
            if not tarball.exists() and not partial_path(tarball).exists():
                path.unlink()
