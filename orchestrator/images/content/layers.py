"""The entries of one layer, whatever its compression, with bounds on what it unfolds to.

What no runtime unpacks, and what runtimes differ over, is refused: an image must not be one thing to us and another to
whatever runs it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from orchestrator.images.digests import new_hash
from orchestrator.kit.tar import KNOWN, TarEntry, TarError, TarReader
from orchestrator.net.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.images.digests import Hash
    from orchestrator.model import Image

_BLOCK = 512
#: Twice what Linux takes for a path.
_MOST_PATH = 8192
#: Attributes by which overlayfs shows one folder or file in the place of another, wherever they came from.
_XATTR = b"SCHILY.xattr."
_OVERLAY = frozenset(
    space + b".overlay." + name for space in (b"trusted", b"user") for name in (b"redirect", b"metacopy")
)
#: Most bytes that an image may unfold to, beside `_FOLDED` times what it takes: real ones unfold to three times that,
#: but a large file of zeros to a thousand times.
MOST_UNFOLDED = 4 * 1024**3
_FOLDED = 100


class UnfoldBudget:
    """Bytes that an image may still unfold to; a layer that is in it several times counts each time."""

    def __init__(self, image: Image) -> None:
        folded = sum({layer.digest: layer.size for layer in image.layers}.values())
        self._allowed = self._left = MOST_UNFOLDED + _FOLDED * folded

    def take(self, size: int) -> None:
        """Use some up.

        Raises:
            ArchiveError: they are used up.
        """
        self._left -= size
        if self._left < 0:
            raise ArchiveError(f"the image unfolds to more than {self._allowed:,} bytes; exclude it from this scan")


def read_layer(stream: BinaryIO, budget: UnfoldBudget, diff_id: str = "") -> Iterator[tuple[TarReader, TarEntry]]:
    """The entries of a layer in order, each with the reader that can read its content before the next is asked for.

    Args:
        stream: its tar, decompressed as it is read.
        budget: of the image.
        diff_id: digest that the image's config gives for the tar; empty where it gives none. containerd runs whatever
            layers of these ids it has, without a look at the image's own.

    Raises:
        TarError: damaged, something no runtime unpacks, or of another digest.
        EOFError: it ends too early.
        ArchiveError: the budget is used up.
    """
    counted = _Counted(stream, budget, new_hash(diff_id) if diff_id else None)
    buffered = io.BufferedReader(counted, 256 * 1024)
    reader = TarReader(buffered)
    for entry in reader:
        _judge(entry)
        yield reader, entry
    while buffered.read(1024 * 1024):  # to the end, so that the compression's own checksum is proved too
        pass
    if counted.total % _BLOCK:
        raise EOFError("it ends within a block of its tar")
    if counted.hash and counted.hash.hexdigest() != diff_id.partition(":")[2]:
        raise TarError(f"unfolded, it is not what the image's config lists ({diff_id[:80]}), as runtimes demand")


def _judge(entry: TarEntry) -> None:
    """Refuse what container runtimes refuse, and what they differ over.

    Raises:
        TarError: with the reason.
    """
    if entry.kind not in KNOWN:
        raise TarError(f"{entry.name[:200]!r} is of the type {entry.kind!r}, which no runtime unpacks")
    if len(entry.name) > _MOST_PATH or len(entry.link) > _MOST_PATH or "\0" in entry.name:
        raise TarError(f"{entry.name[:200]!r} is a path, or leads to one, that no system can have")
    for key in entry.records:
        if key.startswith(_XATTR) and key.removeprefix(_XATTR) in _OVERLAY:
            raise TarError(f"{entry.name[:200]!r} has an attribute by which overlayfs shows other files in its place")


class _Counted(io.RawIOBase):
    """A stream that can be buffered, and that knows how many bytes were read of it, and their digest if asked to."""

    def __init__(self, stream: BinaryIO, budget: UnfoldBudget, state: Hash | None) -> None:
        super().__init__()
        self._stream, self._budget = stream, budget
        self.hash = state
        self.total = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # the stubs' Buffer is 3.12
        """Fill the buffer as far as one read goes."""
        count = self._stream.readinto(buffer)  # type: ignore[attr-defined] # all streams here have it
        self.total += count
        self._budget.take(count)
        if self.hash:
            self.hash.update(memoryview(buffer)[:count])
        return int(count)
