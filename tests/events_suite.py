"""What events must do on every database: imported by the unit tests (SQLite) and by the integration tests (servers).

A module that imports it has a fixture `url`: of an empty database.
"""

import multiprocessing
import random
import threading
import time
from contextlib import suppress

import pytest
from sqlalchemy import insert, text, update

from orchestrator.model import Name
from orchestrator.queries import Store
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.documents import Container, StoredWorkload
from orchestrator.store.events.forgetting import forget_events
from orchestrator.store.events.messages import EventCursor, EventCursorError, EventKind
from orchestrator.store.events.recording import recording
from orchestrator.store.events.tables import events
from orchestrator.store.schema import targets
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run

_WRITERS, _EACH = 4, 12
_OWN = "own work of a writer"


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def store(url):
    with Store(url, patience=20) as opened:
        yield opened


def _write(url, name, seed):
    """Transactions of one process: most are committed late, some are undone, each tells what it does."""
    chance, engine = random.Random(seed), make_engine(parse_url(url))
    for number in range(_EACH):
        undone = number % 4 == 3
        with engine.connect() as connection, suppress(InterruptedError), recording(connection) as recorder:
            connection.execute(insert(targets), [{"target": f"{name}-{number}"}])
            recorder.run(f"{'undone' if undone else 'kept'} {name} {number}")
            recorder.store(_OWN)
            recorder.write()
            # The numbers are given; others wait for this one, or would be seen before it.
            time.sleep(chance.random() / 50)
            _end(undone)
    engine.dispose()


def _end(undone):
    if undone:
        raise InterruptedError


def test_each_event_is_read_once_however_late_it_is_committed(url, store):
    store.migrate()
    begin = store.events().cursor
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(url, f"w{number}", number)) for number in range(_WRITERS)]
    for writer in writers:
        writer.start()
    # Two readers, as of two replicas, which look as often as they can.
    seen: list[list[str]] = [[], []]
    done = threading.Event()

    def follow(found):
        with Store(url) as reader:
            cursor = begin
            while True:
                last = done.is_set()
                page = reader.events(cursor, most=7)
                assert not page.resync
                found += [event.run for event in page.events if event.kind is EventKind.RUN]
                cursor = page.cursor
                if last and not page.events:
                    return

    readers = [threading.Thread(target=follow, args=(found,)) for found in seen]
    for reader in readers:
        reader.start()
    for writer in writers:
        writer.join(120)
    done.set()
    for reader in readers:
        reader.join(60)
    expected = sorted(f"kept w{name} {each}" for name in range(_WRITERS) for each in range(_EACH) if each % 4 != 3)
    assert [writer.exitcode for writer in writers] == [0] * _WRITERS
    assert [sorted(found) for found in seen] == [expected, expected]
    # In the order in which they were committed, which is the same for both.
    assert seen[0] == seen[1]
    assert store.events().cursor.number == 2 * len(expected)


def test_one_that_has_a_number_and_has_not_ended_holds_up_those_after_it(url, store):
    store.migrate()
    engine, begin = make_engine(parse_url(url)), store.events().cursor
    if engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time: another one cannot even begin")
    second = threading.Thread(target=_record, args=(engine, "second"))
    with engine.connect() as connection, recording(connection) as recorder:
        recorder.run("first")
        recorder.write()
        second.start()
        time.sleep(0.3)
        assert store.events(begin).events == ()
    second.join()
    assert [event.run for event in store.events(begin).events] == ["first", "second"]
    engine.dispose()


def _record(engine, run):
    with engine.connect() as connection, recording(connection) as recorder:
        recorder.run(run)


def test_what_is_missing_holds_up_those_after_it(url, store):
    """Whatever a database lets its readers see first."""
    store.migrate()
    engine, begin = make_engine(parse_url(url)), store.events().cursor
    for run in ("one", "two", "three"):
        _record(engine, run)
    with engine.connect() as connection, connection.begin():
        connection.execute(update(events).where(events.c.id == 2).values(id=99))
    page = store.events(begin)
    assert ([event.run for event in page.events], page.resync) == (["one"], False)
    with engine.connect() as connection, connection.begin():
        connection.execute(update(events).where(events.c.id == 99).values(id=2))
    assert [event.run for event in store.events(page.cursor).events] == ["two", "three"]
    engine.dispose()


