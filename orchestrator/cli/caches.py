"""`scanmatrix cache drop`: content that a pull-through cache reads again."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.commands import Commands
from orchestrator.cli.options import ConfigFile
from orchestrator.cli.settings import settings_of

app = Commands(name="cache", help="Manage the pull-through caches.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _cache() -> None:
    """Manage the pull-through caches."""


@app.command()
def drop(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DIGEST|IMAGE",
            help="Blobs or manifests by digest, and images, of which everything in the same repository is dropped."
            " Without any, all that is damaged.",
            show_default=False,
        ),
    ] = None,
    config: ConfigFile = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Drop everything: in the cluster, the caches start again, empty.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder of a cache on this machine (its rootdirectory), instead of the caches in the cluster.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Remove damaged or named content from the caches.

    It is then read from the upstream again; the rest stays cached. A cache does not check what it serves, so a damaged
    blob fails every pull until it is dropped.

    Example: scanmatrix cache drop
    """
    from orchestrator.api import caches
    from orchestrator.cli.output import say

    lines = caches.drop(settings_of(config), what or (), everything=everything, folder=folder)
    line = next(lines, "nothing to drop")
    say(line)
    for line in lines:
        say(line)
