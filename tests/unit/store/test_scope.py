"""What owners see, on SQLite."""

import pytest

from tests.scope_suite import *  # noqa: F403


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.sqlite3'}"
