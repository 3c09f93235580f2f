"""`DATABASE_TYPE` and `DSN`, as Go's drivers spell them."""

import pytest
from sqlalchemy.engine import make_url

from orchestrator import load_config
from orchestrator.config.dsn import url_of, with_dsn
from orchestrator.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "dsn", "url"),
    [
        ("sqlite", "test.db", "sqlite:///test.db"),
        ("sqlite", "file:/data/scans.db?cache=shared", "sqlite:////data/scans.db"),
        ("postgres", "host=db user=u password='p w' dbname=d port=5433", "postgresql://u:p%20w@db:5433/d"),
        ("postgres", "dbname=d sslmode=disable", "postgresql://localhost:5432/d?sslmode=disable"),
        ("postgresql", "postgresql://u:p@db/d", "postgresql://u:p@db/d"),
        ("mysql", "u:p@ss/:w@tcp(db:3306)/d?charset=utf8mb4", "mysql://u:p%40ss%2F%3Aw@db:3306/d"),
        ("mariadb", "u@tcp(db:3306)/d", "mariadb://u@db:3306/d"),
    ],
)
def test_a_dsn_is_the_url_of_the_same_database(kind, dsn, url):
    assert url_of(kind, dsn) == url
    assert make_url(url).database


@pytest.mark.parametrize(
    ("kind", "dsn"),
    [("oracle", "secret"), ("postgres", "secret"), ("postgres", "host='secret"), ("mysql", "secret")],
)
def test_what_cannot_be_understood_is_refused_without_its_password(kind, dsn):
    with pytest.raises(UsageError) as refused:
        url_of(kind, dsn)
    assert "secret" not in str(refused.value)


def test_the_configuration_wins_and_both_variables_belong_together():
    config = load_config()
    assert with_dsn(config, {}) is config
    found = with_dsn(config, {"DATABASE_TYPE": "sqlite", "DSN": "x.db"})
    assert found.store.url.get_secret_value() == "sqlite:///x.db"
    assert with_dsn(found, {"DATABASE_TYPE": "mysql", "DSN": "u@tcp(db)/d"}) is found
    for only in ({"DATABASE_TYPE": "sqlite"}, {"DSN": "x.db"}):
        with pytest.raises(UsageError, match="set both"):
            with_dsn(config, only)
