"""Since when a finding is known, over the runs of a volume."""

import logging

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.ages import Ages
from orchestrator.model import MergedFinding
from orchestrator.volume.layout import Volume
from tests.examples import examples

NAME, PLATFORM = "registry.example/app:1", "linux/amd64"
DAYS = [f"2025-03-{day:02}T09:00:00Z" for day in range(1, 9)]


def found(key, *scans):
    return MergedFinding(target="t", key=key, kind="vulnerability", id=key, found_by=scans or ("a",))


def run(volume, day, *findings, ran=("a", "b"), names=(NAME,)):
    """The dates that a run planned on this day gives, as numbers of days."""
    dated = Ages(volume, DAYS[day]).date(names, PLATFORM, findings, set(ran))
    assert [msgspec.structs.replace(each, first_seen="") for each in dated] == list(findings)
    return {each.key: DAYS.index(each.first_seen) for each in dated}


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def test_a_finding_keeps_its_first_date_and_what_is_new_has_its_own(volume):
    assert run(volume, 0, found("x")) == {"x": 0}
    assert run(volume, 1, found("x"), found("y")) == {"x": 0, "y": 1}
    assert run(volume, 2, found("y"), found("x", "b")) == {"x": 0, "y": 1}


def test_the_same_run_again_gives_the_same(volume):
    run(volume, 0, found("x"))
    first = run(volume, 1, found("x"), found("y"))
    assert run(volume, 1, found("x"), found("y")) == first


def test_what_was_fixed_and_comes_back_is_new(volume):
    run(volume, 0, found("x"))
    run(volume, 1)
    assert run(volume, 2, found("x")) == {"x": 2}


def test_what_is_not_found_is_kept_until_all_that_found_it_have_looked_again(volume):
    run(volume, 0, found("x", "a", "b"))
    run(volume, 1, ran=())
    run(volume, 2, ran=("b",))
    assert run(volume, 3, found("x", "a", "b")) == {"x": 0}
    run(volume, 4, ran=("a",))
    run(volume, 5, ran=("b",))
    assert run(volume, 6, found("x", "a")) == {"x": 6}


def test_an_older_run_aggregated_later_makes_no_date_later_and_drops_nothing(volume):
    run(volume, 0, found("x"))
    run(volume, 3, found("x"), found("y"), found("z"))
    assert run(volume, 2, found("y"), found("old")) == {"y": 2, "old": 2}
    assert run(volume, 4, found("x"), found("y"), found("z"), found("old")) == {"x": 0, "y": 2, "z": 3, "old": 4}


def test_a_run_that_changes_nothing_writes_nothing_and_yet_counts_as_the_newest(volume):
    run(volume, 0, found("x"))
    path = volume.ages(NAME, PLATFORM)
    inode = path.stat().st_ino
    run(volume, 3, found("x"))
    assert path.stat().st_ino == inode
    run(volume, 2)
    assert run(volume, 4, found("x")) == {"x": 0}


def test_of_several_names_the_earliest_holds_and_names_do_not_mix(volume):
    run(volume, 0, found("x"), names=("a:1",))
    assert run(volume, 1, found("x"), names=("a:2",)) == {"x": 1}
    assert run(volume, 2, found("x"), names=("a:2", "a:1", "a:3")) == {"x": 0}
    assert run(volume, 3, found("x"), names=("a:3",)) == {"x": 2}


def test_nothing_found_leaves_nothing(volume, tmp_path):
    run(volume, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"reference": "other"}',
        b'{"reference": "registry.example/app:1", "platform": "linux/amd64", "findings": {"x": ["2025", 7]}}',
        b'{"reference": "registry.example/app:1", "platform": "linux/amd64", "new": 1}',
        b"[" * 100_000,
    ],
    ids=range(7),
)
@pytest.mark.parametrize("findings", [(), (found("x"),)], ids=["none", "one"])
def test_a_damaged_file_is_replaced_with_a_warning(volume, caplog, damage, findings):
    run(volume, 0, found("x"))
    path = volume.ages(NAME, PLATFORM)
    path.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert run(volume, 1, *findings) == {each.key: 1 for each in findings}
    assert str(path) in caplog.text
    caplog.clear()
    assert run(volume, 2, *findings) == {each.key: 1 for each in findings}
    assert caplog.text == ""


def test_a_write_that_fails_is_reported(volume, tmp_path):
    (tmp_path / "ages").write_text("not a folder")
    with pytest.raises(OSError, match="ages"):
        run(volume, 0, found("x"))


RUNS = st.lists(
    st.tuples(st.integers(0, 7), st.sets(st.sampled_from("xyz")), st.sets(st.sampled_from("ab"))), max_size=8
)


@settings(max_examples=examples(20), deadline=None)
@given(RUNS)
def test_no_date_is_later_than_the_run_and_again_gives_the_same(tmp_path_factory, runs):
    volume = Volume(tmp_path_factory.mktemp("ages"))
    for day, keys, ran in runs:
        findings = [found(key, *sorted(ran)) for key in sorted(keys)] if ran else []
        dates = run(volume, day, *findings, ran=ran)
        assert all(date <= day for date in dates.values())
        stamp = [path.stat().st_mtime for path in volume.root.glob("ages/*")]
        assert run(volume, day, *findings, ran=ran) == dates
        assert [path.stat().st_mtime for path in volume.root.glob("ages/*")] == stamp


def test_two_targets_of_one_name_in_a_run_are_both_remembered(volume):
    with Ages(volume, DAYS[0]) as ages:
        for key, ran in (("x", {"a"}), ("y", {"b"})):
            some: dict[str, frozenset[str]] = {}
            ages.gather([found(key, *ran)], some)
            ages.remember((NAME,), PLATFORM, some, ran)
        ages.settle()
    assert run(volume, 1, found("x"), found("y", "b")) == {"x": 0, "y": 0}


def test_what_is_not_settled_is_not_remembered(volume):
    with Ages(volume, DAYS[0]) as ages:
        ages.remember((NAME,), PLATFORM, {"x": frozenset("a")}, {"a"})
    assert run(volume, 1, found("x")) == {"x": 1}
    assert len(list((volume.root / "ages").iterdir())) == 1
