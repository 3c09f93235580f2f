"""What owners see, on real servers."""

from tests.scope_suite import *  # noqa: F403
from tests.store_servers import *  # noqa: F403
