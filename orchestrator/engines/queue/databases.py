"""Databases as workers use them: the first that needs one for a run refreshes it, and the others take what it made."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.engines.local.refreshing import marker_of, refresh_for_run
from orchestrator.volume.layout import write_atomic
from orchestrator.volume.locks import held
from orchestrator.volume.records import read_small

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engines.local.scanners import Scanners
    from orchestrator.engines.stop import Stop
    from orchestrator.model import Plan, Scan
    from orchestrator.volume.layout import Volume

#: Seconds to wait for a worker that refreshes the same database, beyond what its command may take.
_MORE = 300.0


class RunDatabases:
    """The databases of the scans of a run, as far as this worker has seen to them.

    Args:
        plan: of the run.
        volume: where they lie.
        scanners: run their own commands.
    """

    def __init__(self, plan: Plan, volume: Volume, scanners: Scanners) -> None:
        self._plan, self._volume, self._scanners = plan, volume, scanners
        #: Why there is none, by scan; empty where there is one.
        self._seen: dict[str, str] = {}

    def make_sure(self, scan: Scan, stop: Stop) -> str:
        """Make sure of the database of a scan; why there is none, else nothing.

        Raises:
            LockedError: another worker refreshes it for longer than that may take.
        """
        if scan.database is None:
            return ""
        if scan.name not in self._seen:
            missing = self._refresh(scan, scan.database.timeout, stop)
            if stop.reason():
                return missing
            self._seen[scan.name] = missing
        return self._seen[scan.name]

    def _refresh(self, scan: Scan, timeout: int, stop: Stop) -> str:
        marker = marker_of(self._plan, scan, self._volume)
        with held(marker.with_suffix(".refreshing"), patience=timeout + _MORE, required=False):
            found = refresh_for_run(self._plan, scan, self._volume, self._scanners, stop)
            if found.note and found.version:
                # No other worker tries it again: the run goes with the database that there is, and says so.
                write_atomic(_note(self._plan, scan, self._volume), found.note.encode())
                write_atomic(marker, found.version.encode())
        return found.missing


def notes_of(plan: Plan, volume: Volume) -> tuple[str, ...]:
    """What workers have to say of the databases of a run."""
    found = []
    for scan in plan.scans:
        with suppress(OSError):
            found.append(read_small(_note(plan, scan, volume)).decode(errors="replace"))
    return tuple(found)


def _note(plan: Plan, scan: Scan, volume: Volume) -> Path:
    return volume.run(plan.run) / f".{scan.name}.note"
