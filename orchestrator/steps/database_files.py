"""The files of a version of a database: judged, opened to those who read them, summed up, taken over."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.kit.trees import walk
from orchestrator.model.database import DEEPEST
from orchestrator.upkeep.versions import FACTS

if TYPE_CHECKING:
    from pathlib import Path


def is_plain(folder: Path | None, *, links: bool = False) -> bool:
    """Whether a folder holds nothing but files and folders, none of them deep, and, where they may be, links."""
    if folder is None or folder.is_symlink():
        return False
    return all(
        entry.is_file or (entry.is_folder and entry.depth < DEEPEST) or (links and entry.is_link)
        for entry in walk(folder)
    )


def open_to_readers(folder: Path) -> None:
    """Let scanners in containers, who are another user, read it whatever our umask; who enters the volume is kept."""
    _open_one(folder)
    for entry in walk(folder):  # each folder is opened before it is looked into
        if not entry.is_link:  # what one leads to is somebody else's
            _open_one(folder / entry.relative)


def _open_one(path: Path) -> None:
    with suppress(PermissionError):  # what a container made is its user's, and open to that
        path.chmod(path.stat().st_mode & 0o7777 | (0o555 if path.is_dir() else 0o444))


def sums_of(folder: Path | None) -> dict[str, str]:
    """SHA-256 of every file of a version, but of the facts."""
    from orchestrator.databases.interface import sum_of  # noqa: PLC0415 - brings the HTTP client with it

    if folder is None:
        return {}
    files = sorted(folder / entry.relative for entry in walk(folder) if entry.is_file)
    return {str(path.relative_to(folder)): sum_of(path) for path in files if path != folder / FACTS}


def take_over(previous: Path, folder: Path) -> None:
    """All files of a version, in the folder of the next."""
    from orchestrator.databases.interface import link_or_copy  # noqa: PLC0415 - brings the HTTP client with it

    for entry in walk(previous):
        if entry.is_file:
            link_or_copy(previous / entry.relative, folder / entry.relative)
