"""The inbox of events, on SQLite."""

import pytest

from tests.inbox_suite import *  # noqa: F403
from tests.inbox_suite import accept, event, spoil, take


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.sqlite3'}"


@pytest.mark.parametrize("column", ["push", "sender", "source"])
def test_bytes_that_are_no_text_fail_their_own_event_alone(url, inbox, column):
    accept(inbox, event("a"), event("b", "2"))
    spoil(url, f"{column} = CAST(x'6101ff' AS TEXT)")
    taken = take(inbox)
    assert set(taken) == {"a", "b"}
    assert "damaged" in taken["a"].damage
    assert not taken["b"].damage
    for each in taken["a"].event[:5]:
        each.encode()  # it can be shown
    assert inbox.counts().waiting == 2
