import time

import pytest

from orchestrator.databases.interface import Watch


@pytest.fixture
def watch() -> Watch:
    return Watch(time.monotonic() + 60)
