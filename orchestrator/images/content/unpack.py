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
_REMEMBERED, _MOST_AGAIN = 100_000, 100_000


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
        most: bytes that all files may have together; 0 for no limit.

    Returns:
        Number of files.

    Raises:
        ArchiveError: a layer is damaged or not the one that the config lists, or has more than may be unpacked.
        OSError: the folder cannot be written.
    """
    (folder / CONFIG).write_bytes(tarball.config)
    budget = UnfoldBudget(tarball.image)
    rootfs = tarball.settings.rootfs
    diff_ids = (rootfs.diff_ids if rootfs else None) or ("",) * len(tarball.image.layers)
    writer = _Writer(most)
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
    """Writes the files of one layer after the other, within bounds that are those of all."""

    def __init__(self, most: int) -> None:
        self._left = self._most = most
        self._folder = ""
        self._made: set[str] = set()
        self._again: dict[str, int] = {}
        self.files = 0

    def enter(self, folder: Path) -> None:
        """Begin with a layer."""
        self._folder = str(folder)
        self._made.clear()
        self._again.clear()

    def write(self, reader: TarReader, entry: TarEntry) -> None:
        """Write one file."""
        self.files += 1
        self._left -= entry.size
        if self.files > MOST_FILES:
            raise ArchiveError(f"the image has more than {MOST_FILES:,} files; exclude it from this scan")
        if self._most and self._left < 0:
            raise ArchiveError(
                f"its files take more than {self._most:,} bytes unpacked: raise limits.cellDisk, or exclude it from"
                " this scan"
            )
        name = spell(entry.name)
        if not name:
            raise TarError(f"{entry.name[:200]!r} is no name of a file")
        with os.fdopen(self._open(name), "wb") as file:
            for offset, data in _placed(reader, entry):  # what goes wrong with reading is the layer's fault
                try:
                    file.seek(offset)
                    file.write(data)
                except OSError as error:
                    raise _UnwritableError(error) from error

    def _open(self, name: str) -> int:
        """Make a file, in another folder where something of its name, or in the place of its folders, is there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            again = self._again.get(name, 0)
            path = f"{self._folder}+{again}/{name}" if again else f"{self._folder}/{name}"
            try:
                self._make(path.rpartition("/")[0])
                return os.open(path, flags, 0o644)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                self._again[name] = again + 1
                if len(self._again) > _MOST_AGAIN:
                    raise ArchiveError(f"more than {_MOST_AGAIN:,} of its files have names of others") from None
            except OSError as error:
                raise _UnwritableError(error) from error

    def _make(self, folder: str) -> None:
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a hundred thousand of them
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made.add(folder)


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
