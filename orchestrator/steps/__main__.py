"""`scanmatrix-step`: what the pods of a run call, one command for each kind of pod.

Exit status: 0 done · 1 failed, and trying again cannot help · 2 wrong use · 3 failed in a way that nobody foresaw (of
`aggregate`: so did a cell) · 75 (EX_TEMPFAIL of sysexits.h) failed, and trying again may help; the Workflow's retry
strategy goes by it. The last line on stderr says why; of what nobody foresaw a traceback stands above it.

Each command imports what it needs when it runs: a pod that links one file shall not wait for pandas.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError, UsageError
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.kit.logs import write_to_stderr
from orchestrator.kit.text import visible_message
from orchestrator.volume.layout import MAX_AGE, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.model import Plan

# ruff: noqa: PLC0415 - see above

USAGE, BROKEN = 2, 3
TEMPORARY = os.EX_TEMPFAIL
#: Where Kubernetes puts the token of a pod that has one.
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; the process's exit status is returned."""
    options = _parser().parse_args(arguments)
    write_to_stderr("scanmatrix-step", tracebacks=True)
    try:
        with guarded(f"running {' '.join(sys.argv[1:] if arguments is None else arguments)}"):
            return int(options.call(options) or 0)
    except UsageError as error:
        return _fail(error, USAGE)
    except InternalError as error:
        return _fail(error, BROKEN)
    except PermanentError as error:
        return _fail(error, 1)
    except TemporaryError as error:
        return _fail(error, TEMPORARY)
    except OSError as error:  # the volume or the network: a full volume or a lost mount may be better next time
        return _fail(error, TEMPORARY)


def _plan(options: argparse.Namespace) -> None:
    """Put the plan on the volume, and say what this Workflow does of it."""
    from orchestrator.steps.incluster import ConfigSource, check_images, divide, write_outputs, write_run
    from orchestrator.upkeep.room import make_room

    volume = Volume(options.volume)
    packed = options.packed.read_text(encoding="ascii", errors="replace").strip() if options.packed else ""
    config = options.config
    if config is not None and options.config_git:
        config = config.relative_to(config.parents[-2])  # of the repository, not of this pod's folder
    source = ConfigSource(str(config), options.config_git, options.config_ref) if config is not None else None
    plan = write_run(packed, source, options.run, volume)
    for scan in plan.scans:  # those that refresh it may write this folder of the volume, and no other
        if scan.database:
            volume.databases(scan.name).mkdir(parents=True, exist_ok=True)
    if options.outputs:
        check_images(plan, dict(options.image))
        work = divide(plan, volume, shard=options.shard, only=options.only)
        write_outputs(plan, work, options.outputs, dict(options.set))
        _say(f"{make_room(plan, work.images, volume)} bytes of cached images removed")
        _say(f"to run: {len(work.images)} images, {len(work.shards)} shards")
    _say(f"plan {plan.run}: {len(plan.targets)} targets, {len(plan.cells)} cells")


def _pull(options: argparse.Namespace) -> None:
    """The image's tarball; when it cannot be had, its cells never start, so that is put into their records."""
    from orchestrator.steps.pull import pull_held
    from orchestrator.steps.stage import stage
    from orchestrator.upkeep.unpulled import record_failure

    volume = Volume(options.volume)
    plan = _read_plan(options, volume)
    try:
        with guarded(f"pulling {options.target}"):
            _say(str(pull_held(plan, options.target, volume)))
    except ScanmatrixError as error:
        record_failure(plan, options.target, f"pull: {error}", volume)
        raise
    for scan in filter(None, options.stage.split(",")):
        stage(plan, options.target, scan, volume, in_image=True)


def _stage(options: argparse.Namespace) -> None:
    """The cell's tarball and, where its scan has one, its database."""
    from orchestrator.steps.stage import stage

    volume = Volume(options.volume)
    plan = _read_plan(options, volume)
    record = stage(plan, options.target, options.scan, volume, may_pull=not options.no_pull, in_image=True)
    _say(f"attempt {record.attempts}")


def _database(options: argparse.Namespace) -> None:
    """One phase of a database's refresh; `fetch` also says whether the scanner has to load what was fetched."""
    from orchestrator.steps import refresh
    from orchestrator.upkeep import databases as database

    volume, longest = Volume(options.volume), timedelta(seconds=options.longest)
    if options.phase == "prepare":
        _say(str(database.prepare(volume, options.scan, options.key)))
    elif options.phase == "fetch":
        plan = _read_plan(options, volume)
        scan = refresh.scan_of(plan, options.scan)
        version = refresh.fetch(scan, volume, options.key, reach=refresh.reach_of(plan), longest=longest)
        if options.outputs:
            options.outputs.mkdir(parents=True, exist_ok=True)
            (options.outputs / "load").write_text("false" if version else "true", encoding="ascii")
        _say(version or "fetched")
    else:
        end = refresh.finish if options.phase == "finish" else database.commit
        _say(end(volume, options.scan, options.key, longest=longest))


