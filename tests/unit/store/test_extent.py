"""What is kept with a run of its cells is what its cells say, whatever became of them."""

import pytest
from sqlalchemy import select, update

from orchestrator.model import Name
from orchestrator.queries import Store
from orchestrator.store import retention
from orchestrator.store.extent import Times, extents
from orchestrator.store.past import StoreReader
from orchestrator.store.schema import cells, runs
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run


def told(store):
    """By run: what is kept with it, and whether its cells say the same."""
    with store._engine.begin() as connection:
        numbers = {row.run: row.id for row in connection.execute(select(runs.c.id, runs.c.run))}
        kept = extents(connection, list(numbers.values()))
        has = {row.id for row in connection.execute(select(runs.c.id).where(runs.c.extent.is_not(None)))}
        connection.execute(update(runs).values(extent=None))
        assert extents(connection, list(numbers.values())) == kept
    return {run: (kept[number], number in has) for run, number in numbers.items()}


def test_what_is_kept_with_a_run_is_what_its_cells_say(tmp_path):
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/general": [finding(1)], "a/virus": [], "b/general": "it crashed"})
    write_run(volume, "run-2", day(2), {"a/general": [finding(1)], "b/general": []}, versions=("2", "db"))
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        store.take_in_all(volume)
        with store._reading() as connection:
            times = StoreReader(connection).times
            assert times[1] == Times(int(day(1).timestamp()), int(day(1).timestamp()))
            assert times.begin_if_last(2) == times[2].begin == int(day(2).timestamp())
            assert times.begin_if_last(1) is None
            assert times.after([1]) == int(day(1).timestamp()) + 1
        found = told(store)
        assert all(is_kept for _, is_kept in found.values())
        first, second = found["run-1"][0], found["run-2"][0]
        assert (first.targets, first.scans, first.whole_scans) == (2, {"general": 2, "virus": 1}, {"general"})
        assert [maker.version for maker in second.makers] == ["2"]
        # Made again with other cells.
        write_run(volume, "run-2", day(2), {"a/virus": []})
        store.take_in_all(volume)
        assert told(store)["run-2"][0].scans == {"virus": 1}


def test_nothing_is_kept_of_a_run_that_lost_cells(tmp_path):
    volume = Volume(tmp_path / "volume")
    for number in (1, 2, 3):
        write_run(volume, f"run-{number}", day(number), {"a/general": [finding(1)], "b/general": []})
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        store.take_in_all(volume)
        store.prune(86400 // 2, day(3))
        found = told(store)
    assert {run: is_kept for run, (_, is_kept) in found.items()} == {"run-1": False, "run-2": False, "run-3": True}
    assert found["run-1"][0].scans == {}


def test_nothing_is_kept_of_a_run_that_lost_cells_before_deleting_was_ended(tmp_path, monkeypatch):
    volume = Volume(tmp_path / "volume")
    for number in (1, 2):
        write_run(volume, f"run-{number}", day(number), {"a/general": [finding(1)], "b/general": []})

    def ended(connection, table, condition):
        delete(connection, table, condition)
        if table is cells:
            raise KeyboardInterrupt
        return 0

    delete = retention._delete
    monkeypatch.setattr(retention, "_delete", ended)
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        store.take_in_all(volume)
        with pytest.raises(KeyboardInterrupt):
            store.prune(86400 // 2, day(2))
        found = told(store)
    assert [(each.targets, is_kept) for each, is_kept in found.values()] == [(0, False), (2, True)]


def test_where_runs_mingle_nothing_is_said_of_the_time_after_them(tmp_path):
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/general": [], "b/general": []})
    write_run(volume, "run-2", day(1), {"c/general": []})
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        store.take_in_all(volume)
        with store._reading() as connection:
            times = StoreReader(connection).times
            assert times.after([1]) == times[1].begin
            assert times.after([1, 2]) == times[1].end + 1
            assert times.begin_if_last(2) is None
        with store._engine.begin() as connection:
            connection.execute(update(runs).where(runs.c.run == "run-2").values(ledger_digest=""))
            coming = StoreReader(connection).times
            assert not coming.are_known
            assert coming.after([1]) == coming[1].begin
            assert coming.begin_if_last(1) is None


def test_runs_with_the_same_names_for_the_same_targets_are_known_by_a_digest(tmp_path):
    volume = Volume(tmp_path / "volume")
    both, moved = ("a/general", "b/general"), ("a/general", "c/general")
    names = {target: [Name(f"registry.example/{name}:1")] for target, name in (("a", "a"), ("b", "b"), ("c", "b"))}
    for number, had in enumerate((both, both, moved, (*both, "c/general")), start=1):
        write_run(volume, f"run-{number}", day(number), dict.fromkeys(had, ()), names=names)
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        store.take_in_all(volume)
        with store._reading() as connection:
            first, again, other, several = StoreReader(connection).runs
            told = extents(connection, [run.id for run in (first, again, other, several)])
        assert first.is_named_as(again)
        assert not first.is_named_as(other)
        assert [told[run.id].several for run in (first, again, other, several)] == [False, False, False, True]
        # Names of a run that is too old are deleted; what is left of them is not what it had.
        store.prune(86400 // 2, day(2))
        with store._reading() as connection:
            first, again = StoreReader(connection).runs[:2]
        assert not first.names
        assert not again.is_named_as(first)
