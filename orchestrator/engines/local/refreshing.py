"""The database of a scan on this machine, refreshed once for a run; one that cannot be leaves the one from before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.steps.fetching import reach_of
from orchestrator.steps.refresh import refresh
from orchestrator.upkeep.databases import current
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engines.local.scanners import Scanners
    from orchestrator.engines.stop import Stop
    from orchestrator.model import Plan, Scan
    from orchestrator.volume.layout import Volume


class RefreshedDatabase(NamedTuple):
    """What came of a refresh.

    Attributes:
        missing: why there is no database at all; empty when there is one.
        note: why it is not a new one; empty when it is.
        version: of the database; empty where there is none.
    """

    missing: str = ""
    note: str = ""
    version: str = ""


def marker_of(plan: Plan, scan: Scan, volume: Volume) -> Path:
    """The file that says which version a run's refresh of a database gave."""
    return volume.run(plan.run) / f".{scan.name}.refreshed"


def refresh_for_run(plan: Plan, scan: Scan, volume: Volume, scanners: Scanners, stop: Stop) -> RefreshedDatabase:
    """Refresh the database of a scan, unless that was done for this run.

    Args:
        plan: of the run.
        scan: it has a database.
        volume: where it lies.
        scanners: run its own commands.
        stop: of the run.
    """
    try:
        with guarded(f"refreshing the database of {scan.name}"):
            return _refresh(plan, scan, volume, scanners, stop)
    except (ScanmatrixError, OSError) as error:
        return RefreshedDatabase(f"database of {scan.name}: {in_words(error)}")


def _refresh(plan: Plan, scan: Scan, volume: Volume, scanners: Scanners, stop: Stop) -> RefreshedDatabase:
    marker, before = marker_of(plan, scan, volume), current(volume, scan.name)
    if before and marker.is_file() and marker.read_text() == before:
        return RefreshedDatabase(version=before)
    runner = partial(scanners.refresh, stopped=stop.reason)
    state = refresh(scan, volume, runner=runner, reach=reach_of(plan, stop.reason))
    if not state.version:
        return RefreshedDatabase(state.error)
    if not state.error:
        write_atomic(marker, state.version.encode())
        return RefreshedDatabase(version=state.version)
    note = "" if stop.interrupted else f"{state.error}; cells use the database of {state.version}"
    return RefreshedDatabase(note=note, version=state.version)
