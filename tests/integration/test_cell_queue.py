"""The queue, on real servers."""

from tests.integration.test_store import server, url  # noqa: F401
from tests.queue_suite import *  # noqa: F403
