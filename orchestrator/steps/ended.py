"""The steps `left` and `aggregate`: how the cells of a Workflow ended, and what becomes of its run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator.analysis.policy import verdict_lines
from orchestrator.argo.commands import Exit
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.model import Outcome
from orchestrator.model.plan import pending
from orchestrator.results.ledger import broke
from orchestrator.steps import settle as settling
from orchestrator.steps.asking import cluster_here, who_knows
from orchestrator.steps.ending import end_run
from orchestrator.steps.owning import why_not_ours
from orchestrator.steps.saying import complain, say
from orchestrator.upkeep.claims import deciding
from orchestrator.upkeep.left import unsound_cells
from orchestrator.upkeep.plans import read_part, read_plan
from orchestrator.upkeep.unpulled import unpullable
from orchestrator.volume.layout import TIMED_OUT, Volume

if TYPE_CHECKING:
    from orchestrator.argo.commands import AggregateStep, LeftStep
    from orchestrator.model import Ledger, Plan
    from orchestrator.steps.settle import Settled

#: The variable in which Argo tells each container the id of its pod's node.
OWN_NODE = "ARGO_NODE_ID"


def left(step: LeftStep) -> int:
    """The cells of this Workflow that have failed, as items to run once more; not those whose pull was given up."""
    from orchestrator.steps.incluster import Work, divide, write_outputs  # noqa: PLC0415 - as little as `aggregate` needs

    volume = Volume(step.volume)
    plan = read_plan(step.run, volume)
    settled = _settle(plan, volume, step)
    plan = read_part(step.run, step.part, volume) if step.part else plan
    images = divide(plan, volume, shard=step.shard, only=step.only).images
    # Repositories never run in such pods.
    together = {id_ for id_ in images if not plan.targets_by_id[id_].is_repository}
    unsound = unsound_cells(plan, volume, together, unrecorded=settled.unrecorded)
    given_up = unpullable(plan, {target for target, _ in unsound}, volume)
    # What took too long in the pod would do it again.
    late = {cell for cell in unsound if os.path.lexists(volume.cell(plan.run, *cell) / TIMED_OUT)}
    left = pending(plan, only={(target, scan) for target, scan in unsound - late if target not in given_up})
    write_outputs(plan, Work(tuple(left), left), step.outputs)
    say(f"{sum(map(len, left.values()))} cells of {len(left)} images run again")
    return Exit.DONE


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
