"""`scanmatrix store …`: the database of all results, and what can be asked of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.commands import Commands
from orchestrator.cli.options import ConfigFile, OnlyOwner, OnlyTarget, OutputOption, Volume
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

app = Commands(
    name="store", help="Manage the database of all results, and ask it.", no_args_is_help=True, rich_markup_mode=None
)


def _duration(option: str) -> "Callable[[str], int]":
    def parse(text: str) -> int:
        from orchestrator.errors import UsageError
        from orchestrator.kit.quantities import parse_duration

        try:
            return parse_duration(text)
        except ValueError as error:
            raise UsageError(f"{option}: {error}") from error

    return parse


Age = Annotated[
    int | None,
    typer.Option(
        metavar="DURATION",
        help="Results stay fresh for this long, instead of rescanAfter.",
        show_default=False,
        parser=_duration("--age"),
    ),
]
Most = Annotated[int, typer.Option("--most", "-n", min=1, help="Show at most this many rows in the table.")]


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
            parser=_duration("--keep"),
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


@app.command()
def stale(
    config: ConfigFile = None,
    volume: Volume = None,
    target: OnlyTarget = "",
    owner: OnlyOwner = "",
    scan: Annotated[
        str, typer.Option(metavar="NAME", help="Only this scan.", show_default=False, autocompletion=completion.scans)
    ] = "",
    age: Age = None,
    most: Most = 50,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List what should be scanned again, and why.

    What never ended ok comes first, then the oldest. Counted are the scans of the newest runs, of images that a name
    means now: what the next run would do.

    Example: scanmatrix store stale --age 7d --owner team-shop
    """
    from orchestrator.api import store as store_api
    from orchestrator.cli.output import complain
    from orchestrator.cli.store_tables import print_due
    from orchestrator.queries.choice import Choice

    settings = settings_of(config, volume)
    found, coverage = store_api.due(settings, Choice(target=target, owner=owner, scan=scan), age=age)
    print_due(found, coverage, most, output)
    if age is None and not settings.rescan_after:
        complain("scanmatrix: rescanAfter is not set, so every result is due; --age 7d asks by age")


@app.command()
def targets(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|DIGEST",
            help="Only targets of this name or digest, or a glob of such.",
            show_default=False,
            autocompletion=completion.scanned,
        ),
    ] = "",
    config: ConfigFile = None,
    volume: Volume = None,
    owner: OnlyOwner = "",
    every: Annotated[bool, typer.Option("--all", help="Include images that no name means any more.")] = False,
    most: Most = 50,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List the known targets: names, owners, workloads, last scans.

    These are the images that names mean now. A name or digest that means none of them finds what it meant earlier.

    Example: scanmatrix store targets registry.example/shop/web
    """
    from orchestrator.api import store as store_api
    from orchestrator.cli import UNKNOWN
    from orchestrator.cli.store_tables import print_known
    from orchestrator.queries.choice import Choice

    settings = settings_of(config, volume)
    found, coverage = store_api.known_targets(settings, Choice(target=name, owner=owner), every=every)
    print_known(found, coverage, most, output)
    if not coverage.covered:
        raise typer.Exit(UNKNOWN)


@app.command()
def history(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="A CVE, GHSA or any other id, or a glob.", show_default=False)
    ],
    config: ConfigFile = None,
    volume: Volume = None,
    most: Most = 50,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show when a finding came to each name, and when it was fixed.

    All runs count, and names are followed: what a new image of a name no longer has is fixed.

    Example: scanmatrix store history CVE-2021-44228
    """
    from orchestrator.api import store as store_api
    from orchestrator.cli import UNKNOWN
    from orchestrator.cli.store_tables import print_history

    found, coverage = store_api.finding_history(settings_of(config, volume), id_)
    print_history(found, coverage, most, output)
    if not found and not coverage.covered:
        raise typer.Exit(UNKNOWN)


@app.command()
def overview(
    config: ConfigFile = None, volume: Volume = None, age: Age = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show how every scan stands, and the findings, in numbers.

    Example: scanmatrix store overview
    """
    from orchestrator.api import store as store_api
    from orchestrator.cli import UNKNOWN
    from orchestrator.cli.store_tables import print_overview

    found, coverage = store_api.overview_now(settings_of(config, volume), age=age)
    print_overview(found, coverage, output)
    if not coverage.covered:
        raise typer.Exit(UNKNOWN)
