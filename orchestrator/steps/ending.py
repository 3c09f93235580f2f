"""The end of a run: by its own last step, or by another who finds that it ended without one.

`kubectl delete workflow`, `argo terminate`, a controller that is gone: the exit handler does not run, and the run holds
its tarballs and its reserve, without a ledger. The reaper, the scheduler or `scanmatrix status` finishes it from what
lies on the volume, as its own last step would have; another run's plan step only gives back what it holds.

No step of a run makes the results of another: they may take as much memory as its own, and more than is left.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.model import Decision
from orchestrator.model.endings import RecordState
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import LEDGER, MARK, attempts
from orchestrator.steps.aggregate import aggregate, tidied
from orchestrator.steps.attempt import end_attempts
from orchestrator.steps.liveness import is_of, why_over
from orchestrator.steps.settle import UNTOLD, Settled, settle
from orchestrator.upkeep.claims import RunClaim, age, claims, deciding, give_back, is_unclaimed, read_claim, unclaimed
from orchestrator.upkeep.leftovers import clear_unfinished
from orchestrator.upkeep.links import evict, release
from orchestrator.upkeep.plans import end_part, read_part, read_plan
from orchestrator.upkeep.room import spend
from orchestrator.volume.locks import LockedError
from orchestrator.volume.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.cluster.client import Cluster
    from orchestrator.model import Cell, Ledger, Plan
    from orchestrator.volume.layout import Volume

    _Action = Callable[[RunClaim, str, Volume, Cluster | None], "Finished | None"]

_log = logging.getLogger(__name__)

#: How the reason of a cell begins that was not done when its run ended without its last step.
RUN_ENDED = "run ended"
#: Attempts to make the results that were ended from outside, after which nobody makes another but who asks for it.
_MOST_ATTEMPTS = 2


class Finished(NamedTuple):
    """A run that somebody else finished.

    Attributes:
        run: its id.
        why: it ended without its last step.
        ledger: that it has now; None where it had no plan yet, or other parts of it are still active.
        freed: bytes that copies of its tarballs took, where the filesystem has no links.
    """

    run: str
    why: str
    ledger: Ledger | None
    freed: int = 0

    def __str__(self) -> str:
        cells = f"ledger of {len(self.ledger.rows)} cells written" if self.ledger else "what it held was freed"
        return f"run {self.run} ended without its last step ({self.why}): {cells}"


def end_run(run: str, part: str, volume: Volume, ask: Callable[[Plan], Settled]) -> Ledger | None:
    """Give back what a run holds, and write its results; its claim too is given back then. Within `deciding`.

    Args:
        run: its id.
        part: number of the part that ended, of a run that was rendered as several Workflows.
        volume: where it lies.
        ask: brings the cells' records up to date with what else knows how they went.

    Returns:
        The ledger; None while other parts of the run have not ended.

    Raises:
        DocumentError: it has no plan.
        VolumeFullError, OSError: its results cannot be written.
    """
    claim = RunClaim(run=run, part=part)
    if not _has_plan(run, part, volume):
        give_back(claim, volume)
    plan = read_plan(run, volume)
    spend(run, volume)  # records take room as well
    settled = ask(plan)
    whole = _end_part(run, part, volume) if part else plan
    ledger = None
    if whole is not None:
        upkeep = tidied(f"removing tarballs of run {run}", release, whole, whole.targets_by_id, volume)
        ledger = aggregate(whole, volume, notes=(*settled.notes, *upkeep), unrecorded=settled.unrecorded)
    give_back(claim, volume)
    return ledger


def free_left(volume: Volume, cluster: Cluster | None = None, *, besides: str = "") -> Iterator[Finished]:
    """Give back what ended runs still hold, without making their results, which may take more memory than there is.

    Args:
        volume: where they lie.
        cluster: to ask about Workflows; None where nobody can be asked, and time alone tells.
        besides: id of a run to leave alone.
    """
    return _each_left(volume, cluster, besides, _free)


def finish_left(volume: Volume, cluster: Cluster | None = None) -> Iterator[Finished]:
    """Finish every run whose work is over without its last step, one after the other; doing it again does nothing.

    Args:
        volume: where they lie.
        cluster: to ask about Workflows; None where nobody can be asked, and time alone tells.
    """
    return _each_left(volume, cluster, "", _finish)


def _each_left(volume: Volume, cluster: Cluster | None, besides: str, action: _Action) -> Iterator[Finished]:
    """Do something about each run that is over; trouble with one is logged, and does not keep the others."""
    for claim in (*claims(volume), *unclaimed(volume)):
        try:
            with guarded(f"finishing run {claim.run}"):
                done = None if claim.run == besides else _if_over(claim, volume, cluster, action)
        except LockedError:
            continue  # its engine is at work, or somebody else finishes it
        except (ScanmatrixError, OSError) as error:
            _log.warning("run %s cannot be looked at, or not be finished: %s", claim.run, error)
            continue
        if done is not None:
            yield done


def _if_over(claim: RunClaim, volume: Volume, cluster: Cluster | None, action: _Action) -> Finished | None:
    """Do something about a run if nobody works on it any more; None while somebody may."""
    with deciding(claim.run, volume, patience=0):
        there = read_claim(claim.run, claim.part, volume)
        if there != claim and not (claim == RunClaim(run=claim.run) and is_unclaimed(claim.run, volume)):
            return None  # somebody else was quicker
        deadline = claim.deadline
        if not deadline and _has_plan(claim.run, "", volume):
            deadline = read_plan(claim.run, volume).limits.deadline
        why = why_over(claim, age(claim, volume), cluster, deadline=deadline)
        return action(claim, why, volume, cluster) if why else None


def _free(claim: RunClaim, why: str, volume: Volume, cluster: Cluster | None) -> Finished | None:  # noqa: ARG001
    if not _has_plan(claim.run, claim.part, volume):
        return None
    plan = read_part(claim.run, claim.part, volume) if claim.part else read_plan(claim.run, volume)
    spend(claim.run, volume)
    clear_unfinished(claim.run, volume)
    return Finished(claim.run, why, None, release(plan, plan.targets_by_id, volume))


def _finish(claim: RunClaim, why: str, volume: Volume, cluster: Cluster | None) -> Finished:
    if not _has_plan(claim.run, claim.part, volume):
        give_back(claim, volume)
        return Finished(claim.run, f"{why}, before it had a plan", None)
    if _gave_up(claim, volume):
        plan = read_plan(claim.run, volume)
        release(plan, plan.targets_by_id, volume)
        clear_unfinished(claim.run, volume)
        end_attempts(volume.results(claim.run))
        give_back(claim, volume)
        return Finished(claim.run, why, read_ledger(volume, claim.run))
    ledger = end_run(claim.run, claim.part, volume, lambda plan: _account(plan, claim, why, volume, cluster))
    return Finished(claim.run, why, ledger)


def _gave_up(claim: RunClaim, volume: Volume) -> bool:
    """Whether one attempt to make the results after another was ended from outside, the last of them for this claim.

    Then another one would only keep us from finishing other runs. What stands is the ledger written alone, or, of a run
    that was tried again, the results that it had before.
    """
    folder, path = volume.results(claim.run), volume.claim(claim.run, claim.part)
    if attempts(folder).number < _MOST_ATTEMPTS or not (folder / LEDGER).exists():
        return False
    return not os.path.lexists(path) or (folder / MARK).lstat().st_mtime >= path.lstat().st_mtime


def _end_part(run: str, part: str, volume: Volume) -> Plan | None:
    """Make room for the other parts; the whole plan when this was the last one."""
    own = read_part(run, part, volume)
    for note in tidied(f"removing tarballs of part {part} of run {run}", evict, own, own.targets_by_id, volume):
        _log.warning("%s", note)
    return end_part(own, volume)


def _has_plan(run: str, part: str, volume: Volume) -> bool:
    if part:
        return (volume.plan_parts(run) / f"{part}.json").exists()
    return volume.plan(run).exists() or any(volume.plan_parts(run).glob("*.json"))


def _account(plan: Plan, claim: RunClaim, why: str, volume: Volume, cluster: Cluster | None) -> Settled:
    """Say of each cell that nobody has brought to an end that its run ended; what the cluster knows comes first."""
    settled = _ask(plan, claim, volume, cluster)
    own = read_part(plan.run, claim.part, volume) if claim.part else plan
    scans, unrecorded = {scan.name: scan for scan in own.scans}, dict(settled.unrecorded)
    for cell in own.cells:
        if cell.decision is not Decision.RUN or (cell.target, cell.scan) in unrecorded:
            continue
        try:
            _account_cell(cell, plan.run, scans[cell.scan].report, why, volume)
        except OSError:
            unrecorded[cell.target, cell.scan] = f"{RUN_ENDED}: {why}"
    notes = (f"the run ended without its last step, and was finished afterwards: {why}", *settled.notes)
    return Settled(notes, unrecorded)


def _ask(plan: Plan, claim: RunClaim, volume: Volume, cluster: Cluster | None) -> Settled:
    """What the cluster knows, where it is the one in which the run was at work."""
    try:
        if cluster is not None and is_of(claim, cluster):
            return settle(plan, volume, cluster, also=claim.workflow)
    except ScanmatrixError as error:
        return Settled((f"{UNTOLD}: {error}",))
    return Settled()


def _account_cell(cell: Cell, run: str, report: str, why: str, volume: Volume) -> None:
    """A cell that has a report is left to it: what is whole counts, however its run ended."""
    records = Records(volume, run)
    state = records.look(cell.target, cell.scan).state
    if state not in {RecordState.NONE, RecordState.BEGUN}:
        return
    if os.path.lexists(volume.cell(run, cell.target, cell.scan) / report):
        return
    when = "before it started" if state is RecordState.NONE else "before its scanner had ended"
    records.fail(cell.target, cell.scan, f"{RUN_ENDED} {when}: {why}")
