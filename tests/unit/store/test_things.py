"""The number of things that is kept with each target is the one that is there, whatever happened in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.queries import Store
from orchestrator.store import writing
from orchestrator.volume.layout import Volume
from tests.raw_store import write_raw_store
from tests.stored_runs import day, finding, things_of, write_run

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


@settings(max_examples=30)
@given(before=st.booleans(), steps=STEPS, at_once=st.sampled_from([1, 500]))
def test_the_number_kept_is_the_number_counted(tmp_path_factory, before, steps, at_once):
    folder = tmp_path_factory.mktemp("things")
    volume, url = Volume(folder / "volume"), f"sqlite:///{folder / 'store.sqlite3'}"
    if before:  # rows of version 0.1, of a run that is still there and of one that is gone
        write_run(volume, "run-2", day(2), {"a/dependency": [finding(1)]})
        write_raw_store(url, volume, {"run-0": day(0), "run-2": day(2)}, "a/dependency", ["CVE-2025-1", "CVE-2025-7"])
    usual, writing.CELLS_AT_ONCE = writing.CELLS_AT_ONCE, at_once
    try:
        with Store(url) as store:
            store.migrate()
            kept, counted = things_of(url)
            assert kept == counted
            assert sum(kept.values()) == (2 if before else 0)
            for step in steps:
                _do(store, volume, *step)
                kept, counted = things_of(url)
                assert kept == counted, step
    finally:
        writing.CELLS_AT_ONCE = usual


def _do(store: Store, volume: Volume, what: str, number: int, cells=None) -> None:
    run = f"run-{number}"
    if what == "write":
        write_run(volume, run, day(number), cells)
    if what == "prune":
        store.prune(0, day(number - 0.5))
    elif volume.results(run).exists():
        store.take_in(volume, run)
