"""The REST service as people run it: `scanmatrix serve` on loopback, over PostgreSQL and MariaDB, and SQLite."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import pytest

from orchestrator.results.provisional import MARK, Attempts, is_whole
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.volume.layout import Volume
from tests.lists import sorted_by_hand
from tests.live_server import listening
from tests.served import configured, volume_in
from tests.tools.mariadb import start_mariadb
from tests.tools.postgres import start_postgres
from tests.unit.service.rest.test_scan_results import IMAGE, bom, path_of

_NUMBERS = itertools.count()
_STARTERS = {"postgresql": start_postgres, "mariadb": start_mariadb}
_LISTENING = re.compile(r"listening on (http://\S+)")


@pytest.fixture(scope="module", params=list(_STARTERS))
def server(request):
    with _STARTERS[request.param]("127.0.0.1") as started:
        yield started


@contextmanager
def serve(*words, environment=None):
    """The command, once it listens: a client, and its process."""
    with serving_by([sys.executable, "-m", "scanmatrix", "serve", "--port", "0", *words], environment) as found:
        yield found


@contextmanager
def serving_by(command, environment=None):
    """The same of another command."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := _LISTENING.search(line):
                break
        else:
            pytest.fail("".join(lines))
        with httpx2.Client(base_url=found[1], timeout=60) as client:
            yield client, process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def until_ready(client, seconds=60):
    end = time.monotonic() + seconds
    while (answer := client.get("/readyz")).status_code != 200:
        assert time.monotonic() < end, answer.text
        time.sleep(0.1)


def test_without_any_configuration(tmp_path):
    volume = volume_in(tmp_path)
    with serve("--volume", str(volume.root)) as (client, process):
        until_ready(client)
        assert len(client.get("/api/v1/runs").json()["runs"]) == 2
        put = client.put("/scan-results", json={"imageId": IMAGE, "report": bom()})
        assert put.status_code == 200, put.text
        assert client.get(path_of(IMAGE)).json()["report"] == bom()
        assert client.get("/api/v1/who-has?id=CVE-2024-0727").json()["count"] == {"value": 1, "kind": "exact"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in {0, -signal.SIGTERM}
        told = [json.loads(line) for line in process.stderr if line.startswith("{")]
    paths = {line["path"] for line in told if line["logger"] == "scanmatrix.requests"}
    assert "/scan-results/{imageId}" in paths
    assert {"time", "level", "message", "request_id", "status", "seconds"} <= told[-1].keys()


def test_another_address_is_refused_without_authentication(tmp_path):
    command = [sys.executable, "-m", "scanmatrix", "serve", "--host", "0.0.0.0", "--volume", str(tmp_path / "v")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "authentication" in done.stderr) == (2, True), done.stderr


def test_the_database_goes_away_and_comes_back(server, tmp_path):
    volume = volume_in(tmp_path)
    kind = type(server).__name__
    url = server.create(f"service{next(_NUMBERS)}")
    with serve("--volume", str(volume.root), environment={"SCANMATRIX_STORE__URL": url}) as (client, _):
        until_ready(client)
        before = client.get("/api/v1/findings").json()
        assert client.put("/scan-results", json={"imageId": IMAGE, "report": bom()}).status_code == 200, kind
        server.kill()
        try:
            answer = client.get("/api/v1/findings")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
        finally:
            server.start()
        until_ready(client)
        again = client.get("/api/v1/findings").json()
        assert again["findings"][: len(before["findings"])] == before["findings"]
        assert client.get(path_of(IMAGE)).json()["report"] == bom()
        assert client.delete(path_of(IMAGE)).status_code == 204
        assert client.get("/api/v1/findings").json() == before


def test_lists_are_read_by_an_index(server, tmp_path):
    url = server.create(f"service{next(_NUMBERS)}")
    volume = volume_in(tmp_path)
    with serve("--volume", str(volume.root), environment={"SCANMATRIX_STORE__URL": url}) as (client, _):
        until_ready(client)
    engine = make_engine(parse_url(url))
    assert not sorted_by_hand(engine)
    engine.dispose()


def test_a_body_that_never_ends(tmp_path):
    config = configured(volume_in(tmp_path))
    settings = ServeSettings(refresh_seconds=3600, body_seconds=1.0)
    with listening(config, settings=settings) as service, socket.create_connection(("127.0.0.1", service.port)) as line:
        line.settimeout(20)
        line.sendall(
            b"PUT /scan-results HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"ima\r\n'
        )
        began = time.monotonic()
        answer = line.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408"), answer
        assert time.monotonic() - began < 30


def test_two_submissions_with_one_key_are_one_run(tmp_path):
    with serve("--volume", str(tmp_path / "volume"), environment={"SCANMATRIX_LIMITS__RETRIES": "0"}) as (client, _):
        until_ready(client)
        wanted = {"targets": ["127.0.0.1:1/shop/web:1"], "scans": ["root-user"]}

        def submit(_):
            return client.post("/api/v1/runs", json=wanted, headers={"Idempotency-Key": "4711"})

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(submit, range(4)))
        assert [answer.status_code for answer in answers] == [202] * 4, [answer.text for answer in answers]
        assert len({answer.json()["run"] for answer in answers}) == 1
        assert sum(not answer.json()["known"] for answer in answers) == 1
        other = client.post("/api/v1/runs", json=wanted | {"scans": []}, headers={"Idempotency-Key": "4711"})
        assert other.status_code == 409
        run = answers[0].json()["run"]
        end = time.monotonic() + 60
        while client.get(f"/api/v1/runs/{run}").json().get("state") != "finished":
            assert time.monotonic() < end
            time.sleep(0.2)
        # As if it had been killed while it put the results together: the same submission is what continues it.
        results = Volume(tmp_path / "volume").results(run)
        (results / MARK).write_text(str(Attempts(1, provisional=True)))
        assert not is_whole(results)
        assert submit(0).json()["known"]
        while not is_whole(results):
            assert time.monotonic() < end
            time.sleep(0.2)
        for local in ("/etc/passwd", "dir:/etc", "-", "file:///etc", "git@x:y", "../x.tar"):
            answer = client.post("/api/v1/plan", json={"targets": [local]})
            assert answer.status_code == 400, local


_IMPATIENT = """
import sys
from orchestrator import load_config
from orchestrator.service.rest.serving import serve
from orchestrator.service.rest.settings import ServeSettings
settings = ServeSettings(port=0, grace_seconds=1)
serve(load_config(volume=sys.argv[1]), settings, listening=lambda url: print("listening on", url, file=sys.stderr))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_plan_that_hangs_does_not_keep_the_service_from_its_end(tmp_path, number):
    """The registry takes the connection and says nothing, for as long as a look-up waits: a minute, several times."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        serving_by([sys.executable, "-c", _IMPATIENT, str(tmp_path / "volume")]) as (client, process),
        ThreadPoolExecutor(1) as pool,
    ):
        name = f"127.0.0.1:{silent.getsockname()[1]}/shop/web:1"
        pool.submit(client.post, "/api/v1/plan", json={"targets": [name], "scans": ["root-user"]})
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(number)
            assert process.wait(30) == -number
