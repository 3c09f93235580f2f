"""The store by TLS: with the right authority and host name it works, with another of either it does not."""

import pytest

from orchestrator.queries import Store
from orchestrator.store import StoreGoneError
from tests.tools.certificates import Authority
from tests.tools.mariadb import start_mariadb
from tests.tools.postgres import start_postgres

_STARTERS = {"postgresql": start_postgres, "mariadb": start_mariadb}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """The right one, and another."""
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder / "right"), Authority(folder / "wrong")


@pytest.fixture(scope="module", params=list(_STARTERS))
def server(request, authorities):
    """One that lets nobody in without TLS; its certificate is for `localhost` alone, not for 127.0.0.1."""
    with _STARTERS[request.param]("127.0.0.1", tls=authorities[0].sign("localhost")) as started:
        yield started


def url(server, host, authority):
    """The URL that `docs/store.md` says, with this authority's certificate."""
    base = f"{server.user}:{server.password}@{host}:{server.port}/tls"
    if "mariadb" in type(server).__name__.lower():
        return f"mariadb://{base}?ssl_ca={authority.file}&ssl_verify_identity=true"
    return f"postgresql://{base}?sslmode=verify-full&sslrootcert={authority.file}"


@pytest.fixture(scope="module", autouse=True)
def _database(server):
    server.create("tls")


def migrate(url):
    with Store(url, patience=0) as store:
        return store.migrate()


def test_the_right_authority_and_name(server, authorities):
    assert migrate(url(server, "localhost", authorities[0]))[1]


@pytest.mark.parametrize(("host", "number"), [("localhost", 1), ("127.0.0.1", 0)])
def test_another_authority_or_another_name_is_refused_and_no_password_shown(server, authorities, host, number):
    with pytest.raises(StoreGoneError) as caught:
        migrate(url(server, host, authorities[number]))
    assert "certificate" in str(caught.value).lower()
    assert server.password not in str(caught.value)


def test_a_password_among_the_parameters_is_shown_nowhere(server, authorities):
    secret = "hunter2-s3cret"
    right = url(server, "localhost", authorities[0])
    given = right.replace(f"{server.user}:{server.password}@", "") + f"&user={server.user}&password={secret}"
    store = Store(given, patience=0)
    assert secret not in repr(store)
    assert "password=***" in repr(store)
    with pytest.raises(StoreGoneError) as caught:
        store.migrate()
    assert secret not in str(caught.value)
