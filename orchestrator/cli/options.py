"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.output import Output

References = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IMAGE|ARCHIVE|REPOSITORY…",
        help="Images, OCI archives, OCI layout folders, `docker save` tars or URLs of git repositories (#ref) to take"
        " instead of the configuration's targets.",
        show_default=False,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; without it ./scanmatrix.yaml when there is one and no image is named.",
        show_default=False,
    ),
]
Scans = Annotated[
    list[str] | None,
    typer.Option("--scan", "-s", metavar="NAME", help="Run just this scan; may be repeated.", show_default=False),
]
RunId = Annotated[
    str | None,
    typer.Option("--run-id", metavar="ID", help="Name of the run; without it made from the time.", show_default=False),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Ask no registry and no git host: plan from digests, commits and local archives; sizes are then unknown.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse scanner images that are named by a tag, as with scanners.strict."),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the data.")]
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="local|argo", help="Who runs it, instead of the configuration's `engine`.", show_default=False
    ),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run.", show_default=False)]