def _check(options: argparse.Namespace) -> None:
    from orchestrator.steps.check import check

    own = options.tarball.parent / MAX_AGE
    parameters = (
        {"maxAge": own.read_text() if own.is_file() else options.max_age} if options.max_age is not None else {}
    )
    count = check(options.name, options.tarball, options.report, parameters=parameters)
    _say(f"{options.name}: {count} findings")


def _left(options: argparse.Namespace) -> None:
    """The cells of this Workflow that have failed, as items to run once more."""
    from orchestrator.model.plan import pending
    from orchestrator.steps.incluster import Work, divide, write_outputs
    from orchestrator.upkeep.left import unsound_cells

    volume = Volume(options.volume)
    plan = _read_plan(options, volume)
    _settle(plan, volume, options)
    if options.wave:
        images: tuple[str, ...] = plan.waves[int(options.wave) - 1]
    else:
        images = divide(plan, volume, shard=options.shard, only=options.only).images
    # Repositories never run in such pods.
    together = {id_ for id_ in images if not plan.targets_by_id[id_].is_repository}
    left = pending(plan, only=unsound_cells(plan, volume, together))
    write_outputs(plan, Work(tuple(left), left), options.outputs)
    _say(f"{sum(map(len, left.values()))} cells of {len(left)} images run again")


def _evict(options: argparse.Namespace) -> None:
    from orchestrator.steps.incluster import divide
    from orchestrator.upkeep.links import evict

    volume = Volume(options.volume)
    plan = _read_plan(options, volume)
    if options.shard:
        targets = set(divide(plan, volume, shard=options.shard).images)
    else:
        targets = {target for wave in plan.waves[: int(options.wave)] for target in wave}
    _say(f"{evict(plan, targets, volume)} bytes freed")


def _aggregate(options: argparse.Namespace) -> int:
    """The ledger and all other results; fails when the run's policy is broken."""
    from orchestrator.analysis.policy import told
    from orchestrator.model import Outcome
    from orchestrator.results.ledger import broke
    from orchestrator.steps.aggregate import aggregate
    from orchestrator.upkeep.links import release
    from orchestrator.upkeep.room import spend

    volume = Volume(options.volume)
    plan = _read_plan(options, volume)
    spend(plan.run, volume)  # records take room as well
    notes = _settle(plan, volume, options)
    release(plan, plan.targets_by_id.keys(), volume)
    ledger = aggregate(plan, volume, notes=notes)
    _say(f"run {ledger.run}: " + ", ".join(f"{ledger.count(outcome)} {outcome}" for outcome in Outcome))
    for line in told(ledger.verdict, cells=ledger.rows):
        _complain(f"policy: {line}")
    if broke(ledger):
        return BROKEN
    return 0 if ledger.verdict.passed else 1


def _results(options: argparse.Namespace) -> None:
    from orchestrator.argo.log_archive import FILES, pack

    for line in pack(Volume(options.volume).results(options.run), options.file or FILES):
        _say(line)


def _install(options: argparse.Namespace) -> None:
    from orchestrator.cluster.client import Cluster
    from orchestrator.steps.install import install

    with Cluster(options.namespace) as cluster:
        for name in install(options.folder, cluster):
            _say(f"installed {name}")


def _settle(plan: Plan, volume: Volume, options: argparse.Namespace) -> tuple[str, ...]:
    """What the cluster knows of the cells, where this is a pod that may ask."""
    if not options.namespace or not TOKEN.exists():
        return ()
    from orchestrator.cluster.client import Cluster
    from orchestrator.steps.settle import settle

    with Cluster(options.namespace) as cluster:
        notes = settle(plan, volume, cluster, also=options.workflow)
    for note in notes:
        _complain(note)
    return notes


