"""`scanmatrix-step`: what the pods of a run call, one command for each kind of pod.

Exit status: 0 done · 1 failed, and trying again cannot help · 2 wrong use · 75 (EX_TEMPFAIL of sysexits.h) failed, and
trying again may help; the Workflow's retry strategy goes by it. One line on stderr says why.

Each command imports what it needs when it runs: a pod that links one file shall not wait for pandas.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError, UsageError
from orchestrator.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Plan

# ruff: noqa: PLC0415 - see above

USAGE = 2
TEMPORARY = os.EX_TEMPFAIL


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; the process's exit status is returned."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.call(options) or 0)
    except UsageError as error:
        return _fail(error, USAGE)
    except PermanentError as error:
        return _fail(error, 1)
    except TemporaryError as error:
        return _fail(error, TEMPORARY)
    except OSError as error:  # the volume or the network: a full volume or a lost mount may be better next time
        return _fail(error, TEMPORARY)


def _plan(options: argparse.Namespace) -> None:
    """Put the plan on the volume: the packed one that came with the Workflow, or one made here and now."""
    from orchestrator.steps.incluster import write_outputs, write_run

    plan = write_run(options.packed, options.config, options.run, Volume(options.volume))
    if options.outputs:
        write_outputs(plan, options.outputs)
    _say(f"plan {plan.run}: {len(plan.targets)} targets, {len(plan.cells)} cells")


def _pull(options: argparse.Namespace) -> None:
    """The image's tarball; when it cannot be had, its cells never start, so that is put into their records."""
    from orchestrator.steps.pull import pull
    from orchestrator.steps.unpulled import record_failure

    volume = Volume(options.volume)
    plan = _read_plan(options, volume)
    try:
        _say(str(pull(plan, options.target, volume)))
    except ScanmatrixError as error:
        record_failure(plan, options.target, f"pull: {error}", volume)
        raise


def _stage(options: argparse.Namespace) -> None:
    """The cell's tarball and, where its scan has one, its database."""
    from orchestrator.steps.stage import stage

    volume = Volume(options.volume)
    plan = _read_plan(options, volume)
    record = stage(plan, options.target, options.scan, volume)
    _say(f"attempt {record.attempts}")


def _database(options: argparse.Namespace) -> None:
    from orchestrator.steps import database

    volume = Volume(options.volume)
    if options.phase == "prepare":
        _say(str(database.prepare(volume, options.scan, options.key)))
    else:
        longest = timedelta(seconds=options.longest)
        _say(database.commit(volume, options.scan, options.key, longest=longest))


def _check(options: argparse.Namespace) -> None:
    from orchestrator.steps.check import check

    parameters = {"maxAge": options.max_age} if options.max_age is not None else {}
    count = check(options.name, options.tarball, options.report, parameters=parameters)
    _say(f"{options.name}: {count} findings")


def _evict(options: argparse.Namespace) -> None:
    from orchestrator.steps.evict import evict

    volume = Volume(options.volume)
    _say(f"{evict(_read_plan(options, volume), options.wave - 1, volume)} bytes freed")


def _aggregate(options: argparse.Namespace) -> int:
    """The ledger and all other results; fails when the run's policy is broken."""
    from orchestrator.model import Outcome
    from orchestrator.steps.aggregate import aggregate

    volume = Volume(options.volume)
    ledger = aggregate(_read_plan(options, volume), volume)
    _say(f"run {ledger.run}: " + ", ".join(f"{ledger.count(outcome)} {outcome}" for outcome in Outcome))
    for rule in ledger.verdict.broken:
        sys.stderr.write(f"scanmatrix-step: policy: {rule}\n")
    return 0 if ledger.verdict.passed else 1


def _read_plan(options: argparse.Namespace, volume: Volume) -> Plan:
    from orchestrator.steps.plan import read_plan

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
    plan.add_argument("--outputs", type=Path, help="folder for the Workflow's output parameters")
    plan.add_argument("packed", type=Path, help="file with the packed plan; may be empty with --config")

    pull = add("pull", _pull, "Make sure of an image's tarball on the volume.")
    pull.add_argument("--target", required=True, help="id of the target")

    stage = add("stage", _stage, "Make a cell's folder ready for its scanner.")
    stage.add_argument("--target", required=True, help="id of the target")
    stage.add_argument("--scan", required=True, help="name of the scan")

    database = add("database", _database, "Before and after a scanner's own refresh command.", run=False)
    database.add_argument("phase", choices=("prepare", "commit"))
    database.add_argument("--scan", required=True, help="name of the scan")
    database.add_argument("--key", required=True, help="tells refreshes at the same time apart")
    database.add_argument("--longest", type=int, default=86400, help="seconds one cell of the scan may take")

    check = commands.add_parser("check", help="Run one built-in scan.", description="Run one built-in scan.")
    check.set_defaults(call=_check)
    check.add_argument("name", help="image-lifetime, root-user or distroless")
    check.add_argument("--tarball", type=Path, required=True)
    check.add_argument("--report", type=Path, required=True)
    check.add_argument("--max-age", help="for image-lifetime: allowed age, such as 180d")

    evict = add("evict", _evict, "Remove the tarballs that no later wave needs.")
    evict.add_argument("--wave", type=int, required=True, help="number of the wave that has ended, from 1")

    add("aggregate", _aggregate, "End the run: ledger, findings, merged BOM, summary.")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _fail(error: Exception, status: int) -> int:
    message = " ".join(str(error).split())
    sys.stderr.write(f"scanmatrix-step: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
