"""How long requests take, by route and method: templates of paths, so that there are as many series as routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram

if TYPE_CHECKING:
    from starlette.types import Scope

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

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Note how long a request took, and how it ended; 0 for a caller who left before that."""
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        self._histogram.labels(template_of(scope), method).observe(seconds)
        self._responses.labels(template_of(scope), method, str(status or "none")).inc()
