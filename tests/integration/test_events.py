"""Events on real servers."""

from tests.events_suite import *  # noqa: F403
from tests.store_servers import *  # noqa: F403
