"""Fetching a scanner's database by our own code: only what is due, only what has changed, and saying what to set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import Cancelled, ScanmatrixError, TemporaryError, VolumeFullError
from orchestrator.kit.guarding import InternalError
from orchestrator.kit.masking import mask
from orchestrator.kit.removal import remove
from orchestrator.model.documents import encode
from orchestrator.steps.database_files import is_plain, open_to_readers, sums_of, take_over
from orchestrator.upkeep.databases import (
    MARGIN,
    DatabaseError,
    commit,
    current,
    fetched_folder,
    incoming_folder,
    prepare,
    sweep,
)
from orchestrator.upkeep.reuse import recipe_of, usable
from orchestrator.upkeep.versions import FACTS, damage, read_facts, sizes
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from orchestrator.model import Cache, Database, DatabaseFacts, DatabaseFetch, Plan, Scan
    from orchestrator.volume.layout import Volume


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


def fetch(
    scan: Scan, volume: Volume, key: str, *, reach: Reach, now: datetime | None = None, longest: timedelta | None = None
) -> str:
    """Fetch a scan's database, and make it the current version if nothing is left to do.

    What has not changed since the current version is taken over from that by hard links. A version that is young enough
    is left: another run may have made it since somebody decided that one is due.

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
        ScanmatrixError: it could not be fetched, or is refused; the message names what to set.
    """
    database = scan.database
    if database is None or database.fetch is None:
        raise DatabaseError(f"database of {scan.name}: its template does not say how to fetch it; plan a new run")
    now = now or datetime.now(UTC)
    if version := usable(scan, volume, now):
        return version
    sweep(volume, scan.name, now - (longest or timedelta(seconds=scan.timeout)) - MARGIN)
    try:
        return _fetch(scan, database, database.fetch, volume, key, reach=reach, now=now, longest=longest)
    except (Cancelled, InternalError, VolumeFullError):
        raise
    except ScanmatrixError as error:
        text = with_advice(error, scan)
        raise (TemporaryError if isinstance(error, TemporaryError) else DatabaseError)(text) from error


def with_advice(error: ScanmatrixError, scan: Scan) -> str:
    """A message with where the database is read, and what to set for another place, at its end."""
    text, advice = str(error), _advice(scan)
    return f"{text}{'' if text.endswith('?') else '.'} {advice}" if advice else text


def _advice(scan: Scan) -> str:
    fetch = scan.database and scan.database.fetch
    own = f"take one that you have by databases.paths.{scan.name}"
    if not fetch:
        return f"It is made by database.refresh in the template of {scan.name}; fix that, or {own}"
    if fetch.folder:
        return ""
    places = ", ".join(
        f"{fetch.given_by.get(setting, setting)} ({mask(place)})" for setting, place in fetch.places_by_setting.items()
    )
    return f"It is read from {places}; set another place there, or {own}"


def _fetch(
    scan: Scan,
    database: Database,
    wanted: DatabaseFetch,
    volume: Volume,
    key: str,
    *,
    reach: Reach,
    now: datetime,
    longest: timedelta | None,
) -> str:
    """The same as `fetch`, whatever its age."""
    from orchestrator import databases  # noqa: PLC0415 - brings the HTTP client with it
    from orchestrator.databases.interface import FetchLimit, Order  # noqa: PLC0415

    version, recipe = current(volume, scan.name), recipe_of(scan)
    previous = volume.databases(scan.name) / version if version else None
    known = read_facts(previous) if previous else None
    loads = bool(database.load)
    order = Order(
        settings=wanted.settings,
        folder=_empty(fetched_folder(volume, scan.name, key)) if loads else prepare(volume, scan.name, key),
        limit=wanted.limit,
        watch=FetchLimit(time.monotonic() + database.timeout, reach.stopped),
        before={part.name: part for part in known.parts} if known and known.kind == wanted.kind else {},
        previous=None if loads else previous,
        sums=known.sums if known else {},
        caches=reach.caches,
        insecure=reach.insecure,
        retries=reach.retries,
        now=now,
        named=wanted.given_by,
    )
    same = previous is not None and known is not None and known.recipe == recipe
    whole = same and known is not None and _is_untouched(previous, known, wanted, loads=loads)
    facts = databases.fetch(wanted.kind, order, whole=whole)
    if facts is not None:
        sums, there = ({}, {}) if loads else (sums_of(order.folder), sizes(order.folder))
        facts = msgspec.structs.replace(facts, recipe=recipe, sums=sums, sizes=there)
        write_atomic(order.folder / FACTS, encode(facts), mode=0o444)
        if loads:
            open_to_readers(order.folder)
            return ""
    elif wanted.folder:
        remove(order.folder)
        return version
    elif previous is not None:
        take_over(previous, prepare(volume, scan.name, key))
    open_to_readers(incoming_folder(volume, scan.name, key))
    return commit(volume, scan.name, key, longest=longest or timedelta(seconds=scan.timeout), now=now)


def _is_untouched(previous: Path | None, known: DatabaseFacts, wanted: DatabaseFetch, *, loads: bool) -> bool:
    """Whether the version that there is may stand for what would be made of the same files again."""
    if previous is None or not (loads or wanted.folder) or not is_plain(previous) or damage(previous):
        return False
    return bool(wanted.folder) or sums_of(previous) == known.sums


def _empty(folder: Path) -> Path:
    remove(folder)
    folder.mkdir(parents=True)
    return folder
