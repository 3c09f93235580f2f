"""When a database is used as it is, without asking anybody for a newer one: one rule for the local engine and for pods.

A version is named after the moment when it was fetched, or found to be still the newest. It is used until it is as old
as the scan's `maxAge`, unless it is damaged, was made otherwise than the scan wants it now, or has a name from the
future, as a clock that was wrong gives it. Where nothing may be downloaded it is used whatever its age.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from orchestrator.model.documents import encode
from orchestrator.upkeep.databases import NO_DOWNLOADS, DatabaseError, current
from orchestrator.upkeep.versions import damage, read_facts
from orchestrator.volume.layout import version_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.model import Plan, Scan
    from orchestrator.volume.layout import Volume

#: By which the clock of another machine may be ahead of ours.
_AHEAD = timedelta(minutes=5)


def usable(scan: Scan, volume: Volume, now: datetime | None = None) -> str:
    """The version of a scan's database that is used without asking for a newer one; empty where one is to be asked for.

    Args:
        scan: with a database or without.
        volume: where it lies.
        now: the present, instead of the clock.

    Raises:
        DatabaseError: nothing may be downloaded, and there is none, or a damaged one.
    """
    database = scan.database
    if database is None or (database.fetch and database.fetch.folder):
        return ""  # to look into a folder of this machine costs less than to be wrong about it
    version = current(volume, scan.name)
    folder = volume.databases(scan.name) / version
    wrong = damage(folder) if version else "there is none on the volume"
    if not database.update:
        if wrong:
            raise DatabaseError(_nothing_there(scan.name, version, wrong))
        return version
    if wrong:
        return ""
    facts, made = read_facts(folder), version_time(version)
    if facts is None or facts.recipe != recipe_of(scan) or made is None:
        return ""
    age = (now or datetime.now(UTC)) - made
    return version if age >= -_AHEAD and not database.is_due(age.total_seconds()) else ""


def due(scans: Iterable[Scan], volume: Volume) -> tuple[str, ...]:
    """Names of the scans whose databases are to be refreshed; not of those that may download nothing."""
    return tuple(scan.name for scan in scans if _is_due(scan, volume))


def recipe_of(scan: Scan) -> str:
    """Digest of all that decides what a database becomes of the same fetched files."""
    database = scan.database
    return hashlib.sha256(scan.image.encode() + (encode(database.recipe) if database else b"")).hexdigest()[:32]


def without_downloads(plan: Plan) -> Plan:
    """The plan, its databases used as they are on the volume."""
    scans = (
        msgspec.structs.replace(scan, database=scan.database and msgspec.structs.replace(scan.database, update=False))
        for scan in plan.scans
    )
    return msgspec.structs.replace(plan, scans=tuple(scans))


def _is_due(scan: Scan, volume: Volume) -> bool:
    try:
        return scan.database is not None and not usable(scan, volume)
    except DatabaseError:
        return False  # its cells say so


def _nothing_there(scan: str, version: str, wrong: str) -> str:
    what = f"version {version} is damaged ({wrong})" if version else wrong
    return f"database of {scan}: {what}, and {NO_DOWNLOADS.format(scan=scan)}"
