"""`scanmatrix templates`, `lint` and `schema`: the files people write for us."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.commands import Commands
from orchestrator.cli.options import ConfigFile, OutputOption
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

templates = Commands(name="templates", rich_markup_mode=None)


@templates.callback(invoke_without_command=True)
def list_templates(ctx: typer.Context, config: ConfigFile = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the available scans, or show one.

    The shipped scans, and those that the configuration adds; `!` marks those whose scanner is not here.

    Example: scanmatrix templates --output json
    """
    from orchestrator import engines
    from orchestrator.api import plan as plan_api
    from orchestrator.cli.output import print_data, print_scans

    if ctx.invoked_subcommand is not None:
        return
    settings = settings_of(config)
    scans = list(plan_api.load_catalog(settings).values())
    if output is OutputFormat.TABLE:
        print_scans(scans, engines.missing(settings, scans))
    else:
        print_data(scans, output)


@templates.command("show")
def show_template(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of a scan.", show_default=False, autocompletion=completion.scans),
    ],
    config: ConfigFile = None,
) -> None:
    """Print the template of a scan, to begin one of your own with.

    It is the file itself, which `scanmatrix lint` accepts under this name. For a scan of your own, change the name of
    the file and the `name` in it.

    Example: scanmatrix templates show general > general.yaml
    """
    from orchestrator.api import plan as plan_api
    from orchestrator.cli.output import print_file

    above = ctx.parent.params.get("config") if ctx.parent else None
    with plan_api.find_template(name, settings_of(config or above)).open("rb") as file:
        print_file(file)


def lint(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Configurations, target CSVs, templates, ignore files, VEX.")
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="The configuration whose scans CSVs and ignore files may name. Default: the one beside each file.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Check configurations, CSVs, templates, ignore files and VEX.

    Each problem is printed as `file:line: what is wrong`; the exit status is 2 if there is one.

    Example: scanmatrix lint scanmatrix.yaml targets.csv templates/*.yaml
    """
    from orchestrator.api import plan as plan_api
    from orchestrator.cli import USAGE
    from orchestrator.cli.output import print_data, say

    problems = [problem for file in files for problem in plan_api.lint(file, config)]
    if output is OutputFormat.TABLE:
        for problem in problems:
            say(str(problem))
    else:
        print_data(problems, output)
    if problems:
        raise typer.Exit(USAGE)


def schema(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The schema; without it, all are listed.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of a file, for editors.

    Example: scanmatrix schema configuration
    """
    from orchestrator.api import schemas
    from orchestrator.cli.output import print_data
    from orchestrator.cli.tables import Fit, TableColumn, print_table

    if name is None:
        print_table("", (TableColumn("schema"), TableColumn("file", Fit.FOLD)), schemas.TITLES.items())
    else:
        print_data(schemas.schema(name), OutputFormat.JSON)
