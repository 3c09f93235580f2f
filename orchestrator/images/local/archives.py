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

import msgspec

from orchestrator.images.local.docker_save import read_docker_save, read_other_images
from orchestrator.images.local.documents import Documents
from orchestrator.images.local.files import Files, LocalImage, open_files
from orchestrator.images.local.oci_layout import ArchiveContent, read_layout
from orchestrator.images.platforms import choose, completed
from orchestrator.images.tarball.sink import Sink, copy
from orchestrator.model import Blob, Image, Platform
from orchestrator.net.errors import ArchiveError


class LocalArchive:
    """An open archive; `open_local` makes it. Blobs may be read from several threads at once.

    Attributes:
        path: of the file or folder.
        found: all its images, in its own order.
        passed_over: what it holds beside them that is no image, a sentence each.
    """

    def __init__(self, files: Files, found: ArchiveContent) -> None:
        self.path, self.found, self.passed_over = files.path, tuple(found.images), found.passed_over
        self._files, self._blobs = files, found.blobs

    @property
    def images(self) -> tuple[Image, ...]:
        """All its images."""
        return tuple(each.image for each in self.found)

    def choose(self, platforms: Sequence[Platform]) -> tuple[Image, ...]:
        """The images to scan: of every entry of the archive the best for each wanted platform, none twice.

        One whose config names no platform is of the first machine wanted.
        """
        chosen: dict[str, Image] = {}
        for offered in self._groups(platforms):
            for found in choose(platforms, offered):
                chosen.setdefault(found.image.manifest.digest, found.image)
        return tuple(chosen.values())

    def left_out(self, platforms: Sequence[Platform]) -> tuple[tuple[LocalImage, ...], ...]:
        """Entries of the archive of which nothing is chosen, since they are for other platforms only.

        The platforms of one index are one image; so are entries of the archive with the same name.

        Returns:
            The images of each such entry, one for each of its platforms.
        """
        chosen = {image.manifest.digest for image in self.choose(platforms)}
        named: set[str] = set()
        others: dict[str, tuple[LocalImage, ...]] = {}
        for offered in self._groups(platforms):
            images = [found for _, found in offered]
            if any(found.image.manifest.digest in chosen for found in images):
                named |= {name for found in images for name in found.names}
            else:
                others.setdefault(images[0].image.manifest.digest, tuple(images))
        return tuple(images for images in others.values() if not named.intersection(images[0].names))

    def _groups(self, platforms: Sequence[Platform]) -> Iterator[list[tuple[Platform, LocalImage]]]:
        groups: dict[int, list[tuple[Platform, LocalImage]]] = {}
        for each in self.found:
            platform = completed(each.image.platform, platforms)
            image = msgspec.structs.replace(each.image, platform=platform)
            groups.setdefault(each.group, []).append((platform, each._replace(image=image)))
        return (groups[number] for number in sorted(groups))

    def open_blob(self, digest: str) -> BinaryIO:
        """A blob of one of its images, not yet proven.

        Raises:
            KeyError: none of its images has such a blob.
        """
        return self._files.open(self._blobs[digest])


@contextmanager
def open_local(path: Path) -> Iterator[LocalArchive]:
    """Open an OCI archive (also compressed by gzip or zstd), an OCI layout folder or a `docker save` tar.

    One that is several of these at once holds whatever any reader of them would find in it.

    Manifests and configs are proven against their digests here, layers when they are copied; the layers of an old
    `docker save` tar are read through once, because it does not tell their digests.

    Raises:
        ArchiveError: none of these, truncated, damaged, or with names or links that lead out of it.
        NotAnImage: it holds artifacts only.
        Unsupported: what it holds is an image that we cannot read.
    """
    with open_files(path) as files:
        if files.size("index.json") is not None:
            yield LocalArchive(files, _read_every_way(Documents(files)))
        elif files.size("manifest.json") is not None:
            yield LocalArchive(files, ArchiveContent(*read_docker_save(Documents(files))))
        elif files.size("repositories") is not None:
            raise ArchiveError(f"{path}: written by a Docker older than 1.10; save the image again with a current one")
        else:
            raise ArchiveError(f"{path}: neither an OCI layout (no index.json) nor of `docker save` (no manifest.json)")


def _read_every_way(documents: Documents) -> ArchiveContent:
    """The images of an OCI layout, and those for readers that look into `docker save`'s files instead."""
    files = documents.files
    layout = read_layout(documents)
    if files.size("manifest.json") is not None:
        others, more = read_other_images(documents, layout.images)
        return ArchiveContent([*layout.images, *others], more | layout.blobs, layout.passed_over)
    if files.size("repositories") is not None:
        raise ArchiveError(f"{files.path}: an OCI layout and an archive of Docker before 1.10 at once; save it again")
    return layout


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
