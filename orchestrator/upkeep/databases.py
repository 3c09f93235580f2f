"""A scanner's database on the volume: filled in a new folder, made the current one in one step, kept while in use.

    databases/<scan>/<version>/           version: when it was committed, UTC, `20250102T030405Z`
    databases/<scan>/current              symbolic link to the newest version
    databases/<scan>/.incoming-<key>/     what a refresh is filling; no cell ever sees it
    runs/<run>/<target>/<scan>.database   symbolic link to the version that one cell was given

How the folder is filled, `orchestrator.steps.refresh` says. Two runs at once fill folders of their own, and each
`commit` is one rename.
"""

from __future__ import annotations

import errno
import math
import os
import re
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import PermanentError
from orchestrator.kit.removal import remove
from orchestrator.model import Document
from orchestrator.model.endings import RecordState
from orchestrator.upkeep.versions import damage, has_content
from orchestrator.volume.layout import FETCHED, INCOMING, VERSION_FORMAT, Volume, database_link, version_time
from orchestrator.volume.locks import held
from orchestrator.volume.records import Records

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from orchestrator.model import Plan, Scan

#: Working folders of commands that refresh.
REFRESHING = ".refresh-"
#: The link `current`, until it takes the place of the one before.
_NEXT = ".current-"
#: A version replaced longer ago than a cell may take, and this on top, is in nobody's hands any more.
MARGIN = timedelta(days=1)
#: A cell that was given a version longer ago than this, and never ended, was cut off.
HELD = timedelta(days=30)


#: Why there is no other database, and what to do.
NO_DOWNLOADS = (
    "nothing may be downloaded (`--offline`, `--skip-db-update` or `databases.update: false`): run once without that,"
    " or name a folder that has one by databases.paths.{scan}"
)


class DatabaseError(PermanentError):
    """A database is not there, or its refresh did not leave one."""


class DatabaseState(Document, frozen=True):
    """What cells of a scan will work with.

    Attributes:
        version: folder name of the current version, which is the time of its refresh; empty when there is none.
        refreshed: True when this is a version made after the refresh was asked for; otherwise, without an error, the
            one that there was is young enough.
        error: why the refresh failed; the version is then the one from before.
    """

    version: str = ""
    refreshed: bool = False
    error: str = ""


def current(volume: Volume, scan: str) -> str:
    """The current version of a scan's database; empty when it was never refreshed."""
    folder = volume.databases(scan)
    try:
        name = str((folder / "current").readlink())
    except OSError:
        return ""
    return name if "/" not in name and (folder / name).is_dir() else ""


def prepare(volume: Volume, scan: str, key: str) -> Path:
    """An empty folder for the refresh command to fill.

    Args:
        volume: where it lies.
        scan: name of the scan.
        key: distinguishes refreshes that happen at the same time; the same key begins again.
    """
    folder = incoming_folder(volume, scan, key)
    remove(folder)
    folder.mkdir(parents=True)
    return folder


def commit(volume: Volume, scan: str, key: str, *, longest: timedelta, now: datetime | None = None) -> str:
    """Make what the refresh command left the current version, and remove versions that nobody can be using.

    Args:
        volume: where it lies.
        scan: name of the scan.
        key: as given to `prepare`.
        longest: what one cell of the scan may take.
        now: the new version's time, instead of the clock.

    Returns:
        The new version.

    Raises:
        DatabaseError: the command left no file with any content; the version from before stays current.
    """
    folder = volume.databases(scan)
    incoming = incoming_folder(volume, scan, key)
    if not has_content(incoming):
        remove(incoming)
        raise DatabaseError(
            f"database of {scan}: the refresh ended well but left nothing in its folder; check its command"
        )
    now = now or datetime.now(UTC)
    with locked(folder / ".lock"):
        version = _name_it(incoming, now.strftime(VERSION_FORMAT))
        replaced = current(volume, scan)
        temporary = folder / f"{_NEXT}{secrets.token_hex(6)}"
        temporary.symlink_to(version)
        temporary.replace(folder / "current")
        _prune(volume, scan, now - longest - MARGIN, now=now, replaced=replaced)
    return version


def pin(volume: Volume, run: str, target: str, scan: str, *, downloads: bool = True) -> str:
    """Give a cell the database that is current now, by the link that its pod mounts.

    Args:
        volume: where it lies.
        run: id of the run.
        target: id of the target.
        scan: name of the scan.
        downloads: whether this run was to refresh it.

    Returns:
        The version.

    Raises:
        DatabaseError: the scan has no database yet, or a damaged one.
    """
    version = current(volume, scan)
    wrong = damage(volume.databases(scan) / version) if version else ""
    if not version or wrong:
        what = f"version {version} is damaged ({wrong})" if wrong else "there is none on the volume"
        why = "its refresh failed, see the log of its pod" if downloads else NO_DOWNLOADS.format(scan=scan)
        raise DatabaseError(f"database of {scan}: {what}; {why}")
    link = pinned(volume, run, target, scan)
    link.parent.mkdir(parents=True, exist_ok=True)
    for left in link.parent.glob(f".{link.name}.*"):  # of an attempt that was killed here
        left.unlink(missing_ok=True)
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(6)}")
    temporary.symlink_to(os.path.relpath(volume.databases(scan) / version, link.parent))
    temporary.replace(link)
    return version


