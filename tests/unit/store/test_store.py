"""The store on SQLite: what every database must do, and what is of the file only."""

import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.loading import default_config
from orchestrator.queries import Store
from orchestrator.results.provisional import MARK
from orchestrator.store import StoreGoneError, StoreUrlError
from orchestrator.store.migration import newest_revision
from orchestrator.volume.layout import Volume
from tests.examples import examples
from tests.raw_store import write_raw_store
from tests.store_suite import *  # noqa: F403
from tests.stored_runs import day, finding, rows_of, write_run

RUNS = st.lists(
    st.dictionaries(
        st.sampled_from(["a/dependency", "a/general", "b/dependency"]),
        st.one_of(
            st.lists(st.builds(finding, st.integers(1, 4), severity=st.sampled_from(["high", "low"])), max_size=4),
            st.sampled_from(["broke", "skipped: excluded"]),
        ),
        min_size=1,
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.sqlite3'}"


@settings(max_examples=examples(8))
@given(RUNS, st.randoms(use_true_random=False))
def test_any_order_and_any_number_of_times_gives_the_same_rows(tmp_path_factory, runs, shuffled):
    folder = tmp_path_factory.mktemp("any-order")
    volume = Volume(folder / "volume")
    names = [f"run-{number}" for number in range(len(runs))]
    for number, (run, cells) in enumerate(zip(names, runs, strict=True)):
        write_run(volume, run, day(number // 2), cells, components=1)
    other = names + random.Random(len(runs)).choices(names, k=2)
    shuffled.shuffle(other)
    found = []
    for order in (names, other):
        url = f"sqlite:///{folder / f'{len(found)}.sqlite3'}"
        with Store(url) as store:
            for run in order:
                store.take_in(volume, run)
        found.append(rows_of(url))
    assert found[0] == found[1]


def test_a_run_whose_results_are_not_together_is_not_imported_even_by_its_id(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"a/dependency": "its report was not read"})
    mark = volume.results("run-2") / MARK
    mark.write_text("1 provisional\n")
    found = store.take_in_all(volume, ["run-2", "run-1"])
    assert [taken.run for taken in found.runs] == ["run-1"]
    assert "run-2" in found.damaged
    assert store.who_has("CVE-2025-1").total == 1
    mark.unlink()
    assert [taken.run for taken in store.take_in_all(volume, ["run-2"]).runs] == ["run-2"]


def test_a_run_that_a_later_version_wrote_is_not_called_damaged(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    ledger = volume.results("run-1") / "ledger.json"
    ledger.write_text(ledger.read_text().replace('"schema_version":1', '"schema_version":9'))
    said = store.take_in_all(volume, ["run-1"]).damaged["run-1"]
    assert "this ledger has schema_version 9" in said
    assert "remove them" not in said


def test_older_stores_are_brought_up_to_date_at_the_same_time(tmp_path, volume):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    urls = [f"sqlite:///{tmp_path / f'{number}.sqlite3'}" for number in range(4)]
    for each in urls:
        write_raw_store(each, volume, {"run-1": day(1)}, "a/dependency", ["CVE-2025-1"])

    def migrate(url):
        with Store(url) as store:
            return store.migrate()

    with ThreadPoolExecutor() as pool:
        assert set(pool.map(migrate, urls)) == {("0005", newest_revision())}


def test_where_it_is_without_a_url(tmp_path):
    config = default_config(environment={}, volume={"path": str(tmp_path)})
    with Store.of(config) as store:
        store.migrate()
        assert repr(store) == f"Store('sqlite:///{tmp_path}/store.sqlite3')"
    assert (tmp_path / "store.sqlite3").exists()


def test_passwords_are_never_shown():
    with Store("postgresql://ann:geheim@127.0.0.1:1/x", patience=0) as store:
        assert repr(store) == "Store('postgresql://ann:***@127.0.0.1:1/x')"
        with pytest.raises(StoreGoneError) as caught:
            store.versions()
    assert "geheim" not in str(caught.value)
    assert "store import" in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "oracle://ann:geheim@host/x", "http://host"])
def test_urls_of_no_database(url):
    with pytest.raises(StoreUrlError) as caught:
        Store(url)
    assert "geheim" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "x").write_bytes(b"not a database at all, but text that is long enough to be one" * 9)
    with Store(f"sqlite:///{tmp_path / 'x'}", patience=0) as store, pytest.raises(Exception, match="not a database"):
        store.migrate()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ssl_verify_identity=true", "ssl_ca"),
        ("ssl_mode=VERIFY_IDENTITY", "ssl_mode"),
        ("sslrootcert=/x", "sslrootcert"),
        ("ssl_ca=/no/such/file", "/no/such/file"),
        ("ssl_ca=FILE", "certificates"),
        ("ssl_ca=FILE&ssl_verify_identity=perhaps", "true or false"),
    ],
)
def test_tls_that_would_verify_nothing_is_refused_before_anybody_is_asked(tmp_path, query, said):
    file = tmp_path / "ca.crt"
    file.write_text("not a certificate")
    with pytest.raises(StoreUrlError, match=said) as caught:
        Store(f"mariadb://u:hunter2@db.example/x?{query.replace('FILE', str(file))}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:SECRET@db.example/x",
        "postgresql://u:SEC%40RET@db.example/x?sslmode=require",
        "postgresql://db.example/x?user=u&password=SECRET",
        "postgresql://db.example/x?sslpassword=SECRET&sslmode=verify-full",
        "postgresql://db.example/x?pass%77ord=SECRET",
        "mariadb://db.example/x?user=u&passwd=SECRET",
    ],
)
def test_no_password_of_a_url_is_shown(url):
    assert not {"SECRET", "SEC@RET", "SEC%40RET"} & set(re.split(r"[&=:@/?']", repr(Store(url))))
    assert "***" in repr(Store(url))
