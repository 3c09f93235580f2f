"""Images out of files: OCI archives, OCI layout folders, and what `docker save` writes, old and new.

Several images may be in one archive; all of them are offered. An archive of the old `docker save` has no manifests; one
is made of its config and layers as they are, always the same for the same files.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from orchestrator.images.docker_save import read_docker_save
from orchestrator.images.files import Files, LocalImage, open_files
from orchestrator.images.interface import ArchiveError
from orchestrator.images.oci_layout import read_layout
from orchestrator.images.platforms import choose
from orchestrator.images.sources import Sink, copy
from orchestrator.model import Blob, Image, Platform


class LocalArchive:
    """An open archive; `open_local` makes it. Blobs may be read from several threads at once.

    Attributes:
        path: of the file or folder.
        found: all its images, in its own order.
    """

    def __init__(self, files: Files, found: Sequence[LocalImage], blobs: dict[str, str]) -> None:
        self.path, self.found = files.path, tuple(found)
        self._files, self._blobs = files, blobs

    @property
    def images(self) -> tuple[Image, ...]:
        """All its images."""
        return tuple(each.image for each in self.found)

    def choose(self, platforms: Sequence[Platform]) -> tuple[Image, ...]:
        """The images to scan: of every entry of the archive the best for each wanted platform, none twice."""
        chosen: dict[str, Image] = {}
        for group in sorted({each.group for each in self.found}):
            offered = [(each.image.platform, each.image) for each in self.found if each.group == group]
            chosen.update((image.manifest.digest, image) for image in choose(platforms, offered))
        return tuple(chosen.values())

    def open_blob(self, digest: str) -> BinaryIO:
        """A blob of one of its images, not yet proven.

        Raises:
            KeyError: none of its images has such a blob.
        """
        return self._files.open(self._blobs[digest])


@contextmanager
def open_local(path: Path) -> Iterator[LocalArchive]:
    """Open an OCI archive (also compressed by gzip or zstd), an OCI layout folder or a `docker save` tar.

    Manifests and configs are proven against their digests here, layers when they are copied; the layers of an old
    `docker save` tar are read through once, because it does not tell their digests.

    Raises:
        ArchiveError: none of these, truncated, damaged, or with names or links that lead out of it.
        Unsupported: what it holds is not a container image we can read.
    """
    with open_files(path) as files:
        if files.size("index.json") is not None:
            yield LocalArchive(files, *read_layout(files))
        elif files.size("manifest.json") is not None:
            yield LocalArchive(files, *read_docker_save(files))
        elif files.size("repositories") is not None:
            raise ArchiveError(f"{path}: written by a Docker older than 1.10; save the image again with a current one")
        else:
            raise ArchiveError(f"{path}: neither an OCI layout (no index.json) nor of `docker save` (no manifest.json)")


class LocalSource:
    """An archive as a source of a pull; open as long as the `with` block runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._archive = self._stack.enter_context(open_local(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def image(self, digest: str, platform: Platform) -> tuple[Image, bytes]:
        """The image of this digest; its platform is its own.

        Raises:
            ArchiveError: the archive does not hold it (any more).
        """
        for each in self._archive.found:
            if each.image.manifest.digest == digest:
                return each.image, each.manifest
        raise ArchiveError(f"{self._path}: holds no image {digest} ({platform}); it changed, so make the plan again")

    def fetch(self, blob: Blob, sink: Sink) -> None:
        """Copy a blob, proving it on the way.

        Raises:
            ArchiveError: it is damaged.
            Cancelled: aborted.
        """
        with self._archive.open_blob(blob.digest) as stream:
            proven = copy(stream, blob, sink, self._stopped)
        if not proven:
            raise ArchiveError(f"{self._path}: {blob.digest} in it is damaged; fetch or save the archive again")

    def abort(self) -> None:
        """End all copies; each raises `Cancelled`."""
        self._stopped.set()
