"""`scanmatrix controller`."""

from typing import Annotated

import typer

_LEASE = "scanmatrix-system/scanmatrix-controller"


def controller(
    namespace: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only resources of this namespace; may be repeated.", show_default=False),
    ] = None,
    lease: Annotated[
        str, typer.Option(metavar="NAMESPACE/NAME", help="Lease that the acting replica holds; '' for none.")
    ] = _LEASE,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Resources looked at at the same time.")] = 4,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Answer /healthz, /readyz and /metrics there.", show_default=False
        ),
    ] = None,
) -> None:
    """Look after ScanMatrix resources in a cluster.

    Makes what each of them asks for, and says in its status how it stands. Runs until it is stopped.

    Example: scanmatrix controller --namespace team-a
    """
    from orchestrator.cli.output import complain
    from orchestrator.errors import UsageError
    from orchestrator.service.controller.serving import serve

    if lease and len([part for part in lease.split("/") if part]) != 2:  # noqa: PLR2004 - namespace and name
        raise UsageError(f"--lease {lease!r}: write namespace/name, or '' for no lease")
    serve(namespaces=namespace or (), lease=lease, workers=workers, health_port=health_port, told=complain)
