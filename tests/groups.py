"""Which tests stay together on one worker of pytest-xdist: those that share what is made once, or one port.

The marker `xdist_group` does not do it: pytest-xdist 3.8 writes groups into an attribute of tests that pytest 9.2 does
not read any more.
"""

from collections.abc import Callable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

#: From the id of a test to the name of its group.
Grouping = Callable[[str], str]


def file_of(nodeid: str) -> str:
    """The name of the file that a test is in."""
    return nodeid.partition("::")[0].rpartition("/")[2]


class Grouped(LoadScopeScheduling):
    """Sends each group to one worker as a whole, in the order in which the tests were collected."""

    def __init__(self, config: pytest.Config, log: Producer, grouping: Grouping) -> None:
        super().__init__(config, log)
        self._grouping = grouping

    def _split_scope(self, nodeid: str) -> str:
        return self._grouping(nodeid)
