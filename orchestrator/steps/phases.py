"""The phases of refreshing a database in the cluster, each in its own container; see `orchestrator.steps.refresh`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.argo.agreed import Phase
from orchestrator.argo.parameters import Output
from orchestrator.kit.removal import remove_quietly
from orchestrator.steps import fetching, refresh
from orchestrator.steps.made import put_on_volume
from orchestrator.upkeep import databases
from orchestrator.upkeep.plans import read_plan
from orchestrator.volume.layout import Volume

if TYPE_CHECKING:
    from orchestrator.argo.commands import DatabaseStep
    from orchestrator.model import Scan


def run_phase(step: DatabaseStep) -> str:
    """One phase; one that fails leaves nothing of it on the volume, which may be full.

    Returns:
        What it did, for people.

    Raises:
        ScanmatrixError: it failed.
        OSError: the volume did.
    """
    volume = Volume(step.volume)
    try:
        return _run(step, volume)
    except BaseException:
        left = [databases.incoming_folder(volume, step.scan, step.key)]
        if step.phase == Phase.FETCH:  # else what was fetched stays for another attempt to load it
            left.append(databases.fetched_folder(volume, step.scan, step.key))
        for folder in left:
            remove_quietly(folder)
        raise


def _run(step: DatabaseStep, volume: Volume) -> str:
    longest = timedelta(seconds=step.longest)
    if step.made and step.phase != Phase.PREPARE:
        put_on_volume(step.made, databases.prepare(volume, step.scan, step.key), step.scan, most=step.most)
    match Phase(step.phase):
        case Phase.PREPARE:
            return _prepare(step, volume)
        case Phase.FETCH:
            return _fetch(step, volume, longest)
        case Phase.FINISH:
            return refresh.finish(volume, step.scan, step.key, longest=longest)
        case Phase.COMMIT if step.run:
            return refresh.finish_command(_scan(step, volume), volume, step.key, longest=longest)
        case Phase.COMMIT:
            return databases.commit(volume, step.scan, step.key, longest=longest)


def _prepare(step: DatabaseStep, volume: Volume) -> str:
    made = step.made or databases.prepare(volume, step.scan, step.key)
    # Manifests of an earlier version name no run here, and continue nothing.
    count = refresh.start_command(_scan(step, volume), volume, made) if step.run else 0
    return f"begins with {count} files of the last version"


def _fetch(step: DatabaseStep, volume: Volume, longest: timedelta) -> str:
    """The version; where there is none, what was fetched is for the scanner to load, which the output says."""
    plan = read_plan(step.run, volume)
    scan = refresh.scan_of(plan, step.scan)
    version = fetching.fetch(scan, volume, step.key, reach=fetching.reach_of(plan), longest=longest)
    if step.outputs:
        step.outputs.mkdir(parents=True, exist_ok=True)
        (step.outputs / Output.LOAD).write_text("false" if version else "true", encoding="ascii")
    return version or "fetched"


def _scan(step: DatabaseStep, volume: Volume) -> Scan:
    return refresh.scan_of(read_plan(step.run, volume), step.scan)
