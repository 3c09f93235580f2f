"""What the clients bear: a service that is away, slow, of another version, no service at all, or hostile."""

import gzip
import json
import logging
import pickle
import socket
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from orchestrator.client.clients import AsyncServiceClient, ServiceClient
from orchestrator.client.connection import TOKEN_VARIABLE, ServiceAddress, ServiceLimits
from orchestrator.client.errors import (
    ServiceAccessError,
    ServiceAnswerError,
    ServiceAwayError,
    ServiceRefusalError,
    ServiceSlowError,
)
from orchestrator.client.exchange import ServiceRequest
from orchestrator.errors import NotKnownError, TemporaryError, UsageError, VolumeFullError
from orchestrator.kit import retrying
from orchestrator.kit.extras import MissingExtraError
from orchestrator.service.rest.problems import KINDS
from tests.served import run_async

TOKEN = "sm_0123456789abcdef-secret"
RUNS = {"runs": [], "next": ""}
SUMMARY = {"run": "run-1", "finished": "2025-03-02T10:00:00Z", "targets": 1, "cells": {"ok": 1}}


class _Answers(BaseHTTPRequestHandler):
    """Gives the answers that a test wants, one after the other; the last one again and again."""

    def log_message(self, *_):
        pass

    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        server.seen.append((self.command, self.path, dict(self.headers)))
        answer = server.answers[min(len(server.seen), len(server.answers)) - 1]
        if callable(answer):
            return answer(self)
        status, body, headers = answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        return None

    do_GET = do_POST = _answer  # noqa: N815 - as the library calls them


