"""What each command of `scanmatrix-step` does, by the type of its step.

Each imports what it needs when it runs: a pod that links one file does not wait for pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from orchestrator.argo.agreed import Exit
from orchestrator.argo.commands import (
    MOST_DROPS,
    AggregateStep,
    AnyStep,
    BesideStep,
    CheckStep,
    DatabaseStep,
    DropStep,
    EvictStep,
    FilesStep,
    KeepSbomsStep,
    KeepStep,
    LeftStep,
    PlanStep,
    PullStep,
    ReapStep,
    ReplaceStep,
    ResultsStep,
    StageSbomsStep,
    StageStep,
)
from orchestrator.cluster.place import why_not_here
from orchestrator.errors import ScanmatrixError, UsageError, may_help_again
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.steps.asking import who_knows
from orchestrator.steps.saying import complain, say
from orchestrator.volume.layout import MAX_AGE, Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.argo.sbom_batches import SbomBatch
    from orchestrator.model import Plan


# ruff: noqa: PLC0415 - see above


def run(step: AnyStep) -> int:  # noqa: C901, PLR0911, PLR0912 - a line for each step; mypy sees to it that none is missing
    """Run a step to its end; its exit status is returned.

    Raises:
        ScanmatrixError: it failed; whether trying again may help, the error's type says.
        OSError: the volume did.
    """
    if (namespace := getattr(step, "namespace", "")) and (why := why_not_here(namespace)):
        raise UsageError(why)
    match step:
        case PlanStep():
            from orchestrator.steps.planned import plan

            return plan(step)
        case PullStep():
            return _pull(step)
        case StageStep():
            return _stage(step)
        case StageSbomsStep():
            return _stage_sboms(step)
        case KeepStep():
            return _keep(step)
        case KeepSbomsStep():
            return _keep_sboms(step)
        case DatabaseStep():
            return _database(step)
        case CheckStep():
            return _check(step)
        case FilesStep():
            return _files(step)
        case LeftStep():
            from orchestrator.steps.ended import left

            return left(step)
        case EvictStep():
            return _evict(step)
        case BesideStep():
            from orchestrator.steps.beside import make_folders

            make_folders(step)
            return Exit.DONE
        case AggregateStep():
            from orchestrator.steps.ended import aggregate

            return aggregate(step)
        case ResultsStep():
            return _results(step)
        case ReapStep():
            return _reap(step)
        case ReplaceStep():
            return _replace(step)
        case DropStep():
            return _drop(step)
        case _:
            assert_never(step)


def exit_of(error: ScanmatrixError | OSError) -> Exit:
    """The exit status by which a step says how it failed."""
    if isinstance(error, UsageError):
        return Exit.USAGE
    if isinstance(error, InternalError):
        return Exit.BROKEN
    # The volume or the network: a full volume or a lost mount may be better next time. What was attempted as often as
    # `limits.retries` allows is not for Argo to multiply.
    return Exit.TEMPORARY if isinstance(error, OSError) or may_help_again(error) else Exit.FAILED


def _pull(step: PullStep) -> int:
    """The tarball; without it the target's cells never start, so why it failed is put into their records."""
    from orchestrator.steps.pull import pull_held

    volume = Volume(step.volume)
    plan = _read_plan(step.run, volume)
    try:
        with guarded(f"pulling {step.target}"):
            say(str(pull_held(plan, step.target, volume)))
    except ScanmatrixError as error:
        from orchestrator.upkeep.unpulled import record_failure

        record_failure(plan, step.target, error, volume)
        raise
    for scan in step.stage:
        from orchestrator.steps.stage import stage

        stage(plan, step.target, scan, volume, in_image=True, layers=_of_scan(step.layers, scan))
    return Exit.DONE


def _stage(step: StageStep) -> int:
    """The cell's tarball and, where its scan has one, its database."""
    from orchestrator.steps.stage import stage

    volume = Volume(step.volume)
    plan = _read_plan(step.run, volume)
    layers = _of_scan(step.layers, step.scan)
    record = stage(plan, step.target, step.scan, volume, may_pull=not step.no_pull, in_image=True, layers=layers)
    say(f"attempt {record.attempts}")
    return Exit.DONE


def _of_scan(layers: Path | None, scan: str) -> Path | None:
    """The folder for one scan's files of layers, which ends with the pod."""
    return layers / scan if layers else None


def _keep(step: KeepStep) -> int:
    from orchestrator.steps.keep import keep

    for line in keep(step):
        say(line)
    return Exit.DONE


