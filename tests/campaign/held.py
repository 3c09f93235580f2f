"""What a run that has ended still holds on the volume: links, reserve, claim, lock, and what was never finished."""

from __future__ import annotations

import fcntl
import os
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from orchestrator.volume.layout import ATTEMPT, CHECKOUT, TARBALL
from orchestrator.volume.locks import NO_LOCKS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from orchestrator.volume.layout import Volume

#: Hidden files that stay, by docs/volume.md: locks, the provenance of a database, the mark of its refresh; and for an
#: hour, what a killed process was writing of what runs share.
_STAY = re.compile(
    r"runs/[^/]+/\.lock|runs/[^/]+/\.[^/]+\.refreshed|databases/[^/]+/\.(refresh\.)?lock"
    r"|databases/[^/]+/[^/]+/\.scanmatrix\.json|(ages|suppression/first-used)/\..*\.tmp"
)


def held(volume: Volume, run: str, *, alone: bool = True, remains: Collection[str] = ()) -> list[str]:
    """What should be gone.

    Args:
        volume: where the run lies.
        run: its id.
        alone: whether no other run is active on the volume; otherwise only what is this run's own is looked at.
        remains: globs of paths that may stay.
    """
    own = re.compile(
        rf"(runs|results)/{re.escape(run)}/.*|running/{re.escape(run)}(@.*)?\.json|plans/\.{re.escape(run)}.*"
    )
    found = []
    for path in _entries(volume.root):
        name = path.relative_to(volume.root).as_posix()
        if (alone or own.fullmatch(name)) and not any(fnmatchcase(name, each) for each in remains):
            found += [f"{name} is still there"] if _is_held(name, path) else []
    if alone:
        found += [f"{path.name} has {path.stat().st_nlink} links" for path in _linked(volume)]
    return found + _locked(volume.lock(run))


def _is_held(name: str, path: Path) -> bool:
    if name.startswith("running/") or path.name.startswith(ATTEMPT):
        return True
    if name.startswith("runs/") and name.count("/") == 4 and path.name in {TARBALL, CHECKOUT}:
        return True
    hidden = any(part.startswith(".") for part in name.split("/"))
    return hidden and not _STAY.fullmatch(name)


def _entries(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is no folder, and hidden folders."""
    for path in sorted(folder.glob("*")):
        if path.is_dir() and not path.is_symlink():
            if path.name.startswith((".", ATTEMPT)) or path.name == CHECKOUT:
                yield path
            yield from _entries(path)
        else:
            yield path


def _linked(volume: Volume) -> list[Path]:
    return [path for path in (volume.root / "blobs").glob("[!.]*.tar") if path.stat().st_nlink > 1]


def _locked(path: Path) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return [f"{path.name} of the run is held: {path.read_text().strip()}"]
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    finally:
        os.close(descriptor)
    return []
