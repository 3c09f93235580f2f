"""Refreshing a scanner's database: fetched by our own code, or by a command of the scanner's where it has no other way.

    databases/<scan>/.fetched-<key>/             what our code fetched and a command of the scanner's will load

Locally `refresh` does the whole. In the cluster one pod of ours runs `fetch`, which ends with the new version unless it
has to be loaded; then a second pod, without a network, runs the scanner's own `load` between `prepare` and `finish`.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.removal import remove
from orchestrator.kit.trees import walk
from orchestrator.model.documents import DocumentError, encode, read
from orchestrator.steps.made import DEEPEST
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
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from orchestrator.databases.interface import DatabaseFacts, DatabasePart
    from orchestrator.model import Cache, Plan, Scan
    from orchestrator.volume.layout import Volume

#: Name of the facts' file in a version's folder; scanners pass over it.
FACTS = ".scanmatrix.json"


class Runner(Protocol):
    """Runs the command of `scan.database`: `load`, which may only read `fetched`, or else `refresh`."""

    def __call__(self, scan: Scan, folder: Path, fetched: Path | None) -> None:
        """Fill the folder `{database}`.

        Raises:
            ScanmatrixError: it failed.
        """


@dataclass(frozen=True)
class Reach:
    """How mirrors are reached; see `orchestrator.model.Plan` and `Limits`."""

    caches: Sequence[Cache] = ()
    insecure: Sequence[str] = ()
    retries: int = 4
    stopped: Callable[[], str] = str


def reach_of(plan: Plan, stopped: Callable[[], str] = str) -> Reach:
    """As a plan has it."""
    return Reach(plan.caches, plan.insecure, plan.limits.retries, stopped)


def refresh(
    scan: Scan, volume: Volume, *, runner: Runner, reach: Reach | None = None, now: datetime | None = None
) -> DatabaseState:
    """Refresh a scan's database; a failure leaves the version there was.

    Runs of the same machine wait for each other, and one that waited takes the version the other has just made.

    Args:
        scan: must have a database.
        volume: where it lies.
        runner: runs the scanner's command, where there is one.
        reach: how mirrors are reached.
        now: the new version's time, instead of the clock.
    """
    before = current(volume, scan.name)
    with locked(volume.databases(scan.name) / ".refresh.lock"):
        after = current(volume, scan.name)
        if after != before:
            return DatabaseState(version=after, refreshed=True)
        key = secrets.token_hex(6)
        try:
            with guarded(f"refreshing the database of {scan.name}"):
                version = _refresh(scan, volume, key, runner, reach=reach or Reach(), now=now)
        except ScanmatrixError as error:
            return DatabaseState(version=before, error=_told(scan, error))
        finally:
            discard(volume, scan.name, key)
    return DatabaseState(version=version, refreshed=True)


def fetch(
    scan: Scan, volume: Volume, key: str, *, reach: Reach, now: datetime | None = None, longest: timedelta | None = None
) -> str:
    """Fetch a scan's database, and make it the current version if nothing is left to do.

    What has not changed since the current version is taken over from that by hard links.

    Args:
        scan: its database is one that our own code fetches.
        volume: where it lies.
        key: distinguishes refreshes that happen at the same time; the same key begins again.
        reach: how mirrors are reached.
        now: the present, instead of the clock.
        longest: what one cell of the scan may take, instead of what its template says.

    Returns:
        The new version; empty where the scanner still has to `load` what was fetched.

    Raises:
        DatabaseError: there is nothing to fetch.
        ScanmatrixError: it could not be fetched, or is refused.
    """
    from orchestrator import databases  # noqa: PLC0415 - brings the HTTP client with it
    from orchestrator.databases.interface import FetchLimit, Order  # noqa: PLC0415

    database = scan.database
    if database is None or database.fetch is None:
        raise DatabaseError(f"database of {scan.name}: its template does not say how to fetch it; plan a new run")
    now = now or datetime.now(UTC)
    longest = longest or timedelta(seconds=scan.timeout)
    version, recipe = current(volume, scan.name), recipe_of(scan)
    known = read_facts(volume.databases(scan.name) / version) if version else None
    same_kind = known is not None and known.kind == database.fetch.kind
    before: dict[str, DatabasePart] = {part.name: part for part in known.parts} if known and same_kind else {}
    loads = bool(database.load)
    folder = _empty(fetched_folder(volume, scan.name, key)) if loads else prepare(volume, scan.name, key)
    previous = volume.databases(scan.name) / version if version else None
    order = Order(
        settings=database.fetch.settings,
        folder=folder,
        limit=database.fetch.limit,
        watch=FetchLimit(time.monotonic() + database.timeout, reach.stopped),
        before=before,
        previous=None if loads else previous,
        sums=known.sums if known else {},
        caches=reach.caches,
        insecure=reach.insecure,
        retries=reach.retries,
        now=now,
    )
    whole = loads and previous is not None and known is not None and known.recipe == recipe
    whole = whole and known is not None and _is_plain(previous) and _sums(previous) == known.sums
    facts = databases.fetch(database.fetch.kind, order, whole=whole)
    if facts is not None:
        facts = msgspec.structs.replace(facts, recipe=recipe, sums={} if loads else _sums(folder))
        write_atomic(folder / FACTS, encode(facts), mode=0o444)
        if loads:
            _open_to_readers(folder)
            return ""
    elif previous is not None:
        folder = prepare(volume, scan.name, key)
        _take_over(previous, folder)
    _open_to_readers(folder)
    return commit(volume, scan.name, key, longest=longest, now=now)


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
    incoming, fetched = incoming_folder(volume, scan, key), fetched_folder(volume, scan, key)
    if not _is_plain(incoming):
        raise DatabaseError(
            f"database of {scan}: what was loaded holds links or devices, or folders more than {DEEPEST} deep; "
            "does its image do what it should?"
        )
    facts = incoming / FACTS
    remove(facts) if facts.is_dir() else facts.unlink(missing_ok=True)
    known = read_facts(fetched)
    if known is not None and any(incoming.iterdir()):  # with this alone, an empty folder would look like a database
        known = msgspec.structs.replace(known, sums=_sums(incoming))
        write_atomic(facts, encode(known), mode=0o444)
    _open_to_readers(incoming)
    version = commit(volume, scan, key, longest=longest, now=now)
    remove(fetched)
    return version


def scan_of(plan: Plan, name: str) -> Scan:
    """A scan of a plan.

    Raises:
        DatabaseError: it is not one of them.
    """
    for scan in plan.scans:
        if scan.name == name:
            return scan
    raise DatabaseError(f"run {plan.run} has no scan {name!r}")


def recipe_of(scan: Scan) -> str:
    """Digest of all that decides what a database becomes of the same fetched files."""
    database = scan.database
    return hashlib.sha256(scan.image.encode() + (encode(database) if database else b"")).hexdigest()[:32]


def read_facts(folder: Path) -> DatabaseFacts | None:
    """What is known of a version; None where it was not fetched by our own code."""
    from orchestrator.databases.interface import DatabaseFacts  # noqa: PLC0415 - see `fetch`

    try:
        return read(folder / FACTS, DatabaseFacts)
    except (DocumentError, OSError):
        return None


def _refresh(scan: Scan, volume: Volume, key: str, runner: Runner, *, reach: Reach, now: datetime | None) -> str:
    """The whole, one after the other; the new version."""
    longest = timedelta(seconds=scan.timeout)
    database = scan.database
    if database is None or database.fetch is None:
        runner(scan, prepare(volume, scan.name, key), None)
        return commit(volume, scan.name, key, longest=longest, now=now)
    if version := fetch(scan, volume, key, reach=reach, now=now):
        return version
    runner(scan, prepare(volume, scan.name, key), fetched_folder(volume, scan.name, key))
    return finish(volume, scan.name, key, longest=longest, now=now)


def _told(scan: Scan, error: ScanmatrixError) -> str:
    text = str(error)
    return text if scan.name in text else f"database of {scan.name}: {text}"


def _empty(folder: Path) -> Path:
    remove(folder)
    folder.mkdir(parents=True)
    return folder


def _is_plain(folder: Path | None) -> bool:
    """Whether a folder holds nothing but files and folders, none of them deep."""
    if folder is None or folder.is_symlink():
        return False
    return all(entry.is_file or (entry.is_folder and entry.depth < DEEPEST) for entry in walk(folder))


def _open_to_readers(folder: Path) -> None:
    """Let scanners in containers, who are another user, read it whatever our umask; who enters the volume is kept."""
    _open_one(folder)
    for entry in walk(folder):  # each folder is opened before it is looked into
        _open_one(folder / entry.relative)


def _open_one(path: Path) -> None:
    with suppress(PermissionError):  # what a container made is its user's, and open to that
        path.chmod(path.stat().st_mode & 0o7777 | (0o555 if path.is_dir() else 0o444))


def _sums(folder: Path | None) -> dict[str, str]:
    """SHA-256 of every file of a version, but of the facts."""
    from orchestrator.databases.interface import sum_of  # noqa: PLC0415 - see `fetch`

    if folder is None:
        return {}
    files = sorted(folder / entry.relative for entry in walk(folder) if entry.is_file)
    return {str(path.relative_to(folder)): sum_of(path) for path in files if path != folder / FACTS}


def _take_over(previous: Path, folder: Path) -> None:
    """All files of a version, in the folder of the next."""
    from orchestrator.databases.interface import link_or_copy  # noqa: PLC0415 - see `fetch`

    for entry in walk(previous):
        if entry.is_file:
            link_or_copy(previous / entry.relative, folder / entry.relative)
