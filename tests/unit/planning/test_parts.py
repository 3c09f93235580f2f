"""Parts of a plan: nothing lost, nothing too large, and a target always in the same one."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Cell, Decision, Limits, Plan
from orchestrator.model.plan import pending
from orchestrator.planning.parts import parts
from tests.unit.steps.plans import SCANS, skip, target

#: Of each target: bytes of its tarball, and how many of two scans it wants.
WANTED = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 100)), st.integers(0, 2)), max_size=30)


def plan(wanted: list[tuple[int | None, int]], **limits: int) -> Plan:
    targets = tuple(target(f"t{number}", size=size) for number, (size, _) in enumerate(wanted))
    cells = tuple(
        Cell(target=one.id, scan=scan.name)
        for one, (_, count) in zip(targets, wanted, strict=True)
        for scan in SCANS[:count]
    )
    return Plan(run="r", created="2025-06-01T00:00:00Z", version="0", scans=SCANS, targets=targets, cells=cells,
                limits=Limits(**limits))  # fmt: skip


def test_what_is_to_run_in_the_order_of_the_plan():
    made = plan([(1, 2), (1, 0), (1, 2)])
    made = msgspec.structs.replace(made, cells=(skip(made.cells[0]), *made.cells[1:]))
    assert pending(made) == {"t0": ["virus"], "t2": ["root-user", "virus"]}
    assert pending(made, only={("t2", "virus"), ("t0", "root-user")}) == {"t2": ["virus"]}


@given(WANTED, st.integers(1, 12), st.integers(0, 300), st.integers(1, 3))
def test_every_target_once_in_order_and_none_larger_than_allowed(wanted, most, budget, in_flight):
    made = plan(wanted, cells_per_shard=most, volume_bytes=budget, shards_in_flight=in_flight)
    to_run = pending(made)
    found = parts(made, to_run)
    assert [id_ for part in found for id_ in part] == list(to_run)
    assert all(found)
    for part in found if len(found) > 1 else ():
        cells = sum(len(to_run[id_]) for id_ in part)
        size = sum(made.targets_by_id[id_].size or 0 for id_ in part)
        assert len(part) == 1 or (cells <= most and (not budget or size <= budget // in_flight))


@given(WANTED, st.integers(1, 12))
def test_the_same_targets_always_give_the_same_parts(wanted, most):
    made = plan(wanted, cells_per_shard=most)
    again = msgspec.json.decode(msgspec.json.encode(made), type=Plan)
    assert parts(made, pending(made)) == parts(again, pending(again))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        # Alone it may use the whole volume; of two at the same time each has half of it.
        ([50, 50], (("t0", "t1"),)),
        ([50, 50, 1], (("t0",), ("t1",), ("t2",))),
        ([10, 90, 10], (("t0",), ("t1",), ("t2",))),
        ([None, 200, None], (("t0",), ("t1",), ("t2",))),
        ([25, 25, 25, 25, 25], (("t0", "t1"), ("t2", "t3"), ("t4",))),
    ],
)
def test_the_volume_is_shared_by_the_parts_that_run_at_the_same_time(sizes, expected):
    made = plan([(size, 1) for size in sizes], volume_bytes=100, shards_in_flight=2)
    assert parts(made, pending(made)) == expected


def test_without_a_budget_only_cells_count():
    made = plan([(10**15, 2)] * 3, cells_per_shard=4, volume_bytes=0)
    assert parts(made, pending(made)) == (("t0", "t1"), ("t2",))


def test_nothing_to_run_is_no_part():
    made = plan([(1, 2)])
    made = msgspec.structs.replace(made, cells=tuple(Cell(target=one.target, scan=one.scan, decision=Decision.FAIL)
                                                     for one in made.cells))  # fmt: skip
    assert parts(made, pending(made)) == ()
