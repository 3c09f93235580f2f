"""`scanmatrix admit`: which images may run, and why."""

from enum import StrEnum
from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile, OutputOption
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of


class Asker(StrEnum):
    """What would run an image.

    Attributes:
        TASK: a task of a job.
        PLUGIN: a plugin.
        SCAN: a scan.
    """

    TASK = "task"
    PLUGIN = "plugin"
    SCAN = "scan"


def admit(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Images, as tasks or templates name them.")],
    config: ConfigFile = None,
    kind: Annotated[Asker, typer.Option("--for", help="What would run them.")] = Asker.TASK,
    offline: Annotated[
        bool, typer.Option("--offline", help="Contact no registry; what must be signed is then not decided.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say which images may run, and why.

    By `allow` and `admission` of the configuration: each rule about an image, who signed it, and the digest by which
    it would run. Exit status 1 if one of them may not run, 3 if a registry does not answer.

    Example: scanmatrix admit ghcr.io/example/load-test:1.4
    """
    from orchestrator.api.admission import admit as judge
    from orchestrator.api.printed import AdmissionsList, AdmittedImage
    from orchestrator.cli import POLICY
    from orchestrator.cli.output import print_data, say
    from orchestrator.cli.tables import Fit, TableColumn, print_table

    found = judge(settings_of(config), images, kind=kind.value, offline=offline)
    if output is not OutputFormat.TABLE:
        made = tuple(AdmittedImage(one.image, one.allowed, one.runs, one.rulings) for one in found)
        print_data(AdmissionsList(made), output)
    else:
        columns = [
            TableColumn("Rule", Fit.MIDDLE),
            TableColumn("", Fit.MIDDLE),
            TableColumn("Where", Fit.MIDDLE),
            TableColumn("Why", Fit.FOLD),
        ]
        for one in found:
            answer = f"{one.image} may run, as {one.runs}" if one.allowed else f"{one.image} may not run"
            say(answer if one.rulings else f"{answer}: there is no rule")
            rows = [
                [
                    ruling.rule,
                    "ok" if ruling.passed else "refused",
                    ruling.where,
                    f"signed by {ruling.signer}, {ruling.reason}" if ruling.signer else ruling.reason,
                ]
                for ruling in one.rulings
            ]
            if rows:
                print_table("", columns, rows)
    if not all(one.allowed for one in found):
        raise typer.Exit(POLICY)
