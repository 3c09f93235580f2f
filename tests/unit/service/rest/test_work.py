"""What changes something: runs that this process carries."""

import threading
from types import SimpleNamespace

import pytest

from orchestrator.service import running
from orchestrator.service.rest import background


class Waiting:
    """An engine whose runs last until they are interrupted."""

    def __init__(self):
        self.interrupted = threading.Event()

    def run(self, plan, observer):
        assert self.interrupted.wait(20)

    def interrupt(self):
        self.interrupted.set()


@pytest.fixture
def engines(client, config, monkeypatch):
    """Two runs under way in the service, and their engines."""
    made = {"one": Waiting(), "two": Waiting()}
    waiting = iter(made.values())
    monkeypatch.setattr(background.engines, "make", lambda config: next(waiting))
    monkeypatch.setattr(running, "status_of", lambda state, run: SimpleNamespace(ended=False))
    for run in made:
        client.app.state.carried.run(SimpleNamespace(run=run), config)
    yield made
    for engine in made.values():
        engine.interrupt()


@pytest.mark.parametrize("path", ["/api/v1/runs/one/cancel", "/runs/one/cancel"])
def test_a_run_that_is_cancelled_ends_alone(client, engines, path):
    """The process that works on it is the service itself, which no signal may end."""
    assert client.post(path, follow_redirects=False).status_code in {200, 303}
    assert {run: engine.interrupted.is_set() for run, engine in engines.items()} == {"one": True, "two": False}
