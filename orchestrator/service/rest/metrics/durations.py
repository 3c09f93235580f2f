"""How long requests take, by route and method: templates of paths, so that there are as many series as routes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: In place of the template where no route matched, and of the method where it is none of HTTP's.
OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"})


def template_of(scope: Scope) -> str:
    """The route of a request, as its module spells it: `/scan-results/{imageId}`."""
    route: Any = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", OTHER))


class Durations:
    """The histogram `http_response_duration_seconds{path,method}`, and how requests ended, `http_responses_total`.

    Args:
        registry: that exposes it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._histogram = Histogram(
            "http_response_duration_seconds",
            "Duration of HTTP responses in seconds",
            ("path", "method"),
            registry=registry,
        )
        self._responses = Counter(
            "http_responses_total", "HTTP responses by status", ("path", "method", "status"), registry=registry
        )

    def observe(self, scope: Scope, seconds: float, status: int) -> None:
        """Note how long a request took, and how it ended; 0 for a caller who left before that."""
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        self._histogram.labels(template_of(scope), method).observe(seconds)
        self._responses.labels(template_of(scope), method, str(status or "none")).inc()


class TimedRequests:
    """Notes how long each request takes.

    Args:
        app: what is within it.
        durations: where.
    """

    def __init__(self, app: ASGIApp, durations: Durations) -> None:
        self._app = app
        self._durations = durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, timed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            self._durations.observe(scope, time.perf_counter() - began, status)
