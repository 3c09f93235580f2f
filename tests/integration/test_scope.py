"""What owners see, on real servers."""

import itertools

import pytest

from tests.scope_suite import *  # noqa: F403
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
    return server.create(f"scope{next(_NUMBERS)}")
