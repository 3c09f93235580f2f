"""`scanmatrix init`."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE|ARCHIVE|REPOSITORY", help="What to scan, as for `scanmatrix run`.", show_default=False
        ),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[/REPOSITORY]",
            help="List the images of this registry, or of one repository; may be a glob: registry.example/shop/*.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="List the images that run in the current Kubernetes cluster.")
    ] = False,
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="List the images that run in the cluster of this context; may be repeated.",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write the files.")] = Path(),
) -> None:
    """Write a first scanmatrix.yaml and targets.csv.

    The list has what is named, or what the registry or the cluster has now. Nothing is overwritten.

    Example: scanmatrix init registry.example/app:1.2
    """
    from orchestrator.api.init import init as write
    from orchestrator.cli.output import complain, say
    from orchestrator.kit.advice import command_line, remember

    done = write(folder, references=references or (), registry=registry, cluster=cluster, contexts=context or ())
    for each in done.left_out:
        complain(f"scanmatrix: left out: {each}")
    targets = f"{done.targets} {'target' if done.targets == 1 else 'targets'}"
    say(f"{' and '.join(map(str, done.paths))} written: {targets}")
    remember(config="" if folder == Path() else str(done.paths[-1]))
    first = "" if done.targets else f"write your images into {done.paths[0]}, then "
    say(f"Next: {first}{command_line('plan')}")
