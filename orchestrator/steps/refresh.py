"""Refreshing a scanner's database: fetched by our own code, or by a command of the scanner's where it has no other way.

    databases/<scan>/.fetched-<key>/             what our code fetched and a command of the scanner's will load

Locally `refresh` does the whole. In the cluster one pod of ours runs `fetch`, which ends with the new version unless it
has to be loaded; then a second pod, without a network, runs the scanner's own `load` and after it `finish`. A command
`refresh` runs between `start_command`, where it continues a version, and `finish_command`.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.kit.removal import remove
from orchestrator.kit.trees import walk
from orchestrator.model import DatabaseFacts
from orchestrator.model.database import DEEPEST
from orchestrator.model.documents import encode
from orchestrator.steps.database_files import is_plain, open_to_readers, sums_of
from orchestrator.steps.fetching import Reach, fetch, with_advice
from orchestrator.upkeep.databases import (
    DatabaseError,
    DatabaseState,
    commit,
    current,
    discard,
    fetched_folder,
    incoming_folder,
    locked,
    prepare,
)
from orchestrator.upkeep.reuse import recipe_of, usable
from orchestrator.upkeep.versions import FACTS, damage, has_content, read_facts, sizes
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.model import Plan, Scan
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)

#: What the facts of a version call what a command of the scanner's made.
_COMMAND = "command"


class Runner(Protocol):
    """Runs the command of `scan.database`: `load`, which may only read `fetched`, or else `refresh`."""

    def __call__(self, scan: Scan, folder: Path, fetched: Path | None) -> None:
        """Fill the folder `{database}`.

        Raises:
            ScanmatrixError: it failed.
        """


def refresh(
    scan: Scan, volume: Volume, *, runner: Runner, reach: Reach | None = None, now: datetime | None = None
) -> DatabaseState:
    """Refresh a scan's database, unless it is young enough; a failure leaves the version there was.

    Runs of the same machine wait for each other, and one that waited takes the version the other has just made.

    Args:
        scan: must have a database.
        volume: where it lies.
        runner: runs the scanner's command, where there is one.
        reach: how mirrors are reached.
        now: the present, and the new version's time, instead of the clock.
    """
    before = current(volume, scan.name)
    try:
        if version := usable(scan, volume, now):
            _log.info("database of %s: version %s is young enough, nothing is asked", scan.name, version)
            return DatabaseState(version=version)
    except ScanmatrixError as error:
        return DatabaseState(error=str(error))
    with locked(volume.databases(scan.name) / ".refresh.lock"):
        after = current(volume, scan.name)
        if after != before:
            return DatabaseState(version=after, refreshed=True)
        key = secrets.token_hex(6)
        try:
            with guarded(f"refreshing the database of {scan.name}"):
                version = _refresh(scan, volume, key, runner, reach=reach or Reach(), now=now)
        except (ScanmatrixError, OSError) as error:
            whole = before and not damage(volume.databases(scan.name) / before)
            return DatabaseState(version=before if whole else "", error=_told(scan, error))
        finally:
            discard(volume, scan.name, key)
    return DatabaseState(version=version, refreshed=True)


def finish(volume: Volume, scan: str, key: str, *, longest: timedelta, now: datetime | None = None) -> str:
    """Make what the scanner loaded the current version, with the facts of what it was loaded from.

    Args:
        volume: where it lies.
        scan: name of the scan.
        key: as given to `fetch` and `prepare`.
        longest: what one cell of the scan may take.
        now: the new version's time, instead of the clock.

    Raises:
        DatabaseError: nothing was loaded, or something else than files and folders.
    """
    fetched = fetched_folder(volume, scan, key)
    version = _commit(volume, scan, key, read_facts(fetched), longest=longest, now=now)
    remove(fetched)
    return version


def finish_command(scan: Scan, volume: Volume, key: str, *, longest: timedelta, now: datetime | None = None) -> str:
    """Make what the scanner's own `refresh` left the current version.

    Args:
        scan: whose database it is.
        volume: where it lies.
        key: as given to `prepare`.
        longest: what one cell of the scan may take.
        now: the new version's time, instead of the clock.

    Raises:
        DatabaseError: it left nothing, or something else than files, folders and links.
    """
    facts = DatabaseFacts(kind=_COMMAND, recipe=recipe_of(scan))
    return _commit(volume, scan.name, key, facts, longest=longest, now=now)


def start_command(scan: Scan, volume: Volume, folder: Path) -> int:
    """Give the scanner's own `refresh` a copy of the last version to continue, where it can; how many files.

    A copy, because the command may write into files that cells of other runs are reading.

    Args:
        scan: whose database it is.
        volume: where its versions lie.
        folder: that the command fills, empty.
    """
    version = current(volume, scan.name)
    previous = volume.databases(scan.name) / version
    if not (version and scan.database and scan.database.incremental) or damage(previous):
        return 0
    known = read_facts(previous)
    if known is None or known.recipe != recipe_of(scan):  # another command may know nothing of these files
        return 0
    count = 0
    for entry in walk(previous):
        target = folder / entry.relative
        if entry.is_folder:
            target.mkdir()
        elif entry.relative != FACTS:
            shutil.copyfile(previous / entry.relative, target, follow_symlinks=False)
            count += 1
    return count


def scan_of(plan: Plan, name: str) -> Scan:
    """A scan of a plan.

    Raises:
        DatabaseError: it is not one of them.
    """
    for scan in plan.scans:
        if scan.name == name:
            return scan
    raise DatabaseError(f"run {plan.run} has no scan {name!r}")


def _commit(
    volume: Volume, scan: str, key: str, known: DatabaseFacts | None, *, longest: timedelta, now: datetime | None
) -> str:
    """Make what a scanner's command left the current version, with what is known of it."""
    incoming = incoming_folder(volume, scan, key)
    links = known is not None and known.kind == _COMMAND
    if not is_plain(incoming, links=links):
        raise DatabaseError(
            f"database of {scan}: what its command made holds {'' if links else 'links or '}devices, or folders more "
            f"than {DEEPEST} deep; does its image do what it should?"
        )
    facts = incoming / FACTS
    remove(facts)
    if known is not None and has_content(incoming):  # with this alone, an empty folder would look like a database
        sums = sums_of(incoming) if known.kind != _COMMAND else {}
        write_atomic(facts, encode(msgspec.structs.replace(known, sums=sums, sizes=sizes(incoming))), mode=0o444)
    open_to_readers(incoming)
    return commit(volume, scan, key, longest=longest, now=now)


def _refresh(scan: Scan, volume: Volume, key: str, runner: Runner, *, reach: Reach, now: datetime | None) -> str:
    """The whole, one after the other; the new version."""
    longest = timedelta(seconds=scan.timeout)
    database = scan.database
    if database is None or database.fetch is None:
        try:
            folder = prepare(volume, scan.name, key)
            start_command(scan, volume, folder)
            runner(scan, folder, None)
        except PermanentError as error:
            raise DatabaseError(with_advice(error, scan)) from error
        return finish_command(scan, volume, key, longest=longest, now=now)
    if version := fetch(scan, volume, key, reach=reach, now=now):
        return version
    runner(scan, prepare(volume, scan.name, key), fetched_folder(volume, scan.name, key))
    return finish(volume, scan.name, key, longest=longest, now=now)


def _told(scan: Scan, error: ScanmatrixError | OSError) -> str:
    text = in_words(error)
    start = f"database of {scan.name}: "
    return text if text.startswith(start) else f"{start}{text}"