def pin_for(plan: Plan, target: str, scan: Scan, volume: Volume) -> str:
    """Give a cell of a plan the database of its scan; the version, empty for a scan without one.

    Raises:
        DatabaseError: as `pin`.
    """
    database = scan.database
    if database is None:
        return ""
    downloads = database.update or bool(database.fetch and database.fetch.folder)
    return pin(volume, plan.run, target, scan.name, downloads=downloads)


def pinned(volume: Volume, run: str, target: str, scan: str) -> Path:
    """The link to the database version that a cell was given."""
    return Path(database_link(str(volume.cell(run, target, scan))))


def incoming_folder(volume: Volume, scan: str, key: str) -> Path:
    """The folder that a refresh fills."""
    return volume.databases(scan) / f"{INCOMING}{_safe(key)}"


def fetched_folder(volume: Volume, scan: str, key: str) -> Path:
    """The folder of what was fetched, where the scanner has to load it."""
    return volume.databases(scan) / f"{FETCHED}{_safe(key)}"


def discard(volume: Volume, scan: str, key: str) -> None:
    """Remove what a refresh left unfinished."""
    remove(incoming_folder(volume, scan, key))
    remove(fetched_folder(volume, scan, key))


def sweep(volume: Volume, scan: str, before: datetime) -> None:
    """Remove what refreshes left that were cut off before a moment, or that a scanner failed to load what was fetched.

    The latter stays at first, because its Workflow can be retried.
    """
    folder = volume.databases(scan)
    for entry in (left for name in (INCOMING, FETCHED, REFRESHING, _NEXT) for left in folder.glob(f"{name}*")):
        with suppress(FileNotFoundError):
            if entry.lstat().st_mtime < before.timestamp():
                remove(entry)


def _safe(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", key):
        raise DatabaseError(f"{key!r} cannot be used as a name on the volume")
    return key


def _name_it(incoming: Path, name: str) -> str:
    """Give a folder the name of a version, with a number when another one was made within the same second.

    A folder with content cannot be replaced by a rename, so that this holds where there are no locks, too.
    """
    for number in count():
        candidate = f"{name}-{number}" if number else name
        try:
            incoming.rename(incoming.with_name(candidate))
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        else:
            return candidate
    raise AssertionError  # pragma: no cover - numbers do not end


def _prune(volume: Volume, scan: str, before: datetime, *, now: datetime, replaced: str) -> None:
    """Remove versions that were replaced before this moment, and what refreshes left behind before it.

    A version is replaced when the next one is committed. One whose name is from the future, as a clock that was wrong
    gives it, would not be for years: it goes with the second commit after it. Folders that are not named like ours are
    somebody's own.
    """
    folder = volume.databases(scan)
    versions = sorted(filter(None, (_version(entry.name) for entry in folder.iterdir())))
    old = [name for (_, _, name), (later, _, _) in pairwise(versions) if later < before]
    old += [name for made, _, name in versions if made > now + MARGIN and name != replaced]
    held = {current(volume, scan), *(_held(volume, scan) if old else ())}
    for version in old:
        if version not in held:
            remove(folder / version)
    sweep(volume, scan, before)


def _version(name: str) -> tuple[datetime, int, str] | None:
    """When a version was made, which one of that second it is, and its name; None for what is no version."""
    made = version_time(name)
    return (made, int(name.partition("-")[2] or 0), name) if made is not None else None


def _held(volume: Volume, scan: str) -> set[str]:
    """Versions given to a cell, of any run, that has begun and not ended; looked for only when some are old."""
    since = time.time() - HELD.total_seconds()
    found = set()
    for link in volume.root.glob(f"runs/*/*/{scan}.database"):
        with suppress(OSError):
            version = link.readlink().name
            if link.lstat().st_mtime > since and version not in found and _is_pending(volume, link):
                found.add(version)
    return found


def _is_pending(volume: Volume, link: Path) -> bool:
    """Whether the cell of a link may still be reading its database: its run has no ledger that is newer."""
    target, scan, run = link.parent.name, link.stem, link.parent.parent.name
    state = Records(volume, run).look(target, scan).state
    if state is not RecordState.BEGUN:
        return state in {RecordState.NONE, RecordState.DAMAGED}
    from orchestrator.results.provisional import LEDGER  # noqa: PLC0415 - seldom needed, a pull never

    ledger = volume.results(run) / LEDGER
    return not ledger.exists() or ledger.stat().st_mtime < link.lstat().st_mtime


def locked(path: Path) -> AbstractContextManager[None]:
    """One holder at a time on this machine and, where the filesystem has locks, on others.

    Without such locks nothing is damaged: every refresh fills its own folder, and each commit is one rename.
    """
    return held(path, patience=math.inf, required=False)
