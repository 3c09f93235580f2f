"""What is done with a run, by the engine that the configuration names.

    name = submit(plan, config)            # starts it and returns at once (argo)
    for status in follow(config, run):     # until it ended
        print(status.counts())
    ledger = fetch(config, run)            # brings the results here

`orchestrator.api.aio` has the same calls for asyncio.
"""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

from orchestrator.engines.interface import Silent
from orchestrator.errors import UsageError
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.argo.status import RunStatus
    from orchestrator.config.loading import Config
    from orchestrator.engines.argo.engine import ArgoEngine
    from orchestrator.engines.interface import Engine, Observer
    from orchestrator.model import Ledger, Plan
    from orchestrator.volume.layout import Volume

_HOLDER = re.compile(r"process (\d+) on (\S+)")


def run(plan: Plan, config: Config, *, observer: Observer | None = None) -> Ledger:
    """Run a plan to its end and return its ledger; goes on with a run that was cut off.

    Raises:
        EngineError: the run itself broke; what was done is kept, the same call goes on with it.
        UnpinnedError: the configuration is strict, and the plan names images of scanners by tags.
    """
    _check_strict(plan, config)
    return make_engine(config).run(plan, volume_of(config), observer or Silent())


def make_engine(config: Config, *, mounted: bool = False) -> Engine:
    """The engine that the configuration names.

    Args:
        config: names it.
        mounted: whether `volume.path` is the cluster's own volume, so that results need not be fetched from there.
    """
    if config.engine == "argo":
        return _argo(config, mounted=mounted)
    from orchestrator.engines.local.engine import LocalEngine

    return LocalEngine(runner=config.local.runner, sandbox=config.local.sandbox)


def submit(plan: Plan, config: Config) -> str:
    """Start a run in the cluster and return at once; a run that was started before is left alone.

    Returns:
        Name of its Workflow, which is the run's id.

    Raises:
        UsageError: the engine is not `argo`, the cluster is not ready for this plan, or the configuration is strict and
            the plan names images of scanners by tags.
    """
    _check_strict(plan, config)
    return _cluster_engine(config, "submit").submit(plan)


def follow(config: Config, run_id: str) -> Iterator[RunStatus]:
    """The status of a run now, and after every change, to its end."""
    if config.engine == "argo":
        return _argo(config).follow(run_id)
    from orchestrator.engines.local.status import follow_local

    return follow_local(run_id, volume_of(config))


def status(config: Config, run_id: str) -> RunStatus:
    """How a run stands.

    Raises:
        UsageError: there is no such run.
    """
    if config.engine == "argo":
        return _argo(config).status(run_id)
    from orchestrator.engines.local.status import local_status

    return local_status(run_id, volume_of(config))


def list_runs(config: Config) -> tuple[RunStatus, ...]:
    """How every run stands that the engine knows, the newest first."""
    if config.engine == "argo":
        return _argo(config).runs()
    from orchestrator.engines.local.status import local_runs

    return local_runs(volume_of(config))


def logs(config: Config, run_id: str, target: str, scan: str) -> Iterator[str]:
    """What the scanner of a cell wrote, line by line.

    Args:
        config: names the engine.
        run_id: id of the run.
        target: id of the target, the beginning of one, or a name of its image.
        scan: name of the scan.

    Raises:
        UsageError: there is no such cell, or nothing is left of it.
    """
    found = _find_cell(status(config, run_id), target, scan)
    if config.engine == "argo":
        return _argo(config).logs(run_id, found, scan)
    from orchestrator.engines.local.status import local_log

    return local_log(run_id, found, scan, volume_of(config))


def retry(config: Config, run_id: str, *, observer: Observer | None = None) -> str:
    """Run again the cells of a run that failed; the local engine returns when they have ended.

    Returns:
        Name of the Workflow that does it, or the run's id.
    """
    if config.engine == "argo":
        return _argo(config).retry(run_id)
    from orchestrator.upkeep.plans import read_plan

    run(read_plan(run_id, volume_of(config)), config, observer=observer)
    return run_id


def cancel(config: Config, run_id: str) -> tuple[str, ...]:
    """End a run now; what was done is kept, and its ledger says which cells were cancelled.

    Returns:
        Names of what was told to end: Workflows, or the process of a local engine.

    Raises:
        UsageError: a local run that does not go on, or not on this machine.
    """
    if config.engine == "argo":
        return _argo(config).cancel(run_id)
    return (_interrupt(run_id, volume_of(config)),)


def delete(config: Config, run_id: str) -> tuple[str, ...]:
    """Take what belongs to a run out of the cluster; its plan, reports and results stay on the volume.

    Returns:
        Names of the Workflows.
    """
    return _cluster_engine(config, "delete").delete(run_id)


def fetch(config: Config, run_id: str) -> Ledger:
    """Bring the results of a run from the cluster's volume to `volume.path` here, and return its ledger."""
    return _cluster_engine(config, "fetch").fetch(run_id, volume_of(config))


def _check_strict(plan: Plan, config: Config) -> None:
    """A plan may have been made when nobody was strict."""
    if config.scanners.strict:
        from orchestrator.scanners.pinning import require_digests_of

        require_digests_of(plan)


def _argo(config: Config, *, mounted: bool = False) -> ArgoEngine:
    from orchestrator.engines.argo.engine import ArgoEngine

    return ArgoEngine(config, mounted=mounted)


def _cluster_engine(config: Config, what: str) -> ArgoEngine:
    if config.engine != "argo":
        raise UsageError(f"only runs in a cluster can be used with `{what}`; set `engine: argo`, or give --engine argo")
    return _argo(config)


def _find_cell(found: RunStatus, target: str, scan: str) -> str:
    """Id of the target that is meant.

    Raises:
        UsageError: none is, or several are.
    """
    cells = [cell for cell in found.cells if cell.scan == scan]
    exact = {cell.target for cell in cells if target in {cell.target, cell.reference}}
    near = {cell.target for cell in cells if target and (cell.target.startswith(target) or target in cell.reference)}
    meant = exact or near
    if len(meant) != 1:
        some = ", ".join(sorted({cell.reference or cell.target for cell in cells})[:5]) or "none yet"
        several = "several" if meant else "no"
        raise UsageError(f"run {found.run}: {several} cells of {scan!r} match {target!r}; there are: {some}")
    return meant.pop()


def _interrupt(run_id: str, volume: Volume) -> str:
    """Send SIGTERM to the process that holds the lock of a run."""
    import fcntl
    import socket

    path = volume.run(run_id) / ".lock"
    try:
        with path.open("rb") as lock:
            holder = _HOLDER.search(lock.read(200).decode(errors="replace"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if holder is None or holder[2] != socket.gethostname():
            raise UsageError(f"run {run_id} goes on elsewhere: {holder[0] if holder else 'unknown process'}") from None
        os.kill(int(holder[1]), signal.SIGTERM)
        return holder[0]
    except FileNotFoundError:
        pass
    raise UsageError(f"run {run_id} does not go on: nobody holds {path}")
