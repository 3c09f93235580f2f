"""Traces are sent where OpenTelemetry's own variables say, to a receiver as a collector is one, and nowhere else."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from orchestrator.errors import UsageError
from orchestrator.service.rest.tracing import is_traced, traced
from tests.served import served

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def receiving():
    """A receiver of OTLP over HTTP, and what it was sent."""
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
            got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_requests_and_their_questions_are_sent_to_a_collector(config, monkeypatch, caplog):
    caplog.set_level("INFO", logger="scanmatrix.requests")
    with receiving() as (url, got):
        monkeypatch.setenv(ENDPOINT, url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        with served(config) as client:
            client.app.middleware_stack = None
            with traced(client.app) as is_on:
                assert is_on
                client.get("/scan-results/registry.example%2Fsecret%3A1", headers={"traceparent": PARENT})
                client.get("/api/v1/runs?limit=1")
                client.get("/healthz")
    [*groups] = [group for each in got for group in each.resource_spans]
    told = {one.key: one.value.string_value for group in groups for one in group.resource.attributes}
    assert (told["service.name"], told["deployment.environment"]) == ("scanmatrix", "test")
    spans = [span for group in groups for scope in group.scope_spans for span in scope.spans]
    by_name = {span.name: span for span in spans}
    assert by_name.keys() >= {"GET /scan-results/{imageId:path}", "GET /api/v1/runs", "_list", "get_result"}
    assert not any("healthz" in name or "secret" in name for name in by_name)
    request, question = by_name["GET /scan-results/{imageId:path}"], by_name["get_result"]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    assert (question.trace_id, question.parent_span_id) == (request.trace_id, request.span_id)
    assert question.status.code == 2  # there is no such image
    lines = [record for record in caplog.records if record.name == "scanmatrix.requests"]
    assert lines[0].trace_id == PARENT.split("-")[1]


def test_a_collector_that_is_away_costs_requests_nothing(config, monkeypatch):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with served(config) as client, traced(client.app):
        assert client.get("/api/v1/runs").status_code == 200


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x/v1/traces"}, True),
        ({ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINT: "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_the_standard_variables_decide(environment, expected):
    assert is_traced(environment) == expected


@pytest.mark.parametrize(
    "more", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}], ids=["exporter", "protocol"]
)
def test_what_there_is_not_is_refused(more):
    with pytest.raises(UsageError, match=next(iter(more))):
        is_traced({ENDPOINT: "http://x", **more})


def test_nothing_is_imported_where_nothing_is_traced():
    code = (
        "import sys; from orchestrator.service.rest import serving, tracing\n"
        "with tracing.traced(None, {}) as is_on: assert not is_on\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exp'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
