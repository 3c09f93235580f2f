"""The commands, put together."""

from typing import Annotated

import typer

from orchestrator.cli import (
    caches,
    catalog,
    doctor,
    init,
    install,
    matrix,
    render,
    results,
    runs,
    schedule,
    store,
    trust,
)
from orchestrator.cli.commands import EXIT_STATUSES, Commands, Quiet, Verbose, start

app = Commands(
    name="scanmatrix",
    help="Scan every container image with every scanner you trust, and account for every cell.",
    epilog=EXIT_STATUSES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Rich help would cost a third of the time `--help` may take.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from orchestrator import __version__

        typer.echo(f"scanmatrix {__version__}")
        raise typer.Exit


@app.callback()
def scanmatrix(
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Scan every container image with every scanner you trust, and account for every cell."""
    start(verbose, quiet=quiet)


def print_version() -> None:
    """Print the version.

    Example: scanmatrix version
    """
    _version(wanted=True)


app.command("init")(init.init)
app.command("plan")(matrix.plan)
app.command("run")(matrix.run)
app.command("status")(runs.status)
app.command("logs")(runs.logs)
app.command("retry")(runs.retry)
app.command("cancel")(runs.cancel)
app.command("fetch")(runs.fetch)
app.command("delete")(runs.delete)
app.command("schedule")(schedule.schedule)
app.command("render")(render.render)
app.command("install")(install.install)
app.command("doctor")(doctor.doctor)
app.command("lock")(trust.lock)
app.command("distrust")(trust.distrust)
app.command("lint")(catalog.lint)
app.command("schema")(catalog.schema)
app.command("version")(print_version)
app.add_typer(catalog.templates)
app.add_typer(results.app)
app.add_typer(store.app)
app.add_typer(caches.app)