def _read_plan(options: argparse.Namespace, volume: Volume) -> Plan:
    from orchestrator.upkeep.plans import read_plan

    return read_plan(options.run, volume)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scanmatrix-step", description="One step of a run, as its pods call it.")
    commands = parser.add_subparsers(required=True, metavar="STEP")

    def add(name: str, call: object, about: str, *, run: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(call=call)
        command.add_argument("--volume", type=Path, default=Path("/volume"), help="where the volume is mounted")
        if run:
            command.add_argument("--run", required=True, help="id of the run")
        return command

    plan = add("plan", _plan, "Put the plan on the volume.", run=False)
    plan.add_argument("--run", default="", help="id of the run, instead of the plan's own")
    plan.add_argument("--config", type=Path, help="configuration to plan from when no packed plan is given")
    plan.add_argument("--config-git", default="", help="repository that holds the configuration")
    plan.add_argument("--config-ref", default="HEAD", help="branch, tag or commit of it")
    plan.add_argument("--shard", default="", help="number of the shard that this Workflow is")
    plan.add_argument("--only", default="", choices=("", "failed", "results"), help="leave it at the cells that failed")
    plan.add_argument(
        "--set", type=_set, default=[], action="append", help="scans that have a pod for an image: NAME=a,b"
    )
    plan.add_argument(
        "--image", type=_image, default=[], action="append", help="locked image that the Workflow starts: SCAN=NAME"
    )
    plan.add_argument("--outputs", type=Path, help="folder for the Workflow's output parameters")
    # Argo makes no file of a script without a source.
    plan.add_argument("packed", type=Path, nargs="?", help="file with the packed plan; may be missing or empty")

    pull = add("pull", _pull, "Make sure of an image's tarball on the volume.")
    pull.add_argument("--target", required=True, help="id of the target")

    pull.add_argument("--stage", default="", help="names of the scans whose cells to make ready too")

    stage = add("stage", _stage, "Make a cell's folder ready for its scanner.")
    stage.add_argument("--target", required=True, help="id of the target")
    stage.add_argument("--scan", required=True, help="name of the scan")
    stage.add_argument("--no-pull", action="store_true", help="read no registry when the tarball is not there")

    database = add("database", _database, "Fetch a scanner's database, or surround a command that does.", run=False)
    database.add_argument("phase", choices=("fetch", "prepare", "finish", "commit"))
    database.add_argument("--run", default="", help="id of the run, for fetch")
    database.add_argument("--scan", required=True, help="name of the scan")
    database.add_argument("--key", required=True, help="tells refreshes at the same time apart")
    database.add_argument("--outputs", type=Path, help="folder for the Workflow's output parameters, for fetch")
    database.add_argument("--longest", type=int, default=86400, help="seconds one cell of the scan may take")

    check = commands.add_parser("check", help="Run one built-in scan.", description="Run one built-in scan.")
    check.set_defaults(call=_check)
    check.add_argument("name", help="image-lifetime, root-user or distroless")
    check.add_argument("--tarball", type=Path, required=True)
    check.add_argument("--report", type=Path, required=True)
    check.add_argument("--max-age", help="for image-lifetime: allowed age, such as 180d")

    _add_ends(add)
    _add_install(commands)
    return parser


def _add_ends(add: Callable[..., argparse.ArgumentParser]) -> None:
    """The steps that come when cells have ended."""
    left = add("left", _left, "Which cells failed, to run them once more.")
    left.add_argument("--wave", default="", help="number of the wave, from 1, when the plan has several")
    left.add_argument("--shard", default="", help="number of the shard that this Workflow is")
    left.add_argument(
        "--only", default="", choices=("", "failed", "results"), help="as this Workflow's plan step has it"
    )
    left.add_argument("--namespace", default="", help="where the Workflows of the run are")
    left.add_argument("--workflow", default="", help="name of this Workflow")
    left.add_argument("--outputs", type=Path, required=True, help="folder for the output parameters")

    evict = add("evict", _evict, "Remove the tarballs that nobody needs any more.")
    evict.add_argument("--wave", default="", help="number of the wave that has ended, from 1")
    evict.add_argument("--shard", default="", help="number of the shard that has ended")

    aggregate = add("aggregate", _aggregate, "End the run: ledger, findings, merged BOM, summary.")
    aggregate.add_argument("--namespace", default="", help="where the Workflows of the run are")
    aggregate.add_argument("--workflow", default="", help="name of this Workflow")

    results = add("results", _results, "Print the results of a run as text.")
    results.add_argument("--file", action="append", help="leave it at this file; may be given several times")


def _add_install(commands: Any) -> None:
    about = "Put the WorkflowTemplate and the schedule into the cluster."
    install = commands.add_parser("install", help=about, description=about)
    install.set_defaults(call=_install)
    install.add_argument("folder", type=Path, help="of their files")
    install.add_argument("--namespace", required=True, help="where they go")


def _set(text: str) -> tuple[str, frozenset[str]]:
    name, _, scans = text.partition("=")
    return name, frozenset(scans.split(","))


def _image(text: str) -> tuple[str, str]:
    name, _, image = text.partition("=")
    return name, image


def _say(line: str) -> None:
    sys.stdout.write(f"{visible_message(line)}\n")


def _complain(line: str) -> None:
    sys.stderr.write(f"scanmatrix-step: {visible_message(line)}\n")


def _fail(error: Exception, status: int) -> int:
    _complain(" ".join(str(error).split()))
    return status


if __name__ == "__main__":
    sys.exit(main())
