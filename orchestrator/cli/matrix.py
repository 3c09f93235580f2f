"""`scanmatrix plan` and `scanmatrix run`."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile, Offline, OutputOption, References, RunId, Scans
from orchestrator.cli.output import Output


def plan(
    references: References = None,
    config: ConfigFile = None,
    scan: Scans = None,
    run_id: RunId = None,
    offline: Offline = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the matrix before anything starts.

    An x where a cell runs, why not where it does not, and what it will cost.

    Example: scanmatrix plan --config scanmatrix.yaml
    """
    from orchestrator import sdk
    from orchestrator.cli.output import print_data, print_plan

    settings = sdk.load_config(config, references=references or ())
    planned = sdk.make_plan(settings, scans=scan or (), run=run_id, offline=offline)
    planned = sdk.with_spec_size(planned, settings)
    if output is Output.TABLE:
        print_plan(planned)
    else:
        print_data(planned, output)


def run(
    references: References = None,
    config: ConfigFile = None,
    scan: Scans = None,
    run_id: RunId = None,
    offline: Offline = False,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Go on with a run that was cut off; its plan stays as it is.", show_default=False
        ),
    ] = None,
    volume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where everything is written, instead of volume.path.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the matrix here, and print its ledger.

    With the local engine. The ledger has every cell and how it ended; the exit status is 1 when the policy is broken.

    Example: scanmatrix run registry.example/app:1.2 --scan sbom
    """
    from orchestrator import sdk
    from orchestrator.cli import POLICY
    from orchestrator.cli.output import print_data, print_ledger
    from orchestrator.cli.progress import progress

    settings = sdk.load_config(config, references=references or (), volume=volume)
    if resume is not None:
        planned = sdk.read_plan(settings, resume)
    else:
        planned = sdk.make_plan(settings, scans=scan or (), run=run_id, offline=offline)
    with progress(quiet=quiet) as observer:
        ledger = sdk.run(planned, settings, observer=observer)
    if output is Output.TABLE:
        print_ledger(ledger)
        typer.echo(f"Results: {sdk.results_folder(settings, ledger.run)}")
    else:
        print_data(ledger, output)
    for rule in ledger.verdict.broken:
        typer.echo(f"policy: {rule}", err=True)
    if not ledger.verdict.passed:
        raise typer.Exit(POLICY)
