"""The scheduler's part of the store, on real servers."""

from tests.backlog_suite import *  # noqa: F403
from tests.integration.test_store import server, url  # noqa: F401
