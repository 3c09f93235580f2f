"""Live events on a real socket: nothing is missed, nothing comes twice, and those who misbehave are dropped."""

import json
import socket
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from orchestrator.service.rest.live import following, hub, streams
from orchestrator.store.events.forgetting import forget_events
from tests.live_server import Changes, listening, told


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(hub, "LOOK_SECONDS", 0.02)


@pytest.fixture
def service(config):
    with listening(config) as found:
        yield found


@pytest.fixture
def changes(service):
    found = Changes(f"sqlite:///{service.state.kept.store.file}")
    yield found
    found.close()


def _begun(stream):
    events = iter(stream)
    first = next(events)
    assert first["event"] == "ready"
    return events, first["id"]


def test_a_change_reaches_all_who_follow(service, changes):
    stream = service.events()
    assert stream.answer.headers["content-type"].startswith("text/event-stream")
    events, _ = _begun(stream)
    with connect(service.url()) as plain, connect(service.url("?format=event")) as structured:
        assert json.loads(structured.recv(10))["kind"] == "ready"
        time.sleep(0.1)
        changes.of("a", "b")
        assert [json.loads(plain.recv(10)) for _ in range(2)] == ["registry.example/a", "registry.example/b"]
        told_all = json.loads(structured.recv(10))
        assert (told_all["kind"], told_all["target"], told_all["scans"]) == ("cells", "id-a", {"grype": "ok"})
        assert "owners" not in told_all
    assert told(events, 2) == ["a", "b"]
    stream.close()


def test_who_connects_again_is_sent_what_was_missed_once(service, changes):
    stream = service.events()
    events, _ = _begun(stream)
    changes.of("a", "b")
    ids = [next(events)["id"] for _ in range(2)]
    stream.close()
    changes.of("c", "d")
    again = service.events(Last_Event_ID=ids[0])
    events, place = _begun(again)
    assert place == ids[0]
    changes.of("e")
    assert told(events, 4) == ["b", "c", "d", "e"]
    again.close()


def test_beyond_what_is_kept_everything_is_to_be_read_again(service, changes):
    stream = service.events()
    events, place = _begun(stream)
    changes.of("a", "b", "c")
    told(events, 3)
    stream.close()
    with service.state.kept.store._engine.connect() as connection:
        forget_events(connection, number=1)
    for old in (place, "0123456789ab-1"):
        again = service.events(Last_Event_ID=old)
        events, _ = _begun(again)
        assert next(events)["event"] == "resync"
        changes.of("d")
        assert told(events, 1) == ["d"]
        again.close()


@pytest.mark.parametrize("made_up", ["x", "1", "a-b", "a-1; DROP TABLE events", "\u00e9-1"])
def test_a_made_up_cursor_is_refused(service, made_up):
    assert service.events(Last_Event_ID=made_up).status == 400


def test_a_heartbeat_says_where_the_line_is(service, changes, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(following.following, "__kwdefaults__", {"heartbeat": 0.1})
    stream = service.events()
    lines = iter(stream.answer.readline, b"")
    assert b": alive\n" in lines
    assert next(lines).startswith(b"id: ")
    stream.close()


def test_a_socket_that_never_reads_is_dropped_and_the_others_are_not(service, changes, monkeypatch):
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.5)
    stream = service.events()
    events, _ = _begun(stream)
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(("127.0.0.1", service.port))
    lazy.sendall(
        b"GET /subscribe?format=event HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    _wait(lambda: service.app.state.live.followers == 2)
    for _ in range(40):
        changes.many(500)
        for _ in range(500):
            next(events)
        if service.app.state.live.followers == 1:
            break
    _wait(lambda: service.app.state.live.followers == 1)
    changes.of("a")
    assert told(events, 1) == ["a"]
    lazy.close()
    stream.close()


def _again(times, action):
    for _ in range(times):
        action()


def _wait(until):
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_who_has_too_much_waiting_hears_that(service, changes, monkeypatch):
    monkeypatch.setattr(hub, "MOST_WAITING", 3)
    with connect(service.url("?format=event")) as structured:
        structured.recv(10)
        changes.many(10)
        with pytest.raises(ConnectionClosed) as closed:
            _again(10, lambda: structured.recv(10))
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "slow")


def test_a_socket_that_floods_is_closed(service):
    with connect(service.url()) as flooding:
        with pytest.raises(ConnectionClosed):
            _again(10_000, lambda: (flooding.send("x"), time.sleep(0.0005)))
        assert (flooding.protocol.close_rcvd.code, flooding.protocol.close_rcvd.reason[:5]) == (1008, "flood")
    _wait(lambda: service.app.state.live.followers == 0)


def test_no_more_follow_than_may(service, monkeypatch):
    monkeypatch.setattr(hub, "MOST_FOLLOWERS", 1)
    stream = service.events()
    _begun(stream)
    refused = service.events()
    assert (refused.status, refused.answer.headers["retry-after"]) == (503, "5")
    stream.close()


def test_who_goes_away_is_forgotten(service, changes):
    stream = service.events()
    _begun(stream)
    assert service.app.state.live.followers == 1
    stream.close()
    with connect(service.url()):
        pass
    _wait(lambda: service.app.state.live.followers == 0)


def test_a_service_that_stops_ends_its_streams(config):
    with listening(config) as service:
        stream = service.events()
        events, _ = _begun(stream)
        began = time.monotonic()
        service.state.stopping.set()
        assert [json.loads(event["data"])["why"] for event in events] == ["stopping"]
        stream.close()
    assert time.monotonic() - began < 30
