"""Where what git fetched lies until the tarball is written: beside it on the volume, in a folder that goes away."""

from __future__ import annotations

import glob
import secrets
from typing import TYPE_CHECKING

from orchestrator.kit.removal import remove_quietly

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIX = ".clone"


def new_clone(partial: Path) -> Path:
    """The folder for a fetch into a partial file that is ours alone; what killed fetches of the same left is removed.

    It has a name of its own each time: git may outlive us when we are killed, and continue to write where it was.
    """
    for left in partial.parent.glob(f"{glob.escape(partial.stem)}.*{_SUFFIX}"):
        remove_quietly(left)
    return partial.with_suffix(f".{secrets.token_hex(4)}{_SUFFIX}")


def sweep(folder: Path) -> int:
    """Remove what fetches that were killed left beside tarballs; returns how many.

    The fetching process has a partial file there, by whose name the clone is called.
    """
    removed = 0
    for path in folder.glob(f".*{_SUFFIX}"):
        if not path.with_suffix("").with_suffix(".partial").exists():
            remove_quietly(path)
            removed += 1
    return removed
