"""`scanmatrix store migrate`, `import` and `prune`: the database of all results."""

from typing import Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.commands import Commands
from orchestrator.cli.options import ConfigFile, OutputOption, Volume
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

app = Commands(name="store", help="Manage the database of all results.", no_args_is_help=True, rich_markup_mode=None)


def _duration(text: str) -> int:
    from orchestrator.errors import UsageError
    from orchestrator.kit.quantities import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--keep: {error}") from error


@app.command()
def migrate(config: ConfigFile = None, volume: Volume = None) -> None:
    """Create the tables, or upgrade them to this version.

    Example: scanmatrix store migrate --config scanmatrix.yaml
    """
    from orchestrator.cli.output import say
    from orchestrator.store import StoreDatabase

    with StoreDatabase.of(settings_of(config, volume)) as store:
        before, after = store.migrate()
        told = "is up to date" if before == after else f"brought from {before or 'nothing'} up to date"
        say(f"{store!r} {told}: revision {after}")


@app.command("import")
def import_(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Ids of runs; without any, all that the store lacks.",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    config: ConfigFile = None,
    volume: Volume = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Import finished runs from the volume.

    Runs that the store already has are not changed. A run with damaged files is reported and skipped; the exit status
    is then 3.

    Example: scanmatrix store import
    """
    from orchestrator.cli import BROKEN
    from orchestrator.cli.output import complain, print_data, print_taken_in
    from orchestrator.scanners.rules import volume_of
    from orchestrator.store import StoreDatabase

    settings = settings_of(config, volume)
    with StoreDatabase.of(settings) as store:
        found = store.take_in_all(volume_of(settings), runs)
    if output is OutputFormat.TABLE:
        print_taken_in(found)
    else:
        print_data(found, output)
    for why in found.damaged.values():
        complain(f"scanmatrix: {why}")
    if found.damaged:
        raise typer.Exit(BROKEN)


@app.command()
def prune(
    config: ConfigFile = None,
    volume: Volume = None,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="DURATION",
            help="Keep what is younger than this, instead of store.keep.",
            show_default=False,
            parser=_duration,
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Delete old findings, cells and targets; current state is kept.

    Deletes fixed findings, cells of old runs, and targets that no run has contained since.

    Example: scanmatrix store prune --keep 90d
    """
    from orchestrator.cli.output import print_data, print_pruned
    from orchestrator.store import StoreDatabase

    settings = settings_of(config, volume)
    with StoreDatabase.of(settings) as store:
        pruned = store.prune(settings.store.keep if keep is None else keep)
    if output is OutputFormat.TABLE:
        print_pruned(pruned)
    else:
        print_data(pruned, output)
