"""The step `plan`: the run is made this Workflow's, its plan is on the volume, and what it does of it is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.argo.agreed import Exit
from orchestrator.argo.binding import check_scans
from orchestrator.argo.parameters import between_commas
from orchestrator.steps.asking import cluster_here, who_knows
from orchestrator.steps.ending import free_left
from orchestrator.steps.incluster import ConfigSource, divide, write_outputs, write_run
from orchestrator.steps.owning import claim_of, own
from orchestrator.steps.saying import complain, say
from orchestrator.upkeep.claims import RunTakenError
from orchestrator.upkeep.reuse import due
from orchestrator.upkeep.room import make_room
from orchestrator.volume.layout import Volume

if TYPE_CHECKING:
    from orchestrator.argo.commands import PlanStep


def plan(step: PlanStep) -> int:
    """The plan, once the run is this Workflow's; before that nothing of the run is written."""
    volume = Volume(step.volume)
    packed = step.packed.read_text(encoding="ascii", errors="replace").strip() if step.packed else ""
    if (claim := claim_of(step, packed)) is not None:
        with who_knows(step.namespace) as cluster:
            try:
                own(claim, volume, cluster)
            except RunTakenError as error:
                complain(str(error))
                return Exit.TAKEN
            for freed in free_left(volume, cluster, besides=claim.run):
                say(str(freed))
    return _write_plan(step, packed, volume)


def _write_plan(step: PlanStep, packed: str, volume: Volume) -> int:
    config = step.config
    if config is not None and step.config_git:
        config = Path(*config.parts[2:])  # of the repository, not of this pod's folder
    source = ConfigSource(str(config), step.config_git, step.config_ref) if config is not None else None
    plan = write_run(packed, source, step.run, volume)
    for scan in plan.scans:  # those that refresh it may write this folder of the volume, and no other
        if scan.database:
            volume.databases(scan.name).mkdir(parents=True, exist_ok=True)
    if step.outputs:
        check_scans(plan, step.scans)
        work = divide(plan, volume, shard=step.shard, only=step.only)
        if work.shards:
            _keep_template(step, plan.run)
        write_outputs(plan, work, step.outputs, step.sets, step.readers)
        say(f"{make_room(plan, work.images, volume)} bytes of cached images removed")
        say(f"to run: {len(work.images)} images, {len(work.shards)} shards, {len(work.sboms)} batches of SBOMs")
    if step.due:
        wanted = {cell.scan for cell in plan.cells if cell.runs}
        names = due((scan for scan in plan.scans if scan.name in wanted), volume)
        step.due.parent.mkdir(parents=True, exist_ok=True)
        step.due.write_text(between_commas(names), encoding="ascii")
    say(f"plan {plan.run}: {len(plan.targets)} targets, {len(plan.cells)} cells")
    return Exit.DONE


def _keep_template(step: PlanStep, run: str) -> None:
    """For the shards, where this is a pod of a Workflow; elsewhere nothing starts any."""
    from orchestrator.steps.keeping import keep_template  # noqa: PLC0415 - few Workflows have shards

    with cluster_here(step.namespace) as cluster:
        if cluster is not None:
            say(f"shards are started from WorkflowTemplate {keep_template(step.workflow, run, cluster)}")
