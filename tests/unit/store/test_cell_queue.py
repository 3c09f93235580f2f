"""The queue, on SQLite."""

import pytest

from tests.queue_suite import *  # noqa: F403


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.sqlite3'}"
