"""Traces of requests, sent by OTLP where OpenTelemetry's own variables say; nothing is imported where they are not set.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.example:4318 scanmatrix serve

Every variable of OpenTelemetry's SDK holds: service name, resource attributes, sampler, headers, timeouts, queue.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestrator.errors import UsageError
from orchestrator.kit.extras import needing
from orchestrator.kit.own import own_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastapi import FastAPI

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
#: The one protocol that needs no compiled library of its own.
_PROTOCOL = "http/protobuf"
#: Asked every few seconds, by machines.
_UNTRACED = "/healthz,/readyz,/metrics,/static/"


def is_traced(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces: an endpoint is set, and neither SDK nor exporter is switched off.

    Raises:
        UsageError: they ask for a protocol or an exporter that there is not.
    """
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    is_off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none"
    if is_off or not any(environment.get(name, "").strip() for name in _ENDPOINTS):
        return False
    if exporter != "otlp":
        raise UsageError(f"OTEL_TRACES_EXPORTER={exporter}: traces are sent by otlp; set that, or none")
    name = next((each for each in _PROTOCOLS if environment.get(each, "").strip()), "")
    if name and environment[name].strip() != _PROTOCOL:
        raise UsageError(
            f"{name}={environment[name].strip()}: traces are sent by {_PROTOCOL} (a collector's port 4318)"
        )
    return True


@contextmanager
def traced(app: FastAPI, environment: Mapping[str, str] | None = None) -> Iterator[bool]:
    """Trace the requests of an application within the block, where that is asked for; yields whether it is.

    A collector that is away costs requests nothing: spans wait in a bounded queue, and are then given up.

    Args:
        app: whose requests are traced: a span for each, named by its route, and one within it for each question.
        environment: instead of the process's own; decides whether, while the SDK reads the process's.

    Raises:
        UsageError: as `is_traced`.
        MissingExtraError: OpenTelemetry is not installed.
    """
    if not is_traced(os.environ if environment is None else environment):
        yield False
        return
    with needing("otel", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    provider = TracerProvider(resource=Resource.create(_named()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls=_UNTRACED,
        exclude_spans=["receive", "send"],
        server_request_hook=_tell_log,
    )
    tracer = provider.get_tracer("scanmatrix", own_version())
    app.state.service.spanning = tracer.start_as_current_span
    try:
        yield True
    finally:
        provider.shutdown()


def _named() -> dict[str, Any]:
    """What a trace says of its sender, as far as no variable says it."""
    told = f"{os.environ.get('OTEL_RESOURCE_ATTRIBUTES', '')},"
    is_named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in told
    named = {} if is_named else {"service.name": "scanmatrix"}
    return named if "service.version=" in told else named | {"service.version": own_version()}


def _tell_log(span: Any, scope: dict[str, Any]) -> None:
    """Give the request's line of the log the id of its trace."""
    if span is not None and span.is_recording():
        scope.setdefault("state", {})["trace_id"] = format(span.get_span_context().trace_id, "032x")
