"""`scanmatrix serve`: the REST service."""

from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile, Volume
from orchestrator.cli.settings import settings_of


def serve(
    config: ConfigFile = None,
    volume: Volume = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; others than loopback need authentication.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 8000,
    end_when_changed: Annotated[
        bool,
        typer.Option(
            "--end-when-changed",
            help="End when the configuration changes, for where something starts it again with it.",
        ),
    ] = False,
) -> None:
    """Answer over HTTP: results, runs, findings, metrics.

    Without a configuration it keeps its store on the volume and answers this machine alone. Press Ctrl-C to stop.

    Example: scanmatrix serve --port 8000
    """
    from orchestrator.cli.output import complain
    from orchestrator.config.dsn import with_dsn
    from orchestrator.errors import UsageError
    from orchestrator.kit.extras import needing

    settings = with_dsn(settings_of(config, volume))
    if end_when_changed and settings.path is None:
        raise UsageError("--end-when-changed: there is no configuration; name it with --config")
    with needing("serve", "scanmatrix serve"):
        from orchestrator.service.auth.guard import guard_of
        from orchestrator.service.rest.serving import serve as run
        from orchestrator.service.rest.settings import ServeSettings
    run(
        settings,
        ServeSettings(host=host, port=port),
        guard=guard_of(settings),
        listening=lambda url: complain(f"scanmatrix: listening on {url}"),
        watched=settings.path if end_when_changed else None,
    )
