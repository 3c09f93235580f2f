"""What is kept of what targets have, how much and whether any, is what they have, whatever happened in any order."""

import shutil

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.queries import Store
from orchestrator.store import writing
from orchestrator.volume.layout import Volume
from tests.examples import examples
from tests.raw_store import write_raw_store
from tests.stored_runs import day, finding, things_of, unmarked, write_run

#: Of two versions of a package both are the same thing; by both scans, too.
FOUND = st.lists(
    st.builds(finding, st.integers(1, 3), version=st.sampled_from(["1", "2"]), title=st.sampled_from(["", "x"])),
    max_size=4,
    unique_by=lambda one: (one.id, one.version),
)
CELLS = st.dictionaries(
    st.sampled_from(["a/dependency", "a/general", "b/dependency", "b/general"]),
    st.one_of(FOUND, st.sampled_from(["broke", "skipped: excluded"])),
    min_size=1,
)
RUN = st.integers(1, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), RUN, CELLS),
        st.tuples(st.just("import"), RUN),
        st.tuples(st.just("prune"), RUN),
    ),
    min_size=1,
    max_size=9,
)


#: The results of run 1 are deleted for their age; those of run 2, made again, end otherwise.
PRUNED = [
    ("write", 1, {"a/dependency": [finding(1), finding(2)]}),
    ("write", 2, {"a/dependency": [finding(1), finding(2)]}),
    ("prune", 2),
    ("write", 2, {"a/dependency": "broke"}),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Folders with a volume and its store, which are copied: an empty one, and by `True` one of rows of version 0.1.

    These are of a run that is still there, and of one that is gone.
    """
    empty, old = tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("old")
    volume = Volume(old / "volume")
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(1)]})
    runs = {"run-0": day(0), "run-2": day(2)}
    write_raw_store(_url(old), volume, runs, "a/dependency", ["CVE-2025-1", "CVE-2025-7"])
    for folder, number in ((empty, 0), (old, 2)):
        with Store(_url(folder)) as store:
            store.migrate()
        kept, counted = things_of(_url(folder))
        assert kept == counted
        assert not unmarked(_url(folder))
        assert sum(kept.values()) == number
    return {False: empty, True: old}


@settings(max_examples=examples(10))
@given(before=st.booleans(), steps=STEPS, at_once=st.sampled_from([1, 500]))
@example(before=False, steps=[*PRUNED, ("write", 3, {"a/dependency": [finding(1)]})], at_once=1)
@example(before=False, steps=[*PRUNED, ("write", 3, {"a/dependency": []})], at_once=1)
@example(before=True, steps=[("prune", 1), PRUNED[-1], ("write", 3, {"a/dependency": [finding(1)]})], at_once=1)
def test_the_number_kept_is_the_number_counted(tmp_path_factory, begun, before, steps, at_once):
    folder = tmp_path_factory.mktemp("things") / "begun"
    shutil.copytree(begun[before], folder)
    volume, url = Volume(folder / "volume"), _url(folder)
    usual, writing.CELLS_AT_ONCE = writing.CELLS_AT_ONCE, at_once
    try:
        with Store(url) as store:
            for step in steps:
                _do(store, volume, *step)
                kept, counted = things_of(url)
                assert kept == counted, step
                assert not unmarked(url), step
    finally:
        writing.CELLS_AT_ONCE = usual
        shutil.rmtree(folder)


def test_what_a_deleted_result_had_is_gone_with_the_next_result(tmp_path):
    """Its run's results were made again without one, so no result is left that had it."""
    volume = Volume(tmp_path / "volume")
    with Store(_url(tmp_path)) as store:
        store.migrate()
        for step in (*PRUNED, ("write", 3, {"a/dependency": [finding(1)]})):
            _do(store, volume, *step)
    assert things_of(_url(tmp_path)) == ({"a": 1}, {"a": 1})


def _url(folder) -> str:
    return f"sqlite:///{folder / 'store.sqlite3'}"


def _do(store: Store, volume: Volume, what: str, number: int, cells=None) -> None:
    run = f"run-{number}"
    if what == "write":
        write_run(volume, run, day(number), cells)
    if what == "prune":
        store.prune(0, day(number - 0.5))
    elif volume.results(run).exists():
        store.take_in(volume, run)