def test_an_import_tells_which_targets_changed_and_who_owns_them(volume, store):
    store.migrate()
    begin = store.events().cursor
    names = {"a": [Name(reference="registry.example/a:1", owner="team-a")]}
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "a/general": "broke"}, names=names)
    store.take_in(volume, "run-1")
    cells, run = store.events(begin).events
    assert (cells.kind, cells.target, cells.run, cells.owners) == (EventKind.CELLS, "a", "run-1", ("team-a",))
    assert cells.reference == "registry.example/a:1"
    assert cells.scans == {"dependency": "ok", "general": "failed"}
    assert (run.kind, run.run, run.target) == (EventKind.RUN, "run-1", "")
    # Once more is no change.
    end = store.events().cursor
    assert store.take_in(volume, "run-1").known
    assert store.events(end).events == ()
    # Made again, one cell is otherwise and one is gone.
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(2)]}, names=names)
    store.take_in(volume, "run-1")
    told = [event.scans for event in store.events(end).events if event.kind is EventKind.CELLS]
    assert sorted(map(str, told)) == sorted(map(str, [{"dependency": "ok"}, {"general": "gone"}]))


def test_what_is_older_or_too_much_is_forgotten_and_readers_hear_of_it(url, store):
    store.migrate()
    begin, engine = store.events().cursor, make_engine(parse_url(url))
    for number in range(6):
        _record(engine, f"r{number}")
    with engine.connect() as connection:
        assert forget_events(connection, number=4) == 2
        assert forget_events(connection, number=4) == 0
        page = store.events(begin)
        assert (page.events, page.resync, page.cursor.number) == ((), True, 6)
        epoch = page.cursor.epoch
        kept = EventCursor(epoch, 2)
        assert [event.run for event in store.events(kept).events] == ["r2", "r3", "r4", "r5"]
        with connection.begin():
            connection.execute(text("UPDATE events SET at = 5 WHERE id < 5"))
        assert forget_events(connection, seconds=60) == 2
        assert store.events(EventCursor(epoch, 3)).resync
        assert forget_events(connection, seconds=-60) == 2
        assert store.events(store.events().cursor).events == ()
        assert not store.events(EventCursor(epoch, 6)).resync
    _record(engine, "after")
    assert [event.run for event in store.events(EventCursor(epoch, 6)).events] == ["after"]
    engine.dispose()


def test_a_cursor_of_another_database_or_of_the_future_is_answered_with_resync(url, store):
    store.migrate()
    assert store.events(EventCursor("0123456789ab", 0)).resync
    engine = make_engine(parse_url(url))
    _record(engine, "first")
    engine.dispose()
    own = store.events().cursor
    assert store.events(EventCursor("0123456789ab", 0)).resync
    assert store.events(EventCursor(own.epoch, 10)).resync
    assert EventCursor.parse(str(own)) == own


def test_each_owner_has_a_name_of_its_own_in_an_event(volume, store):
    """As `Store.only` shows the target to them: names of others, and of nobody, are not theirs."""
    owned = [("z", ""), ("y/2", "team-a"), ("y/1", "team-a"), ("z", "team-b")]
    of_target = [Name(reference=f"registry.example/{name}", owner=owner) for name, owner in owned]
    write_run(volume, "run-1", day(1), {"a/dependency": []}, names={"a": of_target})
    store.migrate()
    before = store.events().cursor
    store.take_in_all(volume)
    event, _ = store.events(before).events
    assert (event.reference, {*event.owners}) == ("registry.example/y/1", {"team-a", "team-b"})
    assert event.called == {"team-b": "registry.example/z"}


def test_that_nothing_runs_somewhere_any_more_is_an_event(volume, store):
    """Workloads are all that was deleted for its age: what is known of targets is as it was."""
    write_run(volume, "run-1", day(9), {"a/dependency": [finding(1)]}, names={"a": [Name(reference="a")]})
    store.take_in_all(volume)
    store.write_workloads([StoredWorkload("c", "ns", "Pod", "old", containers=(Container("x", "a"),))], day(1))
    before = store.events().cursor
    store.prune(5 * 86_400, day(10))
    assert store.known_targets()[0].workloads == ()
    assert [event.kind for event in store.events(before).events] == [EventKind.STORE]


@pytest.mark.parametrize("made_up", ["", "7", "x-1", "a-", "a--1", "a-1\n", "a-1 ", "a-" + "9" * 19, "a-\u0661"])
def test_a_made_up_cursor_is_refused(made_up):
    with pytest.raises(EventCursorError, match="no cursor"):
        EventCursor.parse(made_up)
