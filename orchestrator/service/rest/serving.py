"""Runs the application in uvicorn until it is asked to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn

from orchestrator.errors import UsageError
from orchestrator.service.rest.app import make_app
from orchestrator.service.rest.logs import log_as_json
from orchestrator.service.rest.settings import ServeSettings, is_loopback
from orchestrator.service.rest.state import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.config.loading import Config
    from orchestrator.service.rest.caller import CallerGuard

_HEADERS = 64 * 1024
_IDLE = 30


class _Server(uvicorn.Server):
    """Says where it listens once it does, and ends streams as soon as it is to stop."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[str], None], stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening
        self._stop = stop

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            address = self.servers[0].sockets[0].getsockname()
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            self._listening(f"http://{host}:{address[1]}")

    async def shutdown(self, sockets: object = None) -> None:
        self._stop()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def serve(
    config: Config, settings: ServeSettings, *, guard: CallerGuard | None = None, listening: Callable[[str], None]
) -> None:
    """Answer requests until SIGINT or SIGTERM; those under way then get `grace_seconds` to end.

    Args:
        config: names volume, store, scans and engine.
        settings: where to listen, and the bounds.
        guard: tells who asks; without one the service listens on loopback alone.
        listening: told the service's URL once it listens.

    Raises:
        UsageError: another address than loopback is to be listened on, and there is no authentication; or it is taken.
        StoreUrlError: the store's URL cannot be used, or its driver is not installed.
    """
    if guard is None and not is_loopback(settings.host):
        raise UsageError(
            f"--host {settings.host}: everybody who reaches this address could read and change everything, because no"
            " authentication is configured; listen on 127.0.0.1, or configure it"
        )
    log_as_json()
    with serving(config, settings) as state:
        options = uvicorn.Config(
            make_app(state, guard=guard),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            h11_max_incomplete_event_size=_HEADERS,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=round(settings.grace_seconds),
            ws_max_size=_HEADERS,
            # Messages are small, and what a connection keeps to compress them is not.
            ws_per_message_deflate=False,
        )
        server = _Server(options, listening, state.stopping.set)
        server.run()
        if not server.started:
            raise UsageError(f"cannot listen on {settings.host}:{settings.port}: is another program using the port?")
