"""Real database servers for suites of the store; a test module takes these fixtures in by name.

A module has its own servers, because tests kill them.
"""

import itertools

import pytest

from tests.tools.mariadb import start_mariadb
from tests.tools.postgres import start_postgres

_NUMBERS = itertools.count()
_STARTERS = {"postgresql": start_postgres, "mariadb": start_mariadb}


@pytest.fixture(scope="module", params=list(_STARTERS))
def server(request):
    with _STARTERS[request.param]("127.0.0.1") as started:
        yield started


@pytest.fixture
def url(server):
    return server.create(f"store{next(_NUMBERS)}")
