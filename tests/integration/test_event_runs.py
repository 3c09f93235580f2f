"""From a push to a real registry to what its sink is sent: the registry's own webhook, the service as people run it."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import httpx2
import pytest

from orchestrator.notifications.webhook import signed
from tests.tools import oci_artifacts, samples
from tests.tools.postgres import start_postgres
from tests.tools.push import push
from tests.tools.receivers import webhook
from tests.tools.servers import start_registry

SECRET, KEY = "s3cret-of-the-registry", "key-of-the-signatures"
_LISTENING = re.compile(r"listening on (http://\S+)")


@contextmanager
def serve(folder, port=0):
    command = [
        sys.executable,
        "-m",
        "scanmatrix",
        "serve",
        "--port",
        str(port),
        "--config",
        str(folder / "scanmatrix.yaml"),
    ]
    environment = {**os.environ, "REGISTRY_SECRET": SECRET}
    with (folder / "service.log").open("a+") as log:
        begin = log.tell()
        process = subprocess.Popen(command, stderr=log, env=environment)
        try:
            until = time.monotonic() + 60
            while not (found := _LISTENING.search((folder / "service.log").read_text()[begin:])):
                assert process.poll() is None, (folder / "service.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            with httpx2.Client(base_url=found[1], timeout=30) as client:
                yield client, process
        finally:
            process.kill()
            process.wait()


def configure(folder, sink, store=None, **more):
    section = {
        "senders": [{"name": "registry", "kind": "distribution", "secret": "${REGISTRY_SECRET}"}],
        "rules": [{"name": "shop", "images": "127.0.0.1:*/shop/*", "scans": ["root-user"]}],
        "sinks": [{"url": sink.url, "secret": KEY}],
        "settle": "1s",
    }
    whole = {
        "volume": {"path": "volume"},
        "events": {**section, **more},
        **({"store": {"url": store}} if store else {}),
    }
    text = json.dumps(whole)  # JSON is YAML
    (folder / "scanmatrix.yaml").write_text(text)


def pushed(number, image):
    """A CloudEvent, as a client posts it."""
    event = {"specversion": "1.0", "id": str(number), "source": "/ci", "type": "io.scanmatrix.image.pushed"}
    body = json.dumps({**event, "data": {"image": image}})
    return {"content": body, "headers": {"content-type": "application/cloudevents+json"}}


def until(what, seconds=60, log=None):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, log.read_text() if log else ""
        time.sleep(0.1)
    return found


def told(sink, kind=""):
    found = [json.loads(body) for _, body in sink.got]
    return [each for each in found if each["type"].endswith(kind)]


def counted(client, **labels):
    wanted = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    found = re.search(rf"^scanmatrix_events_total{{{wanted}}} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture
def hook():
    with webhook() as sink:
        yield sink


def test_a_push_is_scanned_and_sent_to_the_sink(tmp_path, hook):
    configure(tmp_path, hook)
    log = tmp_path / "service.log"
    with serve(tmp_path) as (client, _):
        notifies = (f"{client.base_url}/events/registry".replace("//events", "/events"), f"Bearer {SECRET}")
        with start_registry(tmp_path / "registry", notifies=notifies) as registry:
            image = samples.small()
            name = push(registry.host, "shop/web", image, tag="1.4")
            [finished] = until(lambda: told(hook, ".finished"), log=log)
            assert finished["data"]["outcome"] == "scanned"
            assert finished["data"]["digest"] == image.digest
            assert finished["data"]["cells"]["ok"] == 1
            assert finished["data"]["passed"] is True
            run = finished["data"]["run"]
            kinds = [each["type"].rpartition("run.")[2] for each in told(hook) if each["data"]["run"] == run]
            assert (kinds[0], kinds[-1]) == ("started", "finished")
            # Under the name that was pushed, not under its digest.
            assert [each["references"] for each in client.get("/api/v1/targets").json()["targets"]] == [[name]]

            headers, body = hook.got[-1]
            names = {key.lower(): value for key, value in headers.items()}
            stamp = int(names["x-scanmatrix-timestamp"])
            assert signed("", body, KEY, stamp)["X-Scanmatrix-Signature-256"] == names["x-scanmatrix-signature-256"]
            assert names["content-type"] == "application/cloudevents+json"

            # The same image under another tag, what is no image, and what no rule is about: each is of no use.
            push(registry.host, "shop/web", image, tag="latest")
            push(registry.host, "shop/chart", oci_artifacts.cosigned("signature", b"{}"), tag="1.0")
            push(registry.host, "elsewhere/web", image, tag="1.0")
            for outcome in ("same-digest", "not-an-image", "no-rule", "no-push"):
                until(lambda outcome=outcome: counted(client, outcome=outcome, sender="registry"), log=log)
            assert [each["data"]["run"] for each in told(hook, ".started")] == [run]
            assert SECRET not in log.read_text()


def test_an_accepted_event_outlives_its_receiver(tmp_path, hook, registry, repository):
    configure(tmp_path, hook, rules=[{"name": "all", "images": "127.0.0.1:*/*", "scans": ["root-user"]}], settle="0s")
    hook.answers[:] = [(503, {}, "away"), (200, {}, "ok")]
    names = [
        push(registry.host, f"{repository}/{number}", samples.small(content=str(number)), tag="1")
        for number in range(4)
    ]
    with serve(tmp_path) as (client, process):

        def send(number):
            return client.post("/events", **pushed(number, names[number]))

        for number in range(4):
            until(lambda number=number: send(number).status_code == 202)  # as senders do; the first may come too early
        process.send_signal(signal.SIGKILL)
        process.wait()
    for _ in range(2):  # once before it has done anything, then while it does
        with serve(tmp_path) as (client, process):
            time.sleep(1)
            process.send_signal(signal.SIGKILL)
            process.wait()
    with serve(tmp_path) as (client, _):
        until(lambda: send(3).json().get("ignored") == {"duplicate": 1})
        until(
            lambda: len({each["data"]["target"] for each in told(hook, ".finished")}) == 4,
            150,
            tmp_path / "service.log",
        )
        runs = {each["data"]["run"] for each in told(hook, ".finished")}
        assert len(runs) == 4
        assert {each["run"] for each in client.get("/api/v1/runs").json()["runs"]} == runs


def test_what_cannot_be_stored_is_not_accepted(tmp_path, hook):
    event = pushed(1, "127.0.0.1:5000/shop/web:1")
    with start_postgres("127.0.0.1") as server:
        configure(tmp_path, hook, store=server.create("events"), settle="1h")
        with serve(tmp_path) as (client, _):
            until(lambda: client.get("/readyz").status_code == 200)
            server.kill()
            try:
                answer = client.post("/events", **event)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
            finally:
                server.start()
            until(lambda: client.get("/readyz").status_code == 200)
            assert client.post("/events", **event).status_code == 202
            assert client.post("/events", **event).json()["ignored"] == {"duplicate": 1}


SEED = int(os.environ.get("CAMPAIGN_SEED", "0")) or time.time_ns() % 10**9


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.campaign)])
def test_a_receiver_that_is_killed_at_any_point_keeps_what_it_accepted(tmp_path, hook, kills):
    chance, over = random.Random(SEED), Event()
    configure(tmp_path, hook, settle="1h", waiting=1_000_000)
    accepted, port = set(), 0

    def send(sender):
        """As senders do: an event that is not answered is sent again, and again after that, under its id."""
        for number in range(10**6):
            own = f"{sender}-{number}"
            event = pushed(own, f"127.0.0.1:5000/shop/{sender}:{number}")
            while not over.is_set():
                try:
                    answer = httpx2.post(f"http://127.0.0.1:{port}/events", **event)
                except httpx2.TransportError:
                    time.sleep(0.02)
                    continue
                assert answer.status_code in {200, 202, 503}, answer.text
                if answer.status_code != 503:
                    accepted.add(own)
                    break
            if over.is_set():
                return

    with ThreadPoolExecutor(4) as threads:
        senders = []
        try:
            for _ in range(kills):
                with serve(tmp_path, port) as (client, process):
                    port = client.base_url.port
                    senders = senders or [threads.submit(send, sender) for sender in range(4)]
                    if not accepted:  # its tables are made first
                        until(lambda: accepted, log=tmp_path / "service.log")
                    time.sleep(chance.uniform(0, 1))
                    process.send_signal(signal.SIGKILL)
                    process.wait()
        finally:
            over.set()
        for each in senders:
            each.result()
    with sqlite3.connect(tmp_path / "volume" / "store.sqlite3") as store:
        kept = [event for (event,) in store.execute("SELECT event FROM inbox")]
    print(f"seed {SEED}: {kills} kills, {len(accepted)} events accepted")  # noqa: T201
    assert accepted <= set(kept), f"seed {SEED}"
    assert len(kept) == len(set(kept)), f"seed {SEED}"
