"""Lists are read in the order of an index on SQLite, too; those of the servers are in `tests/integration`."""

import pytest
from sqlalchemy import select

from orchestrator.queries import Store
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.schema import states
from tests import lists
from tests.lists import sorted_by_hand


@pytest.fixture
def engine(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with Store(url) as store:
        store.migrate()
    engine = make_engine(parse_url(url))
    yield engine
    engine.dispose()


def test_lists_are_read_by_an_index(engine):
    assert not sorted_by_hand(engine)


def test_a_list_without_an_index_is_found(engine, monkeypatch):
    bad = {"sorted": select(states).order_by(states.c.reason), "whole": select(states.c.reason)}
    monkeypatch.setattr(lists, "LISTS", bad)
    assert sorted_by_hand(engine).keys() == bad.keys()
