"""What is done with a run, by the engine that the configuration names; every engine has the same calls.

    name = submit(plan, config)            # starts it and returns at once
    for status in follow(config, run):     # until it ended
        print(status.counts())
    ledger = fetch(config, run)            # brings the results here

`scanmatrix.aio` has the same calls for asyncio.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator import engines
from orchestrator.engines.interface import Silent
from orchestrator.engines.narrator import narrate, plan_shown_by
from orchestrator.errors import ScanmatrixError, UsageError
from orchestrator.kit.sources import suggest
from orchestrator.results.ledger import read_ledger
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine, Observer
    from orchestrator.model import Ledger, Plan, RunStatus

_log = logging.getLogger(__name__)
_SHOWN = 5


def run(plan: Plan, config: Config, *, observer: Observer | None = None) -> Ledger:
    """Run a plan to its end and return its ledger; resumes a run that was cut off.

    Raises:
        EngineError: the run itself broke; what was done is kept, the same call resumes it.
        UnpinnedError: the configuration is strict, and the plan names images of scanners by tags.
        OutOfReachError: a cluster is to run it, and the plan has what no pod can reach.
    """
    _check_strict(plan, config)
    _check_reach(plan, config)
    return engines.make(config).run(plan, observer or Silent())


def submit(plan: Plan, config: Config) -> str:
    """Start a run and return at once; a run that was started before is left alone.

    Returns:
        Name of what runs it: with Argo its Workflow, whose name is the run's id.

    Raises:
        UsageError: the engine runs nothing in the background, the cluster is not ready for this plan, or the
            configuration is strict and the plan names images of scanners by tags.
        OutOfReachError: the plan has what no pod can reach, such as an archive of this machine.
    """
    _check_strict(plan, config)
    _check_reach(plan, config)
    return engines.make(config).submit(plan)


def follow(config: Config, run_id: str) -> Iterator[RunStatus]:
    """The status of a run now, and after every change, to its end."""
    return engines.make(config).follow(run_id)


def status(config: Config, run_id: str) -> RunStatus:
    """How a run stands.

    Raises:
        UsageError: there is no such run.
    """
    engine = engines.make(config)
    _finish_left(engine)
    return engine.status(run_id)


def list_runs(config: Config) -> tuple[RunStatus, ...]:
    """How every run stands that the engine knows, the newest first."""
    engine = engines.make(config)
    _finish_left(engine)
    return engine.runs()


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
    engine = engines.make(config)
    return engine.logs(run_id, _find_cell(engine.status(run_id), target, scan), scan)


def retry(config: Config, run_id: str, *, observer: Observer | None = None) -> str:
    """Run again the cells of a run that failed; the local engine returns when they have ended.

    Returns:
        Name of what does it: with Argo a Workflow.

    Raises:
        UsageError: there is no such run, it has not ended yet, or the configuration is strict and its plan names images
            of scanners by tags.
    """
    if config.scanners.strict and (volume := volume_of(config)).plan(run_id).exists():
        from orchestrator.upkeep.plans import read_plan

        _check_strict(read_plan(run_id, volume), config)
    return engines.make(config).retry(run_id, observer or Silent())


def await_end(config: Config, run_id: str, *, observer: Observer | None = None) -> Ledger:
    """Follow a run that was started, or is tried again, to its end, bring its results here and return its ledger.

    Raises:
        UsageError: there is no such run.
        EngineError: it ended without results.
    """
    if not engines.is_remote(config):
        for _ in engines.make(config).follow(run_id):
            pass
        return read_ledger(volume_of(config), run_id)
    narrate(follow(config, run_id), lambda status: _plan_of(config, status), observer or Silent())
    return fetch(config, run_id)


def _plan_of(config: Config, status: RunStatus) -> Plan:
    """The plan of a run; as much of it as its status shows, where the plan is not on the volume here."""
    from orchestrator.upkeep.plans import read_plan

    volume = volume_of(config)
    return read_plan(status.run, volume) if volume.plan(status.run).exists() else plan_shown_by(status)


def cancel(config: Config, run_id: str) -> tuple[str, ...]:
    """End a run now; what was done is kept, and its ledger says which cells were cancelled.

    Returns:
        Names of what was stopped: Workflows, or the process of a local engine.

    Raises:
        UsageError: a local run that is not running, or whose process does not hear.
    """
    return engines.make(config).cancel(run_id)


def delete(config: Config, run_id: str) -> tuple[str, ...]:
    """Remove what the engine holds of a run, such as Workflows; plan, reports and results stay on the volume.

    Returns:
        Names of what was removed.
    """
    return engines.make(config).delete(run_id)


def fetch(config: Config, run_id: str) -> Ledger:
    """Bring the results of a run from where it ran to `volume.path` here, and return its ledger."""
    return engines.make(config).fetch(run_id)


def _finish_left(engine: Engine) -> None:
    """Finish what ended without its last step, so that it is not shown as active; trouble with that costs no answer."""
    try:
        for done in engine.finish_left():
            _log.warning("%s", done)
    except (ScanmatrixError, OSError) as error:
        _log.warning("runs that ended without their last step cannot be finished: %s", error)


def _check_strict(plan: Plan, config: Config) -> None:
    """A plan may have been made when nobody was strict."""
    if config.scanners.strict:
        from orchestrator.scanners.pinning import require_digests_of

        require_digests_of(plan)


def _check_reach(plan: Plan, config: Config) -> None:
    """Refuse before anything starts what would fail in every pod."""
    if engines.in_cluster(config):
        from orchestrator.argo.reach import require_reach

        require_reach(plan)


def _find_cell(found: RunStatus, target: str, scan: str) -> str:
    """Id of the target that is meant.

    Raises:
        UsageError: none is, or several are.
    """
    from orchestrator.images.names import NameBook

    cells = [cell for cell in found.cells if cell.scan == scan]
    if not cells:
        scans = sorted({cell.scan for cell in found.cells})
        raise UsageError(f"run {found.run} has no scan {scan!r}{suggest(scan, scans)} (it has {', '.join(scans)})")
    target = target.strip()
    meant = {cell.target for cell in cells if target and cell.target.startswith(target)}
    if not meant:
        book = NameBook(cell.reference for cell in cells)
        name = book.find(target)
        meant = {cell.target for cell in cells if name and cell.reference == name}
        if not meant:
            shown = ", ".join(sorted({cell.reference or cell.target for cell in cells})[:_SHOWN])
            raise UsageError(
                f"run {found.run}: no cell of {scan!r} is of {target!r}{book.suggest(target)} (there are: {shown})"
            )
    if len(meant) > 1:
        raise UsageError(f"run {found.run}: {target!r} may be {', '.join(sorted(meant)[:_SHOWN])}: name one by its id")
    return meant.pop()