def _stage_sboms(step: StageSbomsStep) -> int:
    """The SBOMs of a batch; where none is of use its scanner has nothing to do."""
    from orchestrator.steps.stage_sboms import stage_sboms

    volume = Volume(step.volume)
    plan, batch = _batch(step, volume)
    say(f"{stage_sboms(plan, batch, volume, step.to)} of {len(batch.cells)} cells to run")
    return Exit.DONE


def _keep_sboms(step: KeepSbomsStep) -> int:
    """The reports of a batch; fails where cells of it are left, whose images are then scanned."""
    from orchestrator.steps.keep_sboms import keep_sboms, left_of

    volume = Volume(step.volume)
    plan, batch = _batch(step, volume)
    for line in keep_sboms(step, plan, batch, volume):
        say(line)
    if left := left_of(plan, batch, volume):
        complain(f"{left} of {len(batch.cells)} cells have no result from their stored SBOM")
        return Exit.FAILED
    return Exit.DONE


def _batch(step: StageSbomsStep | KeepSbomsStep, volume: Volume) -> tuple[Plan, SbomBatch]:
    """The plan that a batch is of, and the batch."""
    from orchestrator.argo.sbom_batches import find_sbom_batch
    from orchestrator.upkeep.plans import read_part

    plan = read_part(step.run, step.part, volume) if step.part else _read_plan(step.run, volume)
    return plan, find_sbom_batch(plan, step.scan, step.batch)


def _database(step: DatabaseStep) -> int:
    from orchestrator.steps.phases import run_phase

    say(run_phase(step))
    return Exit.DONE


def _check(step: CheckStep) -> int:
    say(f"{step.name}: {run_check(step)} findings")
    return Exit.DONE


def run_check(step: CheckStep, watch: Callable[[int], None] | None = None) -> int:
    """Run a built-in scan; the number of its findings is returned.

    Args:
        step: the scan.
        watch: as for `orchestrator.steps.check.check`.
    """
    from orchestrator.steps.check import check

    own = step.tarball.parent / MAX_AGE
    said = own.read_text() if own.is_file() else ""
    parameters = {"maxAge": said or step.max_age} if step.max_age is not None else {}
    return check(step.name, step.tarball, step.report, parameters=parameters, watch=watch)


def _files(step: FilesStep) -> int:
    """The files of a task; what fails here has been tried often enough, so that its pod is not run again for it."""
    from orchestrator.repositories.chosen import WantedFiles, write_chosen

    wanted = WantedFiles(step.repository, step.commit, step.folders, step.files, step.size)
    for path in write_chosen(wanted, step.to, retries=step.retries):
        say(path)
    return Exit.DONE


def _evict(step: EvictStep) -> int:
    from orchestrator.steps.incluster import divide
    from orchestrator.upkeep.links import evict

    volume = Volume(step.volume)
    plan = _read_plan(step.run, volume)
    targets = divide(plan, volume, shard=step.shard).images
    say(f"{evict(plan, targets, volume)} bytes freed")
    return Exit.DONE


def _results(step: ResultsStep) -> int:
    from orchestrator.argo.log_archive import FILES, pack
    from orchestrator.results.provisional import is_whole
    from orchestrator.upkeep.claims import why_no_results

    volume = Volume(step.volume)
    folder = volume.results(step.run)
    if not is_whole(folder):  # a copy of a provisional ledger would be taken for the results elsewhere
        raise UsageError(why_no_results(step.run, volume))
    for line in pack(folder, step.files or FILES):
        say(line)
    return Exit.DONE


def _reap(step: ReapStep) -> int:
    """Every run that ended without its last step; what cannot be finished now is tried again next time."""
    from orchestrator.steps.ending import finish_left

    with who_knows(step.namespace) as cluster:
        for finished in finish_left(Volume(step.volume), cluster):
            say(str(finished))
    return Exit.DONE


def _replace(step: ReplaceStep) -> int:
    from orchestrator.cluster.client import Cluster
    from orchestrator.steps.replace import replace_older

    with Cluster(step.namespace) as cluster:
        for name in replace_older(step.workflow, cluster, patience=step.patience):
            say(f"Workflow {name} of an earlier run was stopped and has ended")
    return Exit.DONE


def _drop(step: DropStep) -> int:
    """In a container that is put into the pod of a cache; see `orchestrator.api.caches`."""
    from orchestrator.images.registry.stored import StoredCache

    number = 0
    for number, dropped in enumerate(StoredCache(step.folder).drop_wanted(step.digests, step.repositories), start=1):
        if number <= MOST_DROPS:
            say(str(dropped))
    if number > MOST_DROPS:
        say(f"dropped {number - MOST_DROPS} more, which are not listed")
    return Exit.DONE


def _read_plan(run_id: str, volume: Volume) -> Plan:
    from orchestrator.upkeep.plans import read_plan

    return read_plan(run_id, volume)
