"""`scanmatrix status`, `logs`, `retry`, `cancel`, `fetch` and `delete`: what is done with a run that was started."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import ConfigFile, Engine, OutputOption, Run
from orchestrator.cli.output import Output

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger


def status(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Id of a run; all without it.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    engine: Engine = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until the run has ended.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how runs stand: each cell of one, or all runs in a line each.

    Example: scanmatrix status 20261121-030000-0a1b2c --watch
    """
    from orchestrator.api import run as operations
    from orchestrator.cli.output import print_data
    from orchestrator.cli.run_tables import print_runs, print_status, watching

    settings = _settings(config, engine)
    if run is None:
        found = operations.list_runs(settings)
        if output is Output.TABLE:
            print_runs(found)
        else:
            print_data(found, output)
        return
    if watch:
        with detached(settings, run):
            last = watching(operations.follow(settings, run))
    else:
        last = operations.status(settings, run)
    if output is Output.TABLE:
        print_status(last)
    else:
        print_data(last, output)


def logs(
    run: Run,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="Name of the image, or id of the target.", show_default=False)
    ],
    scan: Annotated[str, typer.Argument(metavar="SCAN", help="Name of the scan.", show_default=False)],
    config: ConfigFile = None,
    engine: Engine = None,
) -> None:
    """Print what the scanner of one cell wrote; goes on while it runs.

    Example: scanmatrix logs 20261121-030000-0a1b2c ubuntu:20.04 virus
    """
    from orchestrator.api import run as operations
    from orchestrator.cli.output import say

    for line in operations.logs(_settings(config, engine), run, image, scan):
        say(line)


def retry(run: Run, config: ConfigFile = None, engine: Engine = None) -> None:
    """Run again the cells of a run that failed, and make its ledger anew.

    Example: scanmatrix retry 20261121-030000-0a1b2c
    """
    from orchestrator.api import run as operations
    from orchestrator.cli.output import say

    name = operations.retry(_settings(config, engine), run)
    say(f"{name}; look at it by `scanmatrix status {run} --watch`")


def cancel(run: Run, config: ConfigFile = None, engine: Engine = None) -> None:
    """End a run now; what was done is kept, and its ledger accounts for the rest.

    Example: scanmatrix cancel 20261121-030000-0a1b2c
    """
    from orchestrator.api import run as operations
    from orchestrator.cli.output import say

    names = operations.cancel(_settings(config, engine), run)
    for line in [f"told to end: {name}" for name in names] or [f"run {run} has ended already"]:
        say(line)


def fetch(run: Run, config: ConfigFile = None, engine: Engine = None, output: OutputOption = Output.TABLE) -> None:
    """Bring the results of a run out of the cluster into the folder of `volume.path`, and print its ledger.

    Example: scanmatrix fetch 20261121-030000-0a1b2c
    """
    from orchestrator.api import run as operations
    from orchestrator.cli.output import print_data

    settings = _settings(config, engine)
    ledger = operations.fetch(settings, run)
    if output is not Output.TABLE:
        print_data(ledger, output)
    show_ledger(ledger, settings, table=output is Output.TABLE)


def delete(run: Run, config: ConfigFile = None, engine: Engine = None) -> None:
    """Take a run's Workflows and pods out of the cluster; what it wrote stays on the volume.

    Example: scanmatrix delete 20261121-030000-0a1b2c
    """
    from orchestrator.api import run as operations
    from orchestrator.cli.output import say

    for name in operations.delete(_settings(config, engine), run):
        say(f"deleted: {name}")


def choose_engine(settings: "Config", engine: str | None) -> "Config":
    """The configuration with the engine of the command line.

    Raises:
        UsageError: there is no such engine.
    """
    from orchestrator.errors import UsageError

    if engine not in {None, "local", "argo"}:
        raise UsageError(f"there is no engine {engine!r}; there are local and argo")
    return settings if engine is None else settings.model_copy(update={"engine": engine})


def show_ledger(ledger: "Ledger", settings: "Config", *, table: bool) -> None:
    """A run's end: its ledger, where its results are, and the exit status that its policy asks for.

    A run in which something failed that nobody foresaw broke, whatever its policy says of the rest.
    """
    from orchestrator.analysis.policy import told
    from orchestrator.api import plan as sdk
    from orchestrator.cli import BROKEN, POLICY
    from orchestrator.cli.output import complain, print_ledger, say
    from orchestrator.results.ledger import broke

    if table:
        print_ledger(ledger)
        say(f"Results: {sdk.results_folder(settings, ledger.run)}")
    for line in told(ledger.verdict, cells=ledger.rows):
        complain(f"policy: {line}")
    if broke(ledger):
        raise typer.Exit(BROKEN)
    if not ledger.verdict.passed:
        raise typer.Exit(POLICY)


@contextmanager
def detached(settings: "Config", run: str) -> Iterator[None]:
    """Let Ctrl-C leave a run in the cluster alone, and say how to come back to it."""
    from orchestrator.cli.output import complain

    try:
        yield
    except KeyboardInterrupt:
        if settings.engine != "argo":
            raise
        complain("")
        complain(
            f"Run {run} goes on in the cluster. Look at it by `scanmatrix status {run} --watch`, "
            f"end it by `scanmatrix cancel {run}`, get its results by `scanmatrix fetch {run}`."
        )
        raise typer.Exit(130) from None


def _settings(config: ConfigFile, engine: Engine) -> "Config":
    from orchestrator.api import plan as sdk

    return choose_engine(sdk.load_config(config), engine)
