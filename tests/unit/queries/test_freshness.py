"""A plan's `rescanAfter`, `Store.stale` and `Store.states` say the same of the same results."""

from datetime import timedelta

import msgspec
import pytest

from orchestrator.model import Distrust, Ledger
from orchestrator.model.documents import encode, read
from orchestrator.planning.staleness import freshness
from orchestrator.queries import Store
from orchestrator.results import history
from orchestrator.volume.layout import Volume, write_atomic
from tests.stored_runs import day, write_run

ODD = Distrust(reason="odd", scan="dependency", versions=("2",))


def asked(tmp_path, volume, age, now):
    """Who has to be scanned again: by a plan, by `stale`, and how many by `states`."""
    past = history(volume, day(-100))
    planned = {target for target in "abc" if not freshness(past.get((target, "dependency")), age, now)}
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        ages = {} if age is None else {"default": age}
        stale = {row.target for row in store.stale(ages, now)}
        counted = sum(each.targets for each in store.states(ages, now) if each.freshness != "fresh")
    assert counted == len(stale)
    return planned, stale


@pytest.mark.parametrize("age", [None, 0, 1, 86_399, 86_400, 86_401, 10**9, 10**10])
@pytest.mark.parametrize("fraction", [0, 0.4, 0.999])
def test_by_age(tmp_path, age, fraction):
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/dependency": [], "b/dependency": "broke"})
    path = volume.results("run-1") / "ledger.json"
    ledger = read(path, Ledger)
    ends = f"{fraction:05.3f}"[1:]
    rows = tuple(msgspec.structs.replace(row, finished=row.finished.replace("Z", f"{ends}Z")) for row in ledger.rows)
    write_atomic(path, encode(msgspec.structs.replace(ledger, rows=rows)))
    write_run(volume, "run-2", day(3), {"c/dependency": []})
    planned, stale = asked(tmp_path, volume, age, day(2) + timedelta(seconds=0.5))
    assert planned == stale
    assert "b" in planned


def test_an_older_result_does_not_stand_in_for_one_that_is_not_believed(tmp_path):
    volume = Volume(tmp_path / "volume", distrusted=(ODD,))
    write_run(volume, "run-1", day(1), {"a/dependency": [], "b/dependency": [], "c/dependency": []})
    write_run(volume, "run-2", day(2), {"a/dependency": []}, versions=("2", "db"))
    assert asked(tmp_path, volume, 10**9, day(3)) == ({"a"}, {"a"})
