"""The store on real servers: what every database must do, and a server that is killed while a run comes in."""

import itertools
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from orchestrator.queries import Store
from orchestrator.store import StoreGoneError, deadlines, writing
from orchestrator.store import cells as cells_module
from orchestrator.store.cell_queue.store import QueueStore
from orchestrator.store.deadlines import within
from orchestrator.store.documents import StoreSlowError
from orchestrator.store.migration import newest_revision
from tests.store_servers import *  # noqa: F403
from tests.store_suite import *  # noqa: F403
from tests.stored_runs import day, finding, rows_of, write_run


@pytest.fixture
def killed_after(server, monkeypatch):
    """Have the server die right before a cell is committed."""

    def arm(cells: int, then: Callable[[], object] = lambda: None) -> None:
        write, count = cells_module.CellWriter.write, itertools.count(1)

        def dying(self, *given):
            write(self, *given)
            if next(count) == cells:
                server.kill()
                then()

        monkeypatch.setattr(writing, "CELLS_AT_ONCE", 1)
        monkeypatch.setattr(cells_module.CellWriter, "write", dying)

    return arm


def _write_runs(volume):
    cells = {f"t{number}/dependency": [finding(number), finding(number + 1)] for number in range(6)}
    write_run(volume, "run-1", day(1), cells)
    write_run(volume, "run-2", day(2), {**cells, "t1/dependency": []})


def test_killed_in_a_transaction_and_back_later(server, url, volume, killed_after):
    _write_runs(volume)
    killed_after(4)
    with Store(url, patience=0) as store:
        with pytest.raises(StoreGoneError, match="no result is lost"):
            store.take_in_all(volume)
        with pytest.raises(StoreGoneError):
            store.versions()
        server.start()
        rows = rows_of(url)
        assert len(rows["cells"]) <= 3
        assert len(rows["findings"]) == 2 * len(rows["cells"])
        assert [each.run for each in store.take_in_all(volume).runs] == ["run-1", "run-2"]
    assert len(rows_of(url)["cells"]) == 12


def test_killed_in_a_transaction_and_back_while_we_wait(server, url, volume, killed_after, tmp_path):
    _write_runs(volume)
    reviver = threading.Timer(2, server.start)
    killed_after(4, reviver.start)
    with Store(url, patience=60) as store:
        found = store.take_in_all(volume)
        reviver.join()
    assert [each.run for each in found.runs] == ["run-1", "run-2"]
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.sqlite3'}"
    with Store(undisturbed) as store:
        store.take_in_all(volume)
    assert rows_of(url) == rows_of(undisturbed)


def test_connections_that_the_server_ended_are_replaced(server, url, volume):
    _write_runs(volume)
    with Store(url, patience=0) as store, Store(url) as asked, QueueStore(url) as queue:
        store.take_in_all(volume)
        asked.check()
        queue.drop("nobody")
        server.kill()
        server.start()
        assert asked.versions()
        assert store.take_in_all(volume).known == 2
        assert queue.drop("nobody") == 0


def test_a_server_ends_a_question_that_takes_too_long(url):
    with Store(url) as store:
        store.migrate()
        sleep = "SELECT pg_sleep(60)" if url.startswith("postgres") else "SELECT SLEEP(60) FROM alembic_version"
        with pytest.raises(StoreSlowError), within(0.3), store._reading() as connection:
            connection.execute(text(sleep))
        # What has no deadline may last as long as it likes.
        with store._reading() as connection:
            assert connection.scalar(text(sleep.replace("60", "1"))) in {0, ""}
        with within(20), store._reading() as connection:
            assert 20 <= connection.info[deadlines._LIMIT] <= 25
        with within(19), store._reading() as connection:
            assert 20 <= connection.info[deadlines._LIMIT] <= 25


def test_replicas_that_migrate_at_once(url):
    found, failed = [], []

    def migrate():
        try:
            with Store(url) as store:
                found.append(store.migrate())
        except Exception as error:  # noqa: BLE001 - told in the assertion
            failed.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    newest = newest_revision()
    assert sorted(found) == [("", newest), *[(newest, newest)] * 3]
