"""`scanmatrix status`, `logs`, `retry`, `cancel`, `fetch` and `delete`: what is done with a run that was started."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.options import All, ConfigFile, Engine, FailOn, OutputOption, Run, Server, Volume, severity_of
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

if TYPE_CHECKING:
    from orchestrator.cli.answering import Answers
    from orchestrator.errors import UsageError
    from orchestrator.model import Ledger, Severity


def status(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", help="Id of a run; without it, all runs.", show_default=False, autocompletion=completion.runs
        ),
    ] = None,
    config: ConfigFile = None,
    volume: Volume = None,
    engine: Engine = None,
    server: Server = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Watch until the run has ended.")] = False,
    every: All = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what is not ok in one run, or a list of all runs.

    Example: scanmatrix status 20261121-030000-0a1b2c --watch
    """
    from orchestrator import engines
    from orchestrator.cli.answering import answering
    from orchestrator.cli.output import complain, print_data
    from orchestrator.cli.run_tables import print_runs, print_status, watching

    with answering(server, config, volume, engine=engine) as answers:
        if run is None:
            found = answers.list_runs()
            if output is OutputFormat.TABLE:
                print_runs(found)
            else:
                print_data(found, output)
            if not found:
                in_cluster = answers.settings is not None and engines.is_remote(answers.settings)
                complain(f"scanmatrix: there is no run {'in the cluster' if in_cluster else f'on {answers.place}'}")
            return
        if watch:
            with detached(answers, run):
                last = watching(answers.follow(run))
        else:
            last = answers.status(run)
    if output is OutputFormat.TABLE:
        print_status(last, every=every)
    else:
        print_data(last, output)


def logs(
    run: Run,
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            help="Name of the image, or id of the target.",
            show_default=False,
            autocompletion=completion.scanned,
        ),
    ],
    scan: Annotated[
        str,
        typer.Argument(metavar="SCAN", help="Name of the scan.", show_default=False, autocompletion=completion.scans),
    ],
    config: ConfigFile = None,
    volume: Volume = None,
    engine: Engine = None,
) -> None:
    """Print the output of one cell's scanner, live while it runs.

    Example: scanmatrix logs 20261121-030000-0a1b2c ubuntu:20.04 virus
    """
    from orchestrator.api import run as run_api
    from orchestrator.cli.output import say

    for line in run_api.logs(settings_of(config, volume, engine=engine), run, image, scan):
        say(line)


