"""Answers that the service keeps: until something changes, and no more of them than memory has room for."""

import pytest

from orchestrator.queries.kept import keeping
from orchestrator.service.rest import state as states
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.service.rest.state import ServiceState
from orchestrator.store.inbox.store import InboxStore
from tests.stored_runs import day, finding, write_run


@pytest.fixture
def state(volume, config):
    with keeping(volume, config) as kept:
        yield ServiceState(config, ServeSettings(), kept, InboxStore.of(config))


def test_an_answer_is_made_again_once_something_changed(volume, state):
    made = iter(range(9))
    assert [state.once("key", lambda: next(made)) for _ in range(2)] == [0, 0]
    write_run(volume, "run-later", day(9), {"a/dependency": [finding(1)]})
    state.kept.refresh()
    assert [state.once("key", lambda: next(made)) for _ in range(2)] == [1, 1]


def test_of_long_answers_few_are_kept(state, monkeypatch):
    """Anybody may ask what changed since any moment, each time another answer with all that is still there."""
    monkeypatch.setattr(states, "_KEPT_ROWS", 10)
    made = []

    def ask(key, rows):
        return state.once(key, lambda: made.append(key) or [key] * rows)

    for moment in range(4):
        ask(moment, 5)
    for moment in (3, 2, 1):
        ask(moment, 5)
    assert made == [0, 1, 2, 3, 1]
    for _ in range(2):
        assert len(ask("longer", 50)) == 50
    assert made == [0, 1, 2, 3, 1, "longer"]
