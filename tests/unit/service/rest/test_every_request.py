"""What holds for every request: ids, headers, sizes, pages of other sites, errors."""

import gzip

import pytest

from orchestrator.service.rest.middleware.bodies import BodyLimits
from orchestrator.service.rest.problems import BusyError
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.volume.layout import Volume
from tests.served import run_async, served


def test_a_probe_answers(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_every_answer_has_the_headers_and_an_id(client):
    answer = client.get("/healthz", headers={"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    made_up = client.get("/nowhere", headers={"X-Request-ID": "<b>\x01"})
    assert made_up.headers["x-request-id"].isalnum()
    assert made_up.json()["request_id"] == made_up.headers["x-request-id"]


def test_an_unknown_path_is_a_problem(client):
    answer = client.get("/nowhere/<script>")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "request_id"}
    assert client.post("/healthz").status_code == 405


def test_an_answer_that_the_caller_has_is_not_sent_again(client):
    first = client.get("/healthz")
    again = client.get("/healthz", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert client.get("/healthz", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_file_that_comes_in_pieces_is_sent_again_when_its_end_has_changed(client, config):
    """And not when nothing has."""
    file, path = Volume(config.volume.path).results("run-2") / "bom.cdx.json", "/api/v1/runs/run-2/bom"
    sent = []
    for end in (b"1", b"22"):
        file.write_bytes(b'{"components": "' + b"x" * 200_000 + end + b'"}')
        answer = client.get(path, headers={"If-None-Match": ", ".join(each.headers["etag"] for each in sent)})
        assert (answer.status_code, answer.content) == (200, file.read_bytes())
        sent.append(answer)
    again = client.get(path, headers={"If-None-Match": sent[-1].headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_large_answer_is_compressed_when_the_caller_wants_it(client):
    with client.stream("GET", "/api/v1/openapi.json", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())).startswith(b"{")
    plain = client.get("/api/v1/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


def test_a_body_that_is_too_large_is_refused_before_it_is_read(config):
    with served(config, ServeSettings(body_bytes=100, report_bytes=200)) as client:
        answer = client.put("/healthz", content=b"x" * 101)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:scanmatrix:problem:body-too-large")


def test_all_bodies_together_have_a_bound_and_what_ended_no_longer_counts(config):
    with served(config, ServeSettings(bodies_bytes=150)) as client:
        json = {"Content-Type": "application/json"}
        for _ in range(3):
            assert client.post("/api/v1/plan", content=b"[" * 100, headers=json).status_code == 400
        answer = client.post("/api/v1/plan", content=b"[" * 200, headers=json)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert client.post("/api/v1/plan", content=b"[" * 100, headers=json).status_code == 400


@pytest.mark.parametrize(("path", "least"), [("/events/shop", 101), ("/scan-results", 801)])
def test_bodies_of_who_has_proven_nothing_leave_room_for_others(path, least):
    async def read(scope, receive, send):
        while (await receive())["more_body"]:
            pass

    limits = BodyLimits(read, ServeSettings(bodies_bytes=800))

    async def ask(size):
        async def receive():
            return {"type": "http.request", "body": b"x" * size, "more_body": False}

        await limits({"type": "http", "path": path, "headers": []}, receive, None)

    run_async(ask, least - 1)
    with pytest.raises(BusyError):
        run_async(ask, least)
    run_async(ask, least - 1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, 405),
        ({}, 405),
    ],
)
def test_a_page_of_another_site_changes_nothing(client, headers, status):
    assert client.post("/healthz", headers=headers).status_code == status


def test_a_name_that_somebody_else_gives_to_this_machine_is_refused(client):
    assert client.get("/healthz", headers={"Host": "evil.example:8000"}).status_code == 403
    assert client.get("/healthz", headers={"Host": "testserver"}).status_code == 403
    assert client.get("/healthz", headers={"Host": "evil.localhost:8000"}).status_code == 403
    assert client.get("/healthz", headers={"Host": "localhost:8000"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "[::1]:8000"}).status_code == 200


def test_nobody_hears_where_the_volume_lies(client, config):
    paths = [f"/api/v1/runs/nope{end}" for end in ("", "/progress", "/ledger", "/bom", "/cells/a/general/report")]
    answers = [client.get(path) for path in (*paths, "/runs/nope", "/runs/nope/progress")]
    answers += [client.post(f"/api/v1/runs/nope/{what}") for what in ("retry", "cancel")]
    assert {answer.status_code for answer in answers} == {404}
    assert [answer.text for answer in answers if str(config.volume.path) in answer.text] == []


@pytest.mark.parametrize(("path", "allowed"), [("/scan-results", "GET, PUT"), ("/api/v1/runs", "GET, POST")])
def test_a_method_that_a_path_does_not_take_is_answered_with_those_it_takes(client, path, allowed):
    answer = client.options(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
