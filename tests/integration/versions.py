"""Versions of databases, as if time had passed."""

from datetime import UTC, datetime, timedelta

from orchestrator.upkeep.databases import current
from orchestrator.volume.layout import VERSION_FORMAT, Volume


def make_older(volume: Volume, scan: str, age: timedelta) -> None:
    """Give the current version the name of another time."""
    folder = volume.databases(scan)
    name = (datetime.now(UTC) - age).strftime(VERSION_FORMAT)
    (folder / current(volume, scan)).rename(folder / name)
    (folder / "current").unlink()
    (folder / "current").symlink_to(name)
