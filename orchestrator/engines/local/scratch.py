"""How much a scanner keeps in its folder: all files together, those it removed and holds open, and their number."""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from orchestrator.engines.local.warden import family
from orchestrator.kit.trees import BLOCK, TreeSize, measure

#: Seconds between two looks, at least; and this many times what the last look took, so that looking costs little.
SOONEST = 0.3
_SHARE = 20
_DELETED = re.compile(r".* \(deleted\)")


@dataclass(frozen=True)
class Bound:
    """What a folder may hold.

    Attributes:
        size: bytes on the disk.
        files: files and folders.
        said: which key says so, for the message.
    """

    size: int
    files: int
    said: str


class Scratch:
    """Looks at a folder now and then.

    Args:
        folders: where all that a scanner can write lies.
        bound: what it may hold.
        root: process above the scanner's; what they removed and hold open counts, too.
    """

    def __init__(self, folders: Sequence[Path], bound: Bound, root: int) -> None:
        self._folders = folders
        self._bound = bound
        self._root = root
        self._next = time.monotonic() + SOONEST

    def broken(self, *, now: bool = False) -> str:
        """Which bound is broken, in words; empty when none is, or when it is too early for another look.

        Args:
            now: whether to look in any case, at the end, when no process is left that could hold anything open.
        """
        began = time.monotonic()
        if not now and began < self._next:
            return ""
        reason = self._look(ended=now)
        took = time.monotonic() - began
        self._next = began + took + max(SOONEST, _SHARE * took)
        return reason

    def _look(self, *, ended: bool) -> str:
        size, files = measure(self._folders, TreeSize(self._bound.size, self._bound.files))
        if files > self._bound.files:
            return f"it made more than {self._bound.files:,} files in its folder"
        if size <= self._bound.size and not ended:
            size += held(self._root)
        if size > self._bound.size:
            return f"it wrote more than {self._bound.size} bytes into its folder ({self._bound.said})"
        return ""


def held(root: int) -> int:
    """Bytes of files without a name that processes below one hold open, each file once."""
    sizes: dict[tuple[int, int], int] = {}
    for pid in family(root):
        try:
            with os.scandir(f"/proc/{pid}/fd") as descriptors:
                for one in descriptors:
                    if not _DELETED.fullmatch(os.readlink(one.path)):  # noqa: PTH115 - quicker, for many
                        continue
                    status = os.stat(one.path)  # noqa: PTH116 - of what is open, whatever the name leads to
                    if S_ISREG(status.st_mode):
                        sizes[status.st_dev, status.st_ino] = status.st_blocks * BLOCK
        except OSError:
            continue  # ended meanwhile
    return sum(sizes.values())
