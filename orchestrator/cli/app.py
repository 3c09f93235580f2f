"""The commands, put together."""

from typing import Annotated

import typer

from orchestrator.cli import caches, catalog, doctor, install, matrix, render, results, runs, schedule, store, trust

app = typer.Typer(
    name="scanmatrix",
    help="Scan every container image with every scanner you trust, and account for every cell.",
    epilog="Exit status: 0 success, 1 policy violated, 2 usage or configuration error, 3 the run failed, 4 not known,"
    " 5 something that is needed is not here (doctor).",
    no_args_is_help=True,
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
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Scan every container image with every scanner you trust, and account for every cell."""


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
app.command("templates")(catalog.templates)
app.command("lint")(catalog.lint)
app.command("schema")(catalog.schema)
app.add_typer(results.app)
app.add_typer(store.app)
app.add_typer(caches.app)
