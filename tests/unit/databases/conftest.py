import time

import pytest

from orchestrator.databases.interface import FetchLimit


@pytest.fixture
def watch() -> FetchLimit:
    return FetchLimit(time.monotonic() + 60)
