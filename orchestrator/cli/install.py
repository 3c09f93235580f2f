"""`scanmatrix install`."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile


def install(
    config: ConfigFile = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a kustomization into this folder.", show_default=False),
    ] = None,
    render: Annotated[bool, typer.Option("--render", help="Print one YAML stream (the default).")] = False,
) -> None:
    """Render what a cluster needs beside Argo: rights, network rules, caches, volume claim, WorkflowTemplate, schedule.

    Example: scanmatrix install --render --config scanmatrix.yaml | kubectl apply --server-side -f -
    """
    from orchestrator import sdk

    settings = sdk.load_config(config)
    if out is None or render:
        typer.echo(sdk.install(settings), nl=False)
    if out is not None:
        for path in sdk.write_install(settings, out):
            typer.echo(f"written: {path}", err=True)
