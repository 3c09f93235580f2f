"""`scanmatrix plan` and `scanmatrix run`."""

from typing import Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.commands import QUIET
from orchestrator.cli.options import (
    All,
    ConfigFile,
    Engine,
    FailOn,
    Offline,
    OutputOption,
    References,
    RunId,
    Scans,
    Server,
    SkipDatabases,
    Strict,
    Targets,
    Volume,
    severity_of,
)
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_to_plan


def plan(
    references: References = None,
    config: ConfigFile = None,
    volume: Volume = None,
    target: Targets = None,
    scan: Scans = None,
    run_id: RunId = None,
    offline: Offline = False,
    skip_db_update: SkipDatabases = False,
    strict: Strict = False,
    engine: Engine = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what would run, what is skipped and why, and the cost.

    Nothing is started. The table has one letter for each cell, `x` where it will run, `!` where its scanner is not
    here; the reasons for those that will not run are below it.

    Example: scanmatrix plan --config scanmatrix.yaml
    """
    from orchestrator import engines
    from orchestrator.api import plan as plan_api
    from orchestrator.api.unlooked import unlooked
    from orchestrator.cli.output import complain, print_data
    from orchestrator.cli.plan_tables import print_plan

    settings = settings_to_plan(
        config, volume, references, target,
        strict=strict, offline=offline, skip_db_update=skip_db_update, engine=engine,
    )  # fmt: skip
    planned = plan_api.make_plan(settings, scans=scan or (), run=run_id, offline=offline)
    planned = plan_api.with_spec_size(planned, settings)
    if output is OutputFormat.TABLE:
        print_plan(planned, engines.missing(settings, planned.scans))
        if why := plan_api.why_refused(planned, settings):
            complain(f"scanmatrix: `run` and `render` refuse it: {why}")
        if not scan and (lacking := unlooked(planned, settings)):
            complain(f"scanmatrix: {lacking}")
    else:
        print_data(planned, output)


def run(
    references: References = None,
    config: ConfigFile = None,
    volume: Volume = None,
    target: Targets = None,
    scan: Scans = None,
    run_id: RunId = None,
    offline: Offline = False,
    skip_db_update: SkipDatabases = False,
    strict: Strict = False,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Resume an interrupted run; its plan is not changed.",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    engine: Engine = None,
    server: Server = None,
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="KEY",
            help="With --server: the same key submits the same run, however often it is sent.",
            show_default=False,
        ),
    ] = "",
    fail_on: FailOn = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Start the run and return; not with the local engine.")
    ] = False,
    every: All = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Run the matrix locally or on a cluster, and print its ledger.

    The ledger lists every cell and its outcome; the exit status is 1 if the policy is violated. Ctrl-C stops a run of
    the local engine, which can be resumed; a run on a cluster, or of a service, continues without this command.

    Example: scanmatrix run registry.example/app:1.2 --fail-on high
    """
    from orchestrator.cli.answering import RunWish, answering
    from orchestrator.cli.output import say
    from orchestrator.cli.progress import progress
    from orchestrator.cli.runs import detached, finish, unjudged

    severity = severity_of("--fail-on", fail_on)
    wish = RunWish(
        tuple(references or ()), tuple(target or ()), tuple(scan or ()),
        run_id=run_id, offline=offline, skip_db_update=skip_db_update, strict=strict, resume=resume, fail_on=severity,
        key=key,
    )  # fmt: skip
    with answering(server, config, volume, engine=engine) as answers:
        if resume is not None and detach and severity is not None:
            raise unjudged(resume, severity)
        begun = answers.begin(wish)
        if detach:
            say(begun.detach())
            return
        with detached(answers, begun.run), progress(quiet=QUIET.get(), lines=answers.continues) as observer:
            ledger = begun.to_end(observer)
        finish(ledger, answers, severity=severity, output=output, every=every, lacking=begun.lacking())
