"""Whether the controller lives and can act, for probes; and what it does, for Prometheus."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds without a beat after which it hangs, and without an answer of the API server after which it cannot act.
_HANGS, _UNHEARD = 120.0, 60.0
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Vitals:
    """Told by the controller what it does; asked by probes and by Prometheus.

    It lives while its loops turn, also when the API server is away: a new process would not reach that either. It is
    ready while the API server answers it, whether it acts or waits for the lease.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = self._answer = clock()
        self._answered = False
        self.registry = CollectorRegistry()
        self.acting = Gauge(
            "scanmatrix_controller_acting", "1 for the replica that has the lease", registry=self.registry
        )
        self.resources = Gauge(
            "scanmatrix_controller_resources", "ScanMatrix resources by reason", ("reason",), registry=self.registry
        )
        self.looks = Counter(
            "scanmatrix_controller_looks", "Looks at resources, by how they ended", ("outcome",), registry=self.registry
        )
        self.seconds = Histogram(
            "scanmatrix_controller_look_seconds", "Time of a look", registry=self.registry, buckets=_SECONDS
        )

    def beat(self) -> None:
        """A loop turned."""
        self._beat = self._clock()

    def answered(self) -> None:
        """The API server answered."""
        self._answer, self._answered = self._clock(), True
        self.beat()

    @property
    def is_alive(self) -> bool:
        """Whether its loops turn."""
        return self._clock() - self._beat < _HANGS

    @property
    def is_ready(self) -> bool:
        """Whether it can act, or could as soon as it has the lease."""
        return self.is_alive and self._answered and self._clock() - self._answer < _UNHEARD


def serve_vitals(vitals: Vitals, port: int, host: str = "") -> ThreadingHTTPServer:
    """Answer `/healthz`, `/readyz` and `/metrics` in a thread of its own, until `shutdown` is called.

    Args:
        vitals: what they ask.
        port: to listen on; 0 for any free one.
        host: address to listen on; by default all.

    Raises:
        UsageError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # of one that connects and sends nothing

        def do_GET(self) -> None:
            """Answer."""
            checks = {"/healthz": vitals.is_alive, "/readyz": vitals.is_ready}
            if self.path == "/metrics":
                self._say(200, CONTENT_TYPE_LATEST, generate_latest(vitals.registry))
            elif (fine := checks.get(self.path)) is not None:
                self._say(200 if fine else 503, "text/plain", b"ok\n" if fine else b"not now\n")
            else:
                self._say(404, "text/plain", b"there is /healthz, /readyz and /metrics\n")

        def _say(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            """Nothing: probes come every few seconds."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise UsageError(f"cannot listen on port {port} for probes: {error}") from error
    threading.Thread(target=server.serve_forever, name="vitals", daemon=True).start()
    return server
