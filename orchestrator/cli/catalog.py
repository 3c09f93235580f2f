"""`scanmatrix templates`, `plugins`, `lint`, `explain` and `schema`: the files people write for us."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.commands import Commands
from orchestrator.cli.options import ConfigFile, OutputOption
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

if TYPE_CHECKING:
    from orchestrator.jobs.plugin_model import JobPlugin

templates = Commands(name="templates", rich_markup_mode=None)


@templates.callback(invoke_without_command=True)
def list_templates(ctx: typer.Context, config: ConfigFile = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the available scans, or show one.

    The shipped scans, and those that the configuration adds; `!` marks those whose scanner is not here.

    Example: scanmatrix templates --output json
    """
    from orchestrator import engines
    from orchestrator.api import plan as plan_api
    from orchestrator.api.printed import ScansList
    from orchestrator.cli.output import print_data, print_scans

    if ctx.invoked_subcommand is not None:
        return
    settings = settings_of(config)
    scans = list(plan_api.load_catalog(settings).values())
    if output is OutputFormat.TABLE:
        print_scans(scans, engines.missing(settings, scans))
    else:
        print_data(ScansList(tuple(scans)), output)


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


plugins = Commands(name="plugins", rich_markup_mode=None)


@plugins.callback(invoke_without_command=True)
def list_plugins(ctx: typer.Context, config: ConfigFile = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the plugins that tasks of jobs may name, or show one.

    The shipped ones, and those of the folders that the configuration adds.

    Example: scanmatrix plugins --output json
    """
    from orchestrator.api.jobs import plugins_of
    from orchestrator.api.printed import PluginsList
    from orchestrator.cli.output import print_data
    from orchestrator.cli.tables import Fit, TableColumn, print_table

    if ctx.invoked_subcommand is not None:
        return
    found = plugins_of(settings_of(config)).values()
    if output is not OutputFormat.TABLE:
        print_data(PluginsList(tuple(found)), output)
        return
    columns = (
        TableColumn("Plugin"), TableColumn("What it does", Fit.FOLD), TableColumn("Inputs (* required)", Fit.FOLD),
        TableColumn("Image", Fit.MIDDLE, 1),
    )  # fmt: skip
    print_table("", columns, [[each.name, each.description, _inputs_of(each), each.image] for each in found])


def _inputs_of(plugin: "JobPlugin") -> str:
    return ", ".join(f"{name}*" if wanted.required else name for name, wanted in plugin.inputs.items())


@plugins.command("show")
def show_plugin(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of a plugin.", show_default=False, autocompletion=completion.plugins),
    ],
    config: ConfigFile = None,
) -> None:
    """Print the file of a plugin, to begin one of your own with.

    It is the file itself, which `scanmatrix lint` accepts under this name.

    Example: scanmatrix plugins show keptn-contrib/locust-test-job
    """
    from orchestrator.api.jobs import plugin_file
    from orchestrator.cli.output import print_file

    above = ctx.parent.params.get("config") if ctx.parent else None
    with plugin_file(name, settings_of(config or above)).open("rb") as file:
        print_file(file)


class LintFormat(StrEnum):
    """How problems are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    SARIF = "sarif"
    GITHUB = "github"


def lint(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Configurations, target CSVs, templates, job configurations, plugins, ignore files, VEX.",
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="The configuration whose scans CSVs and ignore files may name, and whose plugins jobs may. Default:"
            " the one beside each file.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as mistakes.")] = False,
    output: Annotated[
        LintFormat,
        typer.Option(
            "--output",
            "-o",
            help="Format of the output; github prints annotations of a workflow, sarif is for code scanning.",
        ),
    ] = LintFormat.TABLE,
) -> None:
    """Check configurations, CSVs, templates, jobs, plugins and VEX.

    Each problem is printed as `file:line: what is wrong`; the exit status is 2 if there is one. What is accepted, but
    perhaps not meant so, is a warning.

    Example: scanmatrix lint scanmatrix.yaml targets.csv templates/*.yaml job/config.yaml
    """
    from orchestrator.api import plan as plan_api
    from orchestrator.api.lint_formats import lint_annotations, lint_sarif
    from orchestrator.api.printed import ProblemsList
    from orchestrator.cli import USAGE
    from orchestrator.cli.output import print_data, say
    from orchestrator.kit.sources import ProblemLevel

    # A mistake of the configuration is found with each file that is read by it.
    problems = list(dict.fromkeys(problem for file in files for problem in plan_api.lint(file, config)))
    match output:
        case LintFormat.TABLE:
            for problem in problems:
                say(str(problem))
        case LintFormat.GITHUB:
            for line in lint_annotations(problems):
                say(line)
        case LintFormat.SARIF:
            print_data(lint_sarif(problems), OutputFormat.JSON)
        case _:
            print_data(ProblemsList(tuple(problems)), OutputFormat(output))
    if any(strict or problem.level is ProblemLevel.ERROR for problem in problems):
        raise typer.Exit(USAGE)


def explain(
    field: Annotated[
        str,
        typer.Argument(
            metavar="FIELD",
            help="A key, or the end of its name: limits.retries, job.actions.tasks.env, ttlSecondsAfterFinished."
            " configuration, targets (the columns of a CSV), template, job, plugin or ignore alone stands for the keys"
            " at the top of such a file.",
            show_default=False,
            autocompletion=completion.keys,
        ),
    ],
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say what a key means: its type, default and an example.

    Example: scanmatrix explain job.actions.tasks.files
    """
    from orchestrator.api.explain import explain_key
    from orchestrator.api.printed import ExplanationsList
    from orchestrator.cli.output import print_data, print_explanation, say

    found = explain_key(field)
    if output is not OutputFormat.TABLE:
        print_data(ExplanationsList(found), output)
        return
    for number, each in enumerate(found):
        if number:
            say("")
        print_explanation(each)


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
