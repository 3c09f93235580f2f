"""The REST service in tests, on a socket of its own: for streams, and callers that misbehave."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from sqlalchemy import insert

from orchestrator.config.loading import Config
from orchestrator.service.rest.app import make_app
from orchestrator.service.rest.caller import CallerGuard
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.service.rest.state import ServiceState, serving
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.events.recording import recording
from orchestrator.store.schema import names, targets

_SETTINGS = ServeSettings(refresh_seconds=3600)


class Listening:
    """A service that listens.

    Attributes:
        state: of it.
        port: on loopback.
    """

    def __init__(self, state: ServiceState, port: int) -> None:
        self.state = state
        self.port = port

    def events(self, *, token: str = "", **headers: str) -> "Stream":
        """A stream of server-sent events, once its headers are there."""
        return Stream(self.port, headers | ({"Authorization": f"Bearer {token}"} if token else {}))

    def url(self, query: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}/subscribe{query}"


class Stream:
    """What a stream sends, event by event."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.connection.request(
            "GET", "/api/v1/events", headers={key.replace("_", "-"): headers[key] for key in headers}
        )
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        if self.status != 200:
            self.answer.read()
            self.close()

    def __iter__(self) -> Iterator[dict[str, str]]:
        event: dict[str, str] = {}
        for line in iter(self.answer.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if not name and "data" in event:
                yield event
            if name:
                event[name] = value
            else:
                event = {}

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


@contextmanager
def listening(
    config: Config, *, guard: CallerGuard | None = None, settings: ServeSettings = _SETTINGS, port: int = 0, **options
) -> Iterator[Listening]:
    """A service in a thread of this process, at a port of its own or a known one; `options` are uvicorn's."""
    with serving(config, settings) as state:
        state.kept.refresh()
        listener = socket.create_server(("127.0.0.1", port), backlog=2048)
        app = make_app(state, guard=guard)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5, **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until = time.monotonic() + 20
            while not server.started and time.monotonic() < until:
                time.sleep(0.02)
            found = Listening(state, listener.getsockname()[1])
            found.app = app
            yield found
        finally:
            state.stopping.set()
            server.should_exit = True
            thread.join()
            listener.close()


class Changes:
    """Makes changes in a store, as another process does."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(parse_url(url))
        self._known: dict[str, int] = {}

    def of(self, *changed: str, owner: str = "shop") -> None:
        """Targets get a new result, each in a transaction of its own; target `x` is `registry.example/x`."""
        for target in changed:
            with self._engine.connect() as connection, recording(connection) as recorder:
                if target not in self._known:
                    row = {"target": f"id-{target}", "reference": f"registry.example/{target}"}
                    [number] = connection.execute(insert(targets).values(row)).inserted_primary_key
                    name = {"target_id": number, "reference": row["reference"], "owner": owner, "digest": target}
                    connection.execute(insert(names).values(name))
                    self._known[target] = number
                recorder.cell("run-x", self._known[target], "grype", "ok")

    def many(self, count: int) -> None:
        """As many changes at once, of no target."""
        with self._engine.connect() as connection, recording(connection) as recorder:
            for number in range(count):
                recorder.store(f"{number} {'x' * 200}")

    def close(self) -> None:
        self._engine.dispose()


def told(stream: Iterator[dict[str, str]], count: int) -> list[str]:
    """References of as many changes."""
    found = []
    for event in stream:
        if event["event"] == "cells":
            found.append(json.loads(event["data"])["reference"].removeprefix("registry.example/"))
        if len(found) == count:
            return found
    return found
