"""Waves and shards: nothing lost, nothing too large, the same every time."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Cell, Decision, Name, Plan, Target
from orchestrator.planning.budget import make_budget, make_waves, spell_bytes
from orchestrator.planning.shards import split
from tests.unit.planning.samples import CATALOG

SIZES = st.lists(st.one_of(st.none(), st.integers(0, 100)), max_size=40)


def targets(sizes: list[int | None]) -> list[Target]:
    return [
        Target(id=f"sha256-{number:032x}", names=(Name(reference=f"r/i:{number}"),), digest=f"d{number}", size=size)
        for number, size in enumerate(sizes)
    ]


@given(SIZES)
def test_waves_hold_every_image_once_in_order_and_fit(sizes: list[int | None]) -> None:
    made = targets(sizes)
    waves = make_waves(made, 100)
    assert [id_ for wave in waves for id_ in wave] == [target.id for target in made]
    size_of = {target.id: target.size or 0 for target in made}
    totals = [sum(size_of[id_] for id_ in wave) for wave in waves]
    assert all(total <= 100 for total in totals)
    assert all(first + size_of[wave[0]] > 100 for first, wave in zip(totals, waves[1:], strict=False))


@given(SIZES, st.lists(st.sampled_from(Decision), min_size=1, max_size=4), st.integers(1, 12))
def test_shards_hold_every_cell_once(sizes: list[int | None], decisions: list[Decision], most: int) -> None:
    plan = a_plan(sizes, decisions)
    shards = split(plan, most)
    assert [cell for shard in shards for cell in shard.cells] == list(plan.cells)
    assert [target for shard in shards for target in shard.targets] == list(plan.targets)
    for shard in shards:
        live = sum(cell.decision is Decision.RUN for cell in shard.cells)
        with_cells = {cell.target for cell in shard.cells if cell.decision is Decision.RUN}
        assert live <= most or len(with_cells) == 1
        assert {id_ for wave in shard.waves for id_ in wave} == with_cells
        assert {cell.scan for cell in shard.cells} == {scan.name for scan in shard.scans}
        assert shard.budget.cells == live
        assert shard.budget.pull_bytes <= plan.budget.pull_bytes
        assert shard.budget.volume_bytes <= plan.budget.volume_bytes


def test_shards_have_runs_of_their_own_and_a_small_plan_keeps_its() -> None:
    plan = a_plan([1, 1, 1], [Decision.RUN, Decision.RUN])
    assert [shard.run for shard in split(plan, 4)] == ["r-001", "r-002"]
    assert split(plan, 6) == (plan,)


def a_plan(sizes: list[int | None], decisions: list[Decision]) -> Plan:
    made = targets(sizes)
    cells = tuple(
        Cell(target=target.id, scan=scan, decision=decision)
        for target in made
        for scan, decision in zip(sorted(CATALOG), decisions, strict=False)
    )
    live = made if Decision.RUN in decisions else []
    waves = make_waves(live, 150)
    scans = {cell.scan: CATALOG[cell.scan] for cell in cells}
    budget = make_budget(targets=live, cells=cells, waves=waves, scans=scans, pull_bytes=30)
    return Plan(
        run="r", created="2025-06-01T12:00:00Z", version="0", scans=tuple(scans.values()), targets=tuple(made),
        cells=cells, waves=waves, budget=budget,
    )  # fmt: skip


def test_sizes_for_people() -> None:
    assert [spell_bytes(size) for size in (0, 1023, 1536, 5 * 1024**3, 2 * 1024**5)] == [
        "0 B", "1023 B", "1.5 KiB", "5.0 GiB", "2048.0 TiB",
    ]  # fmt: skip
