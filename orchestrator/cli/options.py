"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.output import OutputFormat
from orchestrator.engines import names

if TYPE_CHECKING:
    from orchestrator.model import Severity

References = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IMAGE|ARCHIVE|REPOSITORY",
        help="Images, of Docker, podman or containerd on this machine (docker:IMAGE for one of them) or of registries,"
        " OCI archives, OCI layout folders, `docker save` archives (- for standard input), plain folders (dir:FOLDER),"
        " or URLs of git repositories (#ref), instead of all configured targets; owner, labels and scans of a"
        " configured one are kept.",
        show_default=False,
        autocompletion=completion.configured,
    ),
]


def _path(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter("an empty name is no path")
    return Path(text)


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        parser=_path,
        help="The configuration. Default: ./scanmatrix.yaml (or .yml), if it exists.",
        show_default=False,
    ),
]
Volume = Annotated[
    Path | None,
    typer.Option(
        "--volume",
        metavar="FOLDER",
        parser=_path,
        help="Folder for all files, instead of volume.path.",
        show_default=False,
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Ask this service (scanmatrix serve) instead of the volume here. Default: SCANMATRIX_SERVER; its token is"
        " in SCANMATRIX_TOKEN.",
        show_default=False,
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        metavar="GLOB",
        help="Only configured targets whose name matches; may be repeated.",
        autocompletion=completion.configured,
        show_default=False,
    ),
]
Scans = Annotated[
    list[str] | None,
    typer.Option(
        "--scan",
        "-s",
        metavar="NAME",
        help="Run only this scan; may be repeated.",
        show_default=False,
        autocompletion=completion.scans,
    ),
]
RunId = Annotated[
    str | None,
    typer.Option("--run-id", metavar="ID", help="Id of the run. Default: made from the time.", show_default=False),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Contact no registry and no git host: plan from digests, commits and local archives. Sizes are unknown."
        " Databases are not downloaded either.",
    ),
]
SkipDatabases = Annotated[
    bool,
    typer.Option(
        "--skip-db-update", help="Download no database: use those on the volume, like databases.update: false."
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse scanner images given by tag, like scanners.strict."),
]
OutputOption = Annotated[OutputFormat, typer.Option("--output", "-o", help="Output format.")]
FailOn = Annotated[
    str | None,
    typer.Option(
        "--fail-on",
        metavar="SEVERITY",
        help="Exit with 1 if a finding has this severity or above, like policy.severity.",
        show_default=False,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(metavar="|".join(names()), help="The engine, instead of the configured `engine`.", show_default=False),
]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run.", show_default=False, autocompletion=completion.runs)
]
All = Annotated[bool, typer.Option("--all", help="List every cell, not only what is not ok.")]


def severity_of(option: str, word: str | None) -> "Severity | None":
    """The severity that an option names; None where it is not given.

    Raises:
        UsageError: there is no such severity.
    """
    from orchestrator.errors import UsageError
    from orchestrator.kit.sources import no_such
    from orchestrator.model import Severity

    if word is None:
        return None
    try:
        return Severity(word.strip().lower())
    except ValueError as error:
        raise UsageError(f"{option}: {no_such('severity', word.strip(), Severity)}") from error


OnlyTarget = Annotated[
    str,
    typer.Option(
        metavar="GLOB",
        help="Only targets whose name matches.",
        show_default=False,
        autocompletion=completion.scanned,
    ),
]
OnlyOwner = Annotated[str, typer.Option(metavar="GLOB", help="Only targets whose owner matches.", show_default=False)]
