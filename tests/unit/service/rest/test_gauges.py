"""The gauges of the matrix cost little: findings are counted when something changed, not at every look."""

import pytest

from orchestrator.api import store as store_api
from orchestrator.service.rest.metrics.gauges import take
from orchestrator.service.rest.state import serving
from tests.served import NAMES, QUICK
from tests.stored_runs import LOG4J, day, write_run


@pytest.fixture
def counted(monkeypatch):
    """How often findings were counted."""
    asked = []
    ask = store_api.overview_now
    monkeypatch.setattr(store_api, "overview_now", lambda config: (asked.append(1), ask(config))[1])
    return asked


def test_findings_are_counted_again_only_when_something_changed(config, volume, counted):
    with serving(config, QUICK) as state, state.kept.here():
        state.kept.refresh()
        first, again = take(state), take(state)
        assert len(counted) == 1
        assert findings(first) == findings(again)
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J]}, names={"a": NAMES["a"]})
        state.kept.refresh()
        assert findings(take(state)) != findings(first)
        assert len(counted) == 2


def findings(snapshot):
    return next(dict(family.values) for family in snapshot.families if family.name == "findings")
