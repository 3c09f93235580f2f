"""`scanmatrix install`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import ConfigFile
from orchestrator.cli.settings import settings_of
from orchestrator.workflows.overlays import InstallPart, Overlay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.config.loading import Config


def install(
    config: ConfigFile = None,
    overlay: Annotated[Overlay, typer.Option(help="Kind of cluster.")] = Overlay.SINGLE_NODE,
    render: Annotated[bool, typer.Option("--render", help="Print one YAML stream (the default).")] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the manifests and Argo to this folder instead.", show_default=False),
    ] = None,
    controller: Annotated[
        bool,
        typer.Option("--controller", help="Only the definition of ScanMatrix resources and their controller."),
    ] = False,
    service: Annotated[
        bool, typer.Option("--service", help="Only the REST service, for a cluster where the rest is installed.")
    ] = False,
    workers: Annotated[
        bool, typer.Option("--workers", help="Only the workers of `argo.workers`, where the rest is installed.")
    ] = False,
    admission: Annotated[
        bool, typer.Option("--admission", help="Only the rules of `admission`, for the API server to hold pods to.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse scanner images given by tag, and rules that are too permissive.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare with the cluster: what cannot be changed, what is left over; and exit."),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove from the cluster what an earlier configuration left there, and exit."),
    ] = False,
    update_images: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Look up the digests of the images in this file, update it and the manifests next to it, and exit.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the manifests that a cluster needs.

    Argo Workflows, permissions, network policies, pull-through caches, volume, WorkflowTemplate, and schedule.

    Example: scanmatrix install --config scanmatrix.yaml --render | kubectl apply -f -
    """
    from orchestrator.api import install as install_api
    from orchestrator.cli.output import complain

    asked = {
        InstallPart.CONTROLLER: controller,
        InstallPart.SERVICE: service,
        InstallPart.WORKERS: workers,
        InstallPart.ADMISSION: admission,
    }
    parts = [part for part, wanted in asked.items() if wanted]
    _refuse_both(parts, check=check, prune=prune, update_images=update_images is not None)
    settings = settings_of(config, strict=strict)
    if parts:
        _install_parts(settings, parts, out, render=render)
        return
    if update_images is not None:
        for changed in install_api.update_images(settings, update_images):
            typer.echo(changed)
        return
    if check or prune:
        left = install_api.check_install(settings, overlay)
        for line in install_api.prune_install(settings, overlay) if prune else left:
            typer.echo(f"removed {line}" if prune else f"left over, `--prune` removes it: {line}")
        return
    if out is None or render:
        typer.echo(install_api.install(settings, overlay, strict=strict), nl=False)
    if out is not None:
        install_api.write_install(settings, out, overlay, strict=strict)
        complain(f"written; next: kubectl apply -k {out / 'argo-install/overlays' / overlay}")


def _refuse_both(parts: "Sequence[InstallPart]", **others: bool) -> None:
    """Refuse optional parts together with an option that does something else."""
    from orchestrator.errors import UsageError

    if parts and (given := [f"--{name.replace('_', '-')}" for name, wanted in others.items() if wanted]):
        raise UsageError(f"--{parts[0]} prints or writes manifests: give it without {' and '.join(given)}")


def _install_parts(settings: "Config", parts: "Sequence[InstallPart]", out: Path | None, *, render: bool) -> None:
    """Print or write optional parts."""
    from orchestrator.api import install as install_api
    from orchestrator.cli.output import complain

    if out is None or render:
        typer.echo(install_api.install_parts(settings, parts), nl=False)
    if out is not None:
        install_api.write_parts(settings, parts, out)
        for part in parts:
            complain(f"written; next: kubectl apply --server-side -k {out / 'argo-install' / part}")
