"""What each command of `scanmatrix-step` does, by the type of its step.

Each imports what it needs when it runs: a pod that links one file does not wait for pandas.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from orchestrator.argo.commands import (
    COMPLAINT,
    MOST_DROPS,
    AggregateStep,
    AnyStep,
    CheckStep,
    DatabaseStep,
    DropStep,
    EvictStep,
    Exit,
    KeepStep,
    LeftStep,
    PlanStep,
    PullStep,
    ReapStep,
    ReplaceStep,
    ResultsStep,
    StageStep,
)
from orchestrator.cluster.place import why_not_here
from orchestrator.errors import ScanmatrixError, UsageError, may_help_again
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.kit.text import visible_message
from orchestrator.volume.layout import MAX_AGE, TIMED_OUT, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.cluster.client import Cluster
    from orchestrator.model import Ledger, Plan
    from orchestrator.steps.settle import Settled

# ruff: noqa: PLC0415 - see above

#: The variable in which Argo tells each container the id of its pod's node.
OWN_NODE = "ARGO_NODE_ID"
#: Where Kubernetes puts the token of a pod that has one.
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


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
            return _plan(step)
        case PullStep():
            return _pull(step)
        case StageStep():
            return _stage(step)
        case KeepStep():
            return _keep(step)
        case DatabaseStep():
            return _database(step)
        case CheckStep():
            return _check(step)
        case LeftStep():
            return _left(step)
        case EvictStep():
            return _evict(step)
        case AggregateStep():
            return _aggregate(step)
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


def _plan(step: PlanStep) -> int:
    """The plan, once the run is this Workflow's; before that nothing of the run is written."""
    from orchestrator.steps.ending import free_left
    from orchestrator.steps.owning import claim_of, own
    from orchestrator.upkeep.claims import RunTakenError

    volume = Volume(step.volume)
    packed = step.packed.read_text(encoding="ascii", errors="replace").strip() if step.packed else ""
    if (claim := claim_of(step, packed)) is not None:
        with _who_knows(step.namespace) as cluster:
            try:
                own(claim, volume, cluster)
            except RunTakenError as error:
                complain(str(error))
                return Exit.TAKEN
            for freed in free_left(volume, cluster, besides=claim.run):
                say(str(freed))
    return _write_plan(step, packed, volume)


def _write_plan(step: PlanStep, packed: str, volume: Volume) -> int:
    from orchestrator.argo.binding import check_scans
    from orchestrator.argo.parameters import between_commas
    from orchestrator.model.plan import pending
    from orchestrator.steps.incluster import ConfigSource, divide, write_outputs, write_run
    from orchestrator.upkeep.reuse import due
    from orchestrator.upkeep.room import make_room

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
        write_outputs(plan, work, step.outputs, step.sets)
        say(f"{make_room(plan, work.images, volume)} bytes of cached images removed")
        say(f"to run: {len(work.images)} images, {len(work.shards)} shards")
    if step.due:
        wanted = {scan for scans in pending(plan).values() for scan in scans}
        names = due((scan for scan in plan.scans if scan.name in wanted), volume)
        step.due.parent.mkdir(parents=True, exist_ok=True)
        step.due.write_text(between_commas(names), encoding="ascii")
    say(f"plan {plan.run}: {len(plan.targets)} targets, {len(plan.cells)} cells")
    return Exit.DONE


def _keep_template(step: PlanStep, run: str) -> None:
    """For the shards, where this is a pod of a Workflow; elsewhere nothing starts any."""
    from orchestrator.steps.keeping import keep_template

    with _cluster(step.namespace) as cluster:
        if cluster is not None:
            say(f"shards are started from WorkflowTemplate {keep_template(step.workflow, run, cluster)}")


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


def _left(step: LeftStep) -> int:
    """The cells of this Workflow that have failed, as items to run once more; not those whose pull was given up."""
    from orchestrator.model.plan import pending
    from orchestrator.steps.incluster import Work, divide, write_outputs
    from orchestrator.upkeep.left import unsound_cells
    from orchestrator.upkeep.plans import read_part
    from orchestrator.upkeep.unpulled import unpullable

    volume = Volume(step.volume)
    plan = _read_plan(step.run, volume)
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


def _evict(step: EvictStep) -> int:
    from orchestrator.steps.incluster import divide
    from orchestrator.upkeep.links import evict

    volume = Volume(step.volume)
    plan = _read_plan(step.run, volume)
    targets = divide(plan, volume, shard=step.shard).images
    say(f"{evict(plan, targets, volume)} bytes freed")
    return Exit.DONE


def _aggregate(step: AggregateStep) -> int:
    """The ledger and all other results; fails when the run's policy is broken."""
    from orchestrator.steps.ending import end_run
    from orchestrator.steps.owning import why_not_ours
    from orchestrator.upkeep.claims import deciding

    volume = Volume(step.volume)
    with _who_knows(step.namespace) as cluster, deciding(step.run, volume):
        if taken := why_not_ours(step, volume, cluster):
            complain(taken)
            return Exit.TAKEN
        ledger = end_run(step.run, step.part, volume, lambda plan: _settle(plan, volume, step))
    return _tell_end(step, ledger)


def _tell_end(step: AggregateStep, ledger: Ledger | None) -> int:
    from orchestrator.analysis.policy import verdict_lines
    from orchestrator.model import Outcome
    from orchestrator.results.ledger import broke

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

    with _who_knows(step.namespace) as cluster:
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


def _settle(plan: Plan, volume: Volume, step: LeftStep | AggregateStep) -> Settled:
    """What the cluster knows of the cells, where this is a pod that may ask; trouble with that costs no ledger."""
    from orchestrator.steps import settle as settling

    try:
        with guarded(f"asking the cluster about run {plan.run}"), _cluster(step.namespace) as cluster:
            own = os.environ.get(OWN_NODE, "")
            settled = settling.Settled()
            if cluster:
                settled = settling.settle(plan, volume, cluster, also=step.workflow, node=own)
    except (ScanmatrixError, OSError) as error:
        settled = settling.Settled(notes=(f"{settling.UNTOLD}: {error}",))
    for note in settled.notes:
        complain(note)
    return settled


@contextmanager
def _cluster(namespace: str) -> Iterator[Cluster | None]:
    """The cluster, where this is a pod that may ask it; else None."""
    if not namespace or not TOKEN.exists():
        yield None
        return
    from orchestrator.cluster.client import Cluster

    with Cluster(namespace) as cluster:
        yield cluster


@contextmanager
def _who_knows(namespace: str) -> Iterator[Cluster | None]:
    """The same, for what is done without it as well."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(_cluster(namespace))
        except ScanmatrixError as error:
            complain(f"the cluster cannot be asked: {error}")
            cluster = None
        yield cluster


def _read_plan(run_id: str, volume: Volume) -> Plan:
    from orchestrator.upkeep.plans import read_plan

    return read_plan(run_id, volume)


def say(line: str) -> None:
    """A line on stdout."""
    sys.stdout.write(f"{visible_message(line)}\n")


def complain(line: str) -> None:
    """A line on stderr, by which `orchestrator.steps.settle` finds why a step failed."""
    sys.stderr.write(f"{COMPLAINT}{visible_message(line)}\n")
