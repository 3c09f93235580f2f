"""The files of an image's layers put into folders, a folder for each layer: for scanners that name the files they read.

    <folder>/<twelve digits of the layer's digest>/usr/bin/x
    <folder>/config.json

Nothing is left out that has content: what a later layer hides, or another entry of the same name replaces, is in the
image all the same. Only regular files and folders for them are made, so nothing is written through a link, and a name
is spelt so that it stays within its folder and cannot break the line of a log (`orchestrator.images.content.spelling`).
"""

from __future__ import annotations

import os
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import zstandard

from orchestrator.images.content.layers import UnfoldBudget, read_layer
from orchestrator.images.content.spelling import DIGITS, spell
from orchestrator.kit.tar import TarError
from orchestrator.net.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.images.tarball.archive import Tarball
    from orchestrator.kit.tar import TarEntry, TarReader

#: Most files of an image.
MOST_FILES = 2_000_000
#: The image's config, beside the folders of layers: an image without any file has at least this to read.
CONFIG = "config.json"
_CHUNK = 1 << 20
#: What a file or a folder takes on a disk is counted in these, so that small ones are no way around the bound.
_BLOCK = 4096
#: Of folders that are known to be there, and times that a name, or its folder's, may be that of another file.
_REMEMBERED, _MOST_AGAIN = 20_000, 100_000
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


class _UnwritableError(Exception):
    """The folder cannot be written: no fault of the layer."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def unpack_layers(tarball: Tarball, folder: Path, most: int) -> int:
    """Put the files of all layers into a folder that is there, and empty.

    Args:
        tarball: as `images.tarball.archive.open_tarball` gives it.
        folder: where to.
        most: bytes that all files and folders may take together, in whole blocks; 0 for no limit.

    Returns:
        Number of files.

    Raises:
        ArchiveError: a layer is damaged or not the one that the config lists, or has more than may be unpacked.
        OSError: the folder cannot be written.
    """
    with suppress(PermissionError):  # where it is a folder of a pod, Kubernetes has seen to that
        folder.chmod(_FOLDER_MODE)
    (folder / CONFIG).write_bytes(tarball.config)
    (folder / CONFIG).chmod(_FILE_MODE)
    budget = UnfoldBudget(tarball.image)
    rootfs = tarball.settings.rootfs
    diff_ids = (rootfs.diff_ids if rootfs else None) or ("",) * len(tarball.image.layers)
    writer = _Writer(folder, most)
    seen = set()
    for number, (layer, diff_id) in enumerate(zip(tarball.image.layers, diff_ids, strict=True)):
        if layer.digest in seen:
            continue
        seen.add(layer.digest)
        writer.enter(folder / layer.digest.partition(":")[2][:DIGITS])
        try:
            for reader, entry in read_layer(tarball.open_layer(number), budget, diff_id):
                if entry.is_file and entry.size:
                    writer.write(reader, entry)
        except _UnwritableError as error:
            raise error.error from error
        except (TarError, EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise ArchiveError(f"{tarball.path}: layer {layer.digest} is damaged: {error}; pull it again") from error
        except ArchiveError as error:
            raise ArchiveError(f"{tarball.path}: layer {layer.digest}: {error}") from error
    return writer.files


class _Writer:
    """Writes the files of one layer after the other, within bounds of all; every scanner may read them."""

    def __init__(self, top: Path, most: int) -> None:
        self._left = self._most = most
        self._top = self._folder = str(top)
        self._made: set[str] = set()
        self._again: dict[str, int] = {}
        self._taken = 0
        self.files = 0

    def enter(self, folder: Path) -> None:
        """Begin with a layer."""
        self._folder = str(folder)
        self._made.clear()
        self._again.clear()

    def write(self, reader: TarReader, entry: TarEntry) -> None:
        """Write one file."""
        self.files += 1
        if self.files > MOST_FILES:
            raise ArchiveError(f"the image has more than {MOST_FILES:,} files; exclude it from this scan")
        self._use(entry.size)
        name = spell(entry.name)
        if not name:
            raise TarError(f"{entry.name[:200]!r} is no name of a file")
        descriptor = self._open(name)
        try:
            for offset, data in _placed(reader, entry):  # what goes wrong with reading is the layer's fault
                _put(descriptor, offset, data)
        finally:
            with _unwritable():
                os.close(descriptor)

    def _use(self, size: int) -> None:
        """Count what something takes on the disk."""
        self._left -= -(-size // _BLOCK) * _BLOCK
        if self._most and self._left < 0:
            raise ArchiveError(
                f"its files take more than {self._most:,} bytes unpacked: raise limits.cellDisk, or exclude it from"
                " this scan"
            )

    def _open(self, name: str) -> int:
        """Make a file, in another folder where something of its name, or in the place of its folders, is there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _unwritable():
            while True:
                again = self._again.get(name, 0)
                path = f"{self._folder}+{again}/{name}" if again else f"{self._folder}/{name}"
                try:
                    self._make(path.rpartition("/")[0])
                    descriptor = os.open(path, flags, _FILE_MODE)
                except (FileExistsError, NotADirectoryError, IsADirectoryError):
                    self._again[name] = again + 1
                    self._taken += 1
                    if self._taken > _MOST_AGAIN:
                        raise ArchiveError(f"names of its files are taken more than {_MOST_AGAIN:,} times") from None
                else:
                    os.fchmod(descriptor, _FILE_MODE)
                    return descriptor

    def _make(self, folder: str) -> None:
        """Make a folder, and those that it lies in."""
        missing = []
        while folder != self._top and folder not in self._made:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        for each in reversed(missing):
            try:
                os.mkdir(each)  # noqa: PTH102 - a hundred thousand of them
            except FileExistsError:
                if not os.path.isdir(each):  # noqa: PTH112
                    raise
            else:
                os.chmod(each, _FOLDER_MODE)  # noqa: PTH101
                self._use(_BLOCK)
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made.add(each)


@contextmanager
def _unwritable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _UnwritableError(error) from error


def _put(descriptor: int, offset: int, data: bytes) -> None:
    """Write at once, without a buffer: a full disk shows here, and not when the file is closed."""
    view = memoryview(data)
    with _unwritable():
        while view:
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count


def _placed(reader: TarReader, entry: TarEntry) -> Iterator[tuple[int, bytes]]:
    """The content of an entry in pieces, each with its place in the file; holes of a sparse file are left out."""
    if entry.parts is None:
        at = 0
        for data in reader.pieces(_CHUNK):
            yield at, data
            at += len(data)
        return
    left, pieces = b"", reader.pieces(_CHUNK)
    for at, length in entry.parts:
        end = at + length
        while at < end:
            left = left or next(pieces)
            data, left = left[: end - at], left[end - at :]
            yield at, data
            at += len(data)  # noqa: PLW2901
    if entry.size and (not entry.parts or sum(entry.parts[-1]) < entry.size):
        yield entry.size - 1, b"\0"  # it ends with a hole
