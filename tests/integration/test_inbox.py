"""The inbox of events, on real servers."""

from tests.inbox_suite import *  # noqa: F403
from tests.integration.test_store import server, url  # noqa: F401
