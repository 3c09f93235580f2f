"""`scanmatrix doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import ConfigFile, Engine, OutputOption, Volume
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

if TYPE_CHECKING:
    from orchestrator.api.doctor.diagnosis import Check, Diagnosis


def doctor(
    config: ConfigFile = None,
    volume: Volume = None,
    engine: Engine = None,
    output: OutputOption = OutputFormat.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
) -> None:
    """Show what is installed here, and what is missing.

    Scanners and their databases, container runtimes, registries with the log-ins to them, cluster, store and volume:
    what is there, what is not, and the line that installs it. The exit status is 5 if something that this
    configuration needs is missing.

    Example: scanmatrix doctor --config scanmatrix.yaml
    """
    from orchestrator.api import doctor as doctor_api
    from orchestrator.cli import MISSING
    from orchestrator.cli.output import print_data

    found = doctor_api.examine(settings_of(config, volume, engine=engine))
    output = OutputFormat.JSON if as_json else output
    if output is OutputFormat.TABLE:
        _print(found)
    else:
        print_data(found, output)
    if found.faults:
        raise typer.Exit(MISSING)


def _print(found: "Diagnosis") -> None:
    from orchestrator.cli.output import say
    from orchestrator.cli.tables import Fit, TableColumn, print_table

    rows = [[check.area, check.name, _mark(check), _words(check)] for check in found.checks]
    columns = [TableColumn(""), TableColumn("Name", Fit.MIDDLE), TableColumn("State"), TableColumn("What", Fit.FOLD)]
    print_table(f"scanmatrix {found.version}, engine {found.engine}", columns, rows)
    for fault in found.faults:
        what = " ".join(dict.fromkeys((fault.area, fault.name)))
        say(f"{what} is {fault.state}: {fault.advice or fault.found}")
    if not found.faults:
        say("Everything that this configuration needs is here.")


def _mark(check: "Check") -> str:
    """What is missing and needed stands out from what is merely not here."""
    from orchestrator.api.doctor.diagnosis import CheckState

    if check.is_fault or check.state is CheckState.OK:
        return check.state.value
    return f"({check.state})"


def _words(check: "Check") -> list[str]:
    if check.found.endswith("?"):  # a pipe has all in one line, where this ends a sentence
        return [f"{check.found} {check.advice}".rstrip()]
    return [line for line in (check.found, check.advice) if line]
