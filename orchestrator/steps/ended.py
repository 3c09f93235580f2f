"""The steps `left` and `aggregate`: how the cells of a Workflow ended, and what becomes of its run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator.analysis.policy import verdict_lines
from orchestrator.argo.agreed import Exit
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.model import Outcome
from orchestrator.model.plan import matched, pending
from orchestrator.planning.batches import cut
from orchestrator.results.ledger import broke
from orchestrator.steps import settle as settling
from orchestrator.steps.asking import cluster_here, who_knows
from orchestrator.steps.ending import end_run
from orchestrator.steps.owning import why_not_ours
from orchestrator.steps.saying import complain, say
from orchestrator.upkeep.claims import deciding
from orchestrator.upkeep.left import left_by_sboms, unsound_cells
from orchestrator.upkeep.plans import read_part, read_plan
from orchestrator.upkeep.room import make_room
from orchestrator.upkeep.unpulled import unpullable
from orchestrator.volume.layout import TIMED_OUT, Volume
from orchestrator.volume.records import Records, now

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.argo.commands import AggregateStep, LeftStep
    from orchestrator.model import Ledger, Plan
    from orchestrator.model.plan import Pending
    from orchestrator.steps.settle import Settled

#: The variable in which Argo tells each container the id of its pod's node.
OWN_NODE = "ARGO_NODE_ID"
#: How the reason of a cell begins whose image is left to a retry.
TOO_MANY = (
    "its stored SBOM was of no use, like those of more images than fit one Workflow or the volume"
    " (limits.cellsPerShard, volume.budget), so its image was not scanned: retry the run. "
)


def left(step: LeftStep) -> int:
    """The cells of this Workflow that have failed, as items to run once more; not those whose pull was given up."""
    from orchestrator.steps.incluster import Work, write_outputs  # noqa: PLC0415 - as little as `aggregate` needs

    volume = Volume(step.volume)
    plan = read_plan(step.run, volume)
    settled = _settle(plan, volume, step)
    plan = read_part(step.run, step.part, volume) if step.part else plan
    # A shard has no batches of SBOMs, its parent has.
    by_sboms = set() if step.shard else left_by_sboms(plan, volume, unrecorded=settled.unrecorded)
    again = by_sboms if step.sboms else by_sboms | _left_together(plan, volume, step, settled)
    given_up = unpullable(plan, {target for target, _ in again}, volume)
    wanted = {(target, scan) for target, scan in again if target not in given_up}
    left = _with_room(plan, pending(plan, only=wanted, unmatched=by_sboms), by_sboms, volume)
    write_outputs(plan, Work(tuple(left), left), step.outputs)
    say(f"{sum(map(len, left.values()))} cells of {len(left)} images run again")
    return Exit.DONE


def _left_together(plan: Plan, volume: Volume, step: LeftStep, settled: Settled) -> set[tuple[str, str]]:
    """What failed in a pod for several scans."""
    from orchestrator.steps.incluster import divide  # noqa: PLC0415 - as above

    images = divide(plan, volume, shard=step.shard, only=step.only).images
    # Repositories never run in such pods.
    together = {id_ for id_ in images if not plan.targets_by_id[id_].is_repository}
    unsound = unsound_cells(plan, volume, together, unrecorded=settled.unrecorded)
    # What took too long in the pod would do it again.
    late = {cell for cell in unsound if os.path.lexists(volume.cell(plan.run, *cell) / TIMED_OUT)}
    return unsound - late - {(cell.target, cell.scan) for cell in matched(plan)}


def _with_room(plan: Plan, left: Pending, by_sboms: Collection[tuple[str, str]], volume: Volume) -> Pending:
    """As much of what is left as one Workflow runs and the volume holds, where nobody planned to pull it.

    The plan has bounds for the images that it means to pull. Of the others, a retry of the run makes shards.
    """
    unplanned = {id_: scans for id_, scans in left.items() if all((id_, scan) in by_sboms for scan in scans)}
    first, *others = cut(plan, unplanned) or ((),)
    make_room(plan, first, volume)
    records, too_many = Records(volume, plan.run), {id_ for batch in others for id_ in batch}
    for id_ in too_many:
        for scan in unplanned[id_]:
            before = records.look(id_, scan).record
            records.write(id_, scan, before, finished=now(), error=f"{TOO_MANY}{before.error}", exit_code=None)
    return {id_: scans for id_, scans in left.items() if id_ not in too_many}


def aggregate(step: AggregateStep) -> int:
    """The ledger and all other results; fails when the run's policy is broken."""
    volume = Volume(step.volume)
    with who_knows(step.namespace) as cluster, deciding(step.run, volume):
        if taken := why_not_ours(step, volume, cluster):
            complain(taken)
            return Exit.TAKEN
        ledger = end_run(step.run, step.part, volume, lambda plan: _settle(plan, volume, step))
    return _tell_end(step, ledger)


def _tell_end(step: AggregateStep, ledger: Ledger | None) -> int:
    if ledger is None:
        say(f"part {step.part} of run {step.run} has ended; the ledger is made when all of them have")
        return Exit.DONE
    say(f"run {ledger.run}: " + ", ".join(f"{ledger.count(outcome)} {outcome}" for outcome in Outcome))
    for line in verdict_lines(ledger.verdict, cells=ledger.rows):
        complain(f"policy: {line}")
    if ledger.verdict.remark:
        say(f"policy: {ledger.verdict.remark}")
    if broke(ledger):
        return Exit.BROKEN
    return Exit.DONE if ledger.verdict.passed else Exit.FAILED


def _settle(plan: Plan, volume: Volume, step: LeftStep | AggregateStep) -> Settled:
    """What the cluster knows of the cells, where this is a pod that may ask; trouble with that costs no ledger."""
    try:
        with guarded(f"asking the cluster about run {plan.run}"), cluster_here(step.namespace) as cluster:
            own = os.environ.get(OWN_NODE, "")
            settled = settling.Settled()
            if cluster:
                settled = settling.settle(plan, volume, cluster, also=step.workflow, node=own)
    except (ScanmatrixError, OSError) as error:
        settled = settling.Settled(notes=(f"{settling.UNTOLD}: {error}",))
    for note in settled.notes:
        complain(note)
    return settled
