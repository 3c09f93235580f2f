"""Runs the application in uvicorn until it is asked to stop."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from orchestrator.errors import UsageError
from orchestrator.kit.hosts import is_loopback
from orchestrator.service.rest.app import make_app
from orchestrator.service.rest.changing import digest_of_files, end_when_changed
from orchestrator.service.rest.logs import log_as_json
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.service.rest.state import serving
from orchestrator.service.rest.tracing import traced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from orchestrator.config.loading import Config
    from orchestrator.service.rest.caller import CallerGuard

_HEADERS = 64 * 1024
_IDLE = 30


class _Server(uvicorn.Server):
    """Says where it listens once it does, and ends streams as soon as it is to stop.

    Attributes:
        asked_by: signals that asked it to stop; uvicorn itself would raise them before anything of ours is closed.
    """

    def __init__(self, config: uvicorn.Config, listening: Callable[[str], None], stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening
        self._stop = stop
        self.asked_by: list[int] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Stop; at the second Ctrl-C without waiting for anybody."""
        self.asked_by.append(sig)
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        self.should_exit = True

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
    config: Config,
    settings: ServeSettings,
    *,
    guard: CallerGuard | None = None,
    listening: Callable[[str], None],
    watched: Path | None = None,
) -> None:
    """Answer requests until SIGINT or SIGTERM; those under way then get `grace_seconds` to end.

    The process then ends by that very signal.

    Args:
        config: names volume, store, scans and engine.
        settings: where to listen, and the bounds.
        guard: tells who asks; without one the service listens on loopback alone.
        listening: told the service's URL once it listens.
        watched: the configuration with whose change it ends, as if it had been asked to; None for never.

    Raises:
        UsageError: another address than loopback is to be listened on, and there is no authentication; or it is taken;
            or OpenTelemetry's variables ask for what there is not.
        StoreUrlError: the store's URL cannot be used, or its driver is not installed.
    """
    if guard is None and not is_loopback(settings.host, exactly=True):
        raise UsageError(
            f"--host {settings.host}: everybody who reaches this address could read and change everything, because no"
            " authentication is configured; listen on 127.0.0.1, or configure it"
        )
    log_as_json()
    # Arrow's usual pool keeps much of what tables once took, and takes 10 MB for the first.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with ExitStack() as stack:
        state = stack.enter_context(serving(config, settings))
        app = make_app(state, guard=guard)
        stack.enter_context(traced(app))
        options = uvicorn.Config(
            app,
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
        if watched is not None:
            ending = partial(setattr, server, "should_exit", True)
            given = (watched, digest_of_files(watched), ending, state.stopping)
            threading.Thread(target=end_when_changed, args=given, name="configuration", daemon=True).start()
        server.run()
        if not server.started:
            raise UsageError(f"cannot listen on {settings.host}:{settings.port}: is another program using the port?")
    for number in server.asked_by[:1]:
        # Not as KeyboardInterrupt: Python's own end would wait for threads whose callers were given up long ago.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        os._exit(0)  # the first process of a container does not end by a signal of its own
