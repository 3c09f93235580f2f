"""Copies of what lies elsewhere on this machine: made once, and removed a week after they were last used."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.kit.removal import remove_quietly

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds that a copy outlives its last use: a run that was cut off may be resumed meanwhile.
_KEPT_FOR = 7 * 86_400


def remove_unused(folder: Path) -> None:
    """Remove copies that nobody used lately, and what was left of one that was not finished."""
    oldest = time.time() - _KEPT_FOR
    with suppress(OSError):
        for path in folder.iterdir():
            if path.lstat().st_mtime < oldest:
                remove_quietly(path)
