"""How long requests take, by route and method: templates of paths, so that there are as many series as routes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Histogram

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

#: In place of the template where no route matched, and of the method where it is none of HTTP's.
OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"})


def template_of(scope: Scope) -> str:
    """The route of a request, as its module spells it: `/scan-results/{imageId}`."""
    route: Any = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", OTHER))


class Durations:
    """The histogram `http_response_duration_seconds{path,method}`.

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

    def observe(self, scope: Scope, seconds: float) -> None:
        """Note how long a request took."""
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        self._histogram.labels(template_of(scope), method).observe(seconds)


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
        began = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._durations.observe(scope, time.perf_counter() - began)