def retry(
    run: Run,
    config: ConfigFile = None,
    volume: Volume = None,
    engine: Engine = None,
    server: Server = None,
    fail_on: FailOn = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and return; not with the local engine.")] = False,
    every: All = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Run the failed cells of a run again and update its ledger.

    Shows progress and ends as `scanmatrix run` does: with the ledger, and an exit status by the policy.

    Example: scanmatrix retry 20261121-030000-0a1b2c
    """
    from orchestrator.cli.answering import answering
    from orchestrator.cli.commands import QUIET
    from orchestrator.cli.output import complain, say
    from orchestrator.cli.progress import progress
    from orchestrator.engines.interface import Silent
    from orchestrator.errors import UsageError
    from orchestrator.kit.advice import ours

    severity = severity_of("--fail-on", fail_on)
    with answering(server, config, volume, engine=engine) as answers:
        if severity is not None and answers.settings is None:
            raise UsageError(f"--fail-on: {answers.place} judges run {run} by the severity that it was submitted with")
        if detach and answers.settings is not None and not answers.continues:
            raise UsageError(f"--detach: the engine {answers.settings.engine} runs nothing once its command has ended")
        if detach and severity is not None:
            raise unjudged(run, severity)
        if detach:
            say(f"{answers.retry(run, Silent())}; watch it with {ours('status', run, '--watch')}")
            return
        with detached(answers, run), progress(quiet=QUIET.get(), lines=answers.continues) as observer:
            name = answers.retry(run, observer)
            if name != run and not QUIET.get():
                complain(f"{name} runs the failed cells of {run} again")
            ledger = answers.await_end(run, observer)
        finish(ledger, answers, severity=severity, output=output, every=every)


def cancel(
    run: Run, config: ConfigFile = None, volume: Volume = None, engine: Engine = None, server: Server = None
) -> None:
    """Stop a run now; finished cells and their results are kept.

    Example: scanmatrix cancel 20261121-030000-0a1b2c
    """
    from orchestrator.cli.answering import answering
    from orchestrator.cli.output import say

    with answering(server, config, volume, engine=engine) as answers:
        names = answers.cancel(run)
    for line in [f"stopping: {name}" for name in names] or [f"run {run} has ended already"]:
        say(line)


def fetch(
    run: Run,
    config: ConfigFile = None,
    volume: Volume = None,
    engine: Engine = None,
    fail_on: FailOn = None,
    every: All = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Copy the results of a run from the cluster to volume.path.

    Example: scanmatrix fetch 20261121-030000-0a1b2c
    """
    from orchestrator.api import results as results_api
    from orchestrator.api import run as run_api
    from orchestrator.cli.here import AnswersHere
    from orchestrator.cli.output import print_data

    severity, settings = severity_of("--fail-on", fail_on), settings_of(config, volume, engine=engine)
    ledger = results_api.judge(settings, run_api.fetch(settings, run), severity)
    if output is not OutputFormat.TABLE:
        print_data(ledger, output)
    show_ledger(ledger, AnswersHere.of(settings), table=output is OutputFormat.TABLE, every=every)


def delete(run: Run, config: ConfigFile = None, volume: Volume = None, engine: Engine = None) -> None:
    """Delete a run's Workflows and pods; its results are kept.

    Example: scanmatrix delete 20261121-030000-0a1b2c
    """
    from orchestrator.api import run as run_api
    from orchestrator.cli.output import say

    for name in run_api.delete(settings_of(config, volume, engine=engine), run):
        say(f"deleted: {name}")


def finish(
    ledger: "Ledger",
    answers: "Answers",
    *,
    severity: "Severity | None",
    output: OutputFormat,
    every: bool,
    lacking: str = "",
) -> None:
    """What `run` and `retry` end with: exports and notifications, the ledger, and the exit status.

    Args:
        ledger: of the run.
        answers: where it ran.
        severity: of `--fail-on`.
        output: how the ledger is printed.
        every: as for `show_ledger`.
        lacking: what the run did not look for, and why; empty for nothing.
    """
    from orchestrator.cli import BROKEN
    from orchestrator.cli.output import complain, print_data
    from orchestrator.kit.guarding import is_internal

    troubles = answers.deliver(ledger.run)
    for trouble in filter(None, (*troubles, lacking)):
        complain(f"scanmatrix: {trouble}")
    ledger = answers.judge(ledger, severity)
    if output is not OutputFormat.TABLE:
        print_data(ledger, output)
    show_ledger(ledger, answers, table=output is OutputFormat.TABLE, every=every)
    if any(map(is_internal, troubles)):
        raise typer.Exit(BROKEN)


def show_ledger(
    ledger: "Ledger",
    answers: "Answers",
    *,
    table: bool,
    every: bool = False,
) -> None:
    """A run's end: its ledger, what was found, where its results are, and the exit status that its policy asks for.

    A run in which something failed that nobody foresaw broke, whatever its policy says of the rest.

    Args:
        ledger: of the run.
        answers: where it ran.
        table: whether it is printed for people.
        every: whether every cell is listed, not only what is not ok.
    """
    from orchestrator.analysis.policy import verdict_lines
    from orchestrator.cli import BROKEN, POLICY
    from orchestrator.cli.ending import print_highlights, print_next
    from orchestrator.cli.ledger_tables import print_ledger
    from orchestrator.cli.output import complain
    from orchestrator.results.coverage import coverage_in
    from orchestrator.results.ledger import broke

    if table:
        print_ledger(ledger, every=every)
        if (found := answers.highlights(ledger.run)) is not None:
            print_highlights(found, coverage_in(ledger.rows))
        print_next(ledger, answers.places(ledger.run), found)
    for line in verdict_lines(ledger.verdict, cells=ledger.rows):
        complain(f"policy: {line}")
    if ledger.verdict.remark:
        complain(f"policy: {ledger.verdict.remark}")
    if trouble := answers.append_summary(ledger):
        complain(trouble)
    if broke(ledger):
        raise typer.Exit(BROKEN)
    if not ledger.verdict.passed:
        raise typer.Exit(POLICY)


def unjudged(run: str, severity: "Severity") -> "UsageError":
    """The error where `--fail-on` is given for a run that is planned already, and nobody waits for its end."""
    from orchestrator.errors import UsageError
    from orchestrator.kit.advice import ours

    later = ours("fetch", run, "--fail-on", severity)
    return UsageError(f"--fail-on: with --detach nobody waits for the end; {later} judges the run afterwards")


@contextmanager
def detached(answers: "Answers", run: str) -> Iterator[None]:
    """Let Ctrl-C leave alone a run that continues elsewhere, and say how to come back to it.

    Args:
        answers: where it runs.
        run: its id.
    """
    from orchestrator.cli.output import complain
    from orchestrator.kit.advice import ours

    try:
        yield
    except KeyboardInterrupt:
        if not answers.continues:
            raise
        complain("")
        complain(
            f"Run {run} continues. Watch it with {ours('status', run, '--watch')}, "
            f"stop it with {ours('cancel', run)}, get its results with {answers.fetching(run)}."
        )
        raise typer.Exit(130) from None