@contextmanager
def stranger(*answers):
    """A server that answers so."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.answers, server.seen = answers, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["waited", "awaited"])
def ask(request):
    """A function of a service elsewhere, by each client."""

    def waited(url, method, *args, token=TOKEN, **limits):
        with ServiceClient(url, token, limits=ServiceLimits(**{"retries": 0, **limits})) as client:
            found = getattr(client, method)(*args)
            return list(found) if hasattr(found, "__next__") else found

    def awaited(url, method, *args, token=TOKEN, **limits):
        async def wait():
            async with AsyncServiceClient(url, token, limits=ServiceLimits(**{"retries": 0, **limits})) as client:
                found = getattr(client, method)(*args)
                return [each async for each in found] if hasattr(found, "__aiter__") else await found

        return run_async(wait)

    return waited if request.param == "waited" else awaited


def problem(name, status, detail="it is so", **headers):
    document = {"type": f"urn:scanmatrix:problem:{name}", "title": "x", "status": status, "detail": detail}
    document |= {"instance": "/", "request_id": "req-7"}
    return status, document, {"Content-Type": "application/problem+json", **headers}


PROBLEMS = (
    (problem("bad-request", 400), UsageError, "it is so"),
    (problem("unauthenticated", 401), ServiceAccessError, "SCANMATRIX_TOKEN"),
    (problem("refused", 403), ServiceAccessError, "ask who runs the service"),
    (problem("not-found", 404), NotKnownError, "it is so"),
    (problem("conflict", 409), ServiceRefusalError, "it is so"),
    (problem("body-too-large", 413), ServiceRefusalError, "it is so"),
    (problem("internal", 500), ServiceRefusalError, "req-7"),
    (problem("not-offered", 501), ServiceRefusalError, "it is so"),
    (problem("unavailable", 503), ServiceAwayError, "it is so"),
    (problem("query-too-slow", 504), ServiceSlowError, "ask for less"),
    (problem("volume-full", 507), VolumeFullError, "it is so"),
    (problem("made-up-later", 418), ServiceRefusalError, "it is so"),
    ((404, b"", {}), ServiceAnswerError, "check its address"),
    ((401, b"<html>", {"Content-Type": "text/html"}), ServiceAccessError, "a proxy wants a login"),
    ((302, b"", {"Location": "https://login.example/?token=abc"}), ServiceAnswerError, r"login.example/\?token=\*\*\*"),
    ((502, b"bad gateway", {}), ServiceAwayError, "does not answer now"),
    ((200, b"<html>hello", {"Content-Type": "text/html"}), ServiceAnswerError, "no scanmatrix service"),
    ((200, b"{", {}), ServiceAnswerError, "answer of the service"),
    ((200, b"[" * 100_000, {}), ServiceAnswerError, "answer of the service"),
    ((200, b"\xff", {}), ServiceAnswerError, "answer of the service"),
    ((200, {"runs": "none", "next": ""}, {}), ServiceAnswerError, "has no runs"),
    ((200, {"runs": [{"run": 1}], "next": ""}, {}), ServiceAnswerError, "versions that differ too much"),
    ((200, gzip.compress(b"x")[:-9], {"Content-Encoding": "gzip"}), ServiceAnswerError, "answer"),
)


@pytest.mark.parametrize(("answer", "kind", "said"), PROBLEMS)
def test_each_bad_answer_is_an_error_of_ours(ask, answer, kind, said):
    with stranger(answer) as server, pytest.raises(kind, match=said) as caught:
        ask(server.url, "list_results")
    assert type(caught.value) is kind
    assert TOKEN not in str(caught.value)


def test_the_problems_of_the_contract_are_all_known():
    tried = {
        answer[1]["type"].rpartition(":")[2]
        for answer, _, _ in PROBLEMS
        if isinstance(answer[1], dict) and "type" in answer[1]
    }
    others = {"method-not-allowed", "body-too-slow", "unsupported-media-type", "unsound-document", "failed"}
    assert {kind.name for kind in KINDS} - tried == others


def test_what_fails_for_now_is_tried_again(ask):
    with stranger(problem("unavailable", 503), (502, b"", {}), (200, RUNS, {})) as server:
        assert ask(server.url, "list_results", retries=3) == ()
    assert len(server.seen) == 3


def test_a_wish_to_wait_is_granted(ask):
    with stranger(problem("unavailable", 503, **{"Retry-After": "1"}), (200, RUNS, {})) as server:
        begun = time.monotonic()
        assert ask(server.url, "list_results", retries=1) == ()
    assert time.monotonic() - begun >= 1


def test_a_wish_to_wait_too_long_is_passed_on(ask):
    long = str(int(retrying.WAIT_LIMIT) + 1)
    with (
        stranger(problem("unavailable", 503, **{"Retry-After": long})) as server,
        pytest.raises(ServiceAwayError, match="longer than we do"),
    ):
        ask(server.url, "list_results", retries=3)
    assert len(server.seen) == 1


def test_attempts_are_counted_and_used_up_once(ask):
    with stranger(problem("unavailable", 503)) as server, pytest.raises(ServiceAwayError) as caught:
        ask(server.url, "list_results", retries=1)
    assert len(server.seen) == 2
    assert not caught.value.is_worth_retrying


def test_what_starts_work_is_not_sent_twice_unless_the_service_knows_it_again(ask):
    with stranger((502, b"", {})) as server:
        with pytest.raises(ServiceAwayError):
            ask(server.url, "retry", "run-1", retries=2)
        assert len(server.seen) == 1
        with pytest.raises(ServiceAwayError):
            ask(server.url, "submit", retries=1)
    keys = [headers["Idempotency-Key"] for _, path, headers in server.seen if path == "/api/v1/runs"]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_service_that_is_away(ask):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServiceAwayError, match="is the service running"):
        ask(f"http://127.0.0.1:{port}", "list_results")


def test_a_service_that_never_answers(ask):
    with (
        stranger(lambda handler: time.sleep(1.5)) as server,
        pytest.raises(ServiceAwayError, match="did not answer GET"),
    ):
        ask(server.url, "list_results", seconds=0.2)


def _trickle(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    for _ in range(50):
        try:
            handler.wfile.write(b" ")
            time.sleep(0.05)
        except OSError:
            return


def test_an_answer_that_trickles(ask):
    with stranger(_trickle) as server, pytest.raises(ServiceAwayError, match="no whole answer within"):
        ask(server.url, "list_results", seconds_in_all=0.3)


def test_an_answer_that_is_too_large_packed_or_not(ask):
    large = json.dumps({"runs": [], "next": "", "more": "x" * 3_000_000}).encode()
    for answer in ((200, large, {}), (200, gzip.compress(large), {"Content-Encoding": "gzip"})):
        with stranger(answer) as server, pytest.raises(ServiceAnswerError, match="more than 1,000,000 bytes"):
            ask(server.url, "list_results", most_bytes=1_000_000)


def test_a_problem_that_is_too_large(ask):
    with stranger(problem("not-found", 404, "x" * 10_000_000)) as server, pytest.raises(ServiceAnswerError) as caught:
        ask(server.url, "list_results")
    assert len(str(caught.value)) < 5_000


def test_a_list_without_end(ask):
    page = {"runs": [SUMMARY], "next": "again"}
    with stranger((200, page, {})) as server, pytest.raises(ServiceAnswerError, match="no end"):
        ask(server.url, "list_results")
    assert len(server.seen) < 5


def test_a_later_version_may_say_more(ask):
    later = {"runs": [SUMMARY | {"mood": {"good": [1]}}], "next": "", "spare": 1}
    with stranger((200, later, {})) as server:
        [found] = ask(server.url, "list_results")
    assert found.run == "run-1"


def test_numbers_that_cannot_be_are_refused(ask):
    answer = {"findings": [], "next": "", "coverage": {"targets": 1, "covered": 2}, "unknown": []}
    with stranger((200, answer, {})) as server, pytest.raises(ServiceAnswerError, match="covers 2 of 1"):
        ask(server.url, "findings_now")


def test_targets_that_are_not_named_count(ask):
    unknown = [{"target": "a", "references": ["x:1"], "why": "failed"}]
    answer = {"findings": [], "next": "", "coverage": {"targets": 300, "covered": 100}, "unknown": unknown}
    with stranger((200, answer, {})) as server:
        _, coverage = ask(server.url, "findings_now")
    assert coverage.covered == 100
    assert str(coverage) == "covers 100 of 300 targets; nothing is known of 200: x:1: failed; and 197 more"


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "x", "https://", "http://user:word@x", "http://x?token=abc", "http://x:port", "http://[x"]
)
def test_what_is_no_address_of_a_service(url):
    with pytest.raises(UsageError, match="URL of") as caught:
        ServiceClient(url, "")
    assert "word" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_the_token_is_sent_and_never_shown(ask, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    echo = problem("unavailable", 503, f"you sent {TOKEN}")
    with stranger(echo) as server:
        with pytest.raises(ServiceAwayError, match=r"you sent \*\*\*"):
            ask(server.url, "list_results", token=None, retries=1)
        assert server.seen[0][2]["Authorization"] == f"Bearer {TOKEN}"
        ServiceClient(server.url, "").close()
        with pytest.raises(TemporaryError):
            ask(server.url, "list_results", token="")
        assert "Authorization" not in server.seen[-1][2]
    assert TOKEN not in caplog.text
    for client in (ServiceClient("http://x"), AsyncServiceClient("http://x")):
        assert TOKEN not in repr(client) + str(client) + repr(vars(client))
        assert "***" in repr(client)
        with pytest.raises(TypeError):
            pickle.dumps(client)


def test_the_token_may_be_in_a_file(monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text("smx_secret_of_a_file\n")
    monkeypatch.delenv("SCANMATRIX_TOKEN", raising=False)
    monkeypatch.setenv("SCANMATRIX_TOKEN_FILE", str(file))
    assert "smx" not in repr(ServiceAddress("http://127.0.0.1:1"))
    spelt = ServiceAddress("http://127.0.0.1:1").spell(ServiceRequest("/x"), 1)
    assert spelt["headers"]["Authorization"] == "Bearer smx_secret_of_a_file"
    file.unlink()
    with pytest.raises(UsageError, match="SCANMATRIX_TOKEN_FILE"):
        ServiceAddress("http://127.0.0.1:1")


@pytest.mark.parametrize("token", ["a\nX-Evil: 1", "a b", "a\x00", "ü"])
def test_what_cannot_be_a_token(token):
    with pytest.raises(UsageError, match="SCANMATRIX_TOKEN") as caught:
        ServiceClient("http://x", token)
    assert token not in str(caught.value)


def test_names_are_percent_encoded(ask):
    with stranger((404, b"", {})) as server, pytest.raises(ServiceAnswerError):
        ask(server.url, "status", "../../etc?x=#y é")
    assert server.seen[0][1] == "/api/v1/runs/..%2F..%2Fetc%3Fx%3D%23y%20%C3%A9/progress"


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("orchestrator.client")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'scanmatrix\[client\]'"):
        __import__("orchestrator.client.clients")


def test_the_library_is_what_it_should_be():
    assert httpx2.Client(timeout=1).trust_env  # proxies and certificates as everything else on the machine has them
