"""Batches of a plan: nothing lost, nothing too large, and the same anybody who asks."""

import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.argo.packed import MOST_BYTES, MOST_SUBMITTED, pack, unpack
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import Config, default_config
from orchestrator.inventory import Entry
from orchestrator.model import Cell, Decision, Limits, Plan, TargetKind
from orchestrator.model.plan import Part, pending
from orchestrator.planning.batches import MOST_SETS, at_once, batches, cut, fits, peak_bytes, split
from orchestrator.planning.budget import make_budget
from orchestrator.planning.venue import CLUSTER, HERE, Venue
from orchestrator.steps.incluster import divide
from orchestrator.upkeep.plans import end_part, read_plan, write_plan
from orchestrator.volume.layout import Volume
from orchestrator.workflows import render
from tests.planned import plan_here
from tests.unit.planning.samples import NOW, Table, image, located
from tests.unit.steps.plans import SCANS, skip, target

GIB = 1024**3
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


def planned(
    sizes: list[int], scans: tuple[str, ...] = ("root-user",), venue: Venue = HERE, **settings: object
) -> tuple[Plan, Config]:
    """A plan as it is made, of images of these sizes."""
    config = default_config(environment={}, **settings)
    names = [f"r.example/i:{number}" for number in range(len(sizes))]
    entries = [Entry(reference=name, scans=scans) for name in names]
    found = {name: (located(image(name, size=size)),) for name, size in zip(names, sizes, strict=True)}
    catalog = load_catalog(config)
    return plan_here(config, entries, catalog, run="r", now=NOW, resolver=Table(found), venue=venue), config


def by_workflow(made: Plan, config: Config) -> list[list[str]]:
    """The targets of each rendered Workflow."""
    return [
        [
            item["target"]
            for template in one["spec"]["templates"]
            for task in template.get("dag", {}).get("tasks", ())
            for item in task.get("withItems", ())
        ]
        for one in yaml.safe_load_all(render(made, config))
    ]


def by_shard(made: Plan, volume: Volume) -> list[list[str]]:
    """The targets of each shard, as the pods of a WorkflowTemplate divide the plan."""
    work = divide(made, volume)
    return [list(divide(made, volume, shard=number).images) for number in work.shards] or [list(work.images)]


def test_eight_images_of_3_gib_on_10_gib_are_the_same_batches_anybody_who_runs_them(tmp_path):
    made, config = planned([3 * GIB] * 8, volume={"budget": "10Gi"})
    expected = [[f"r.example/i:{number}" for number in numbers] for numbers in ((0, 1, 2), (3, 4, 5), (6, 7))]
    names = {one.id: one.reference for one in made.targets}
    local = [list(batch) for batch in batches(made)]
    assert [[names[id_] for id_ in batch] for batch in local] == expected
    assert by_workflow(made, config) == by_shard(made, Volume(tmp_path)) == local
    assert made.waves == batches(made)
    assert made.budget.volume_bytes == 9 * GIB
    assert made.budget.pods == 8 + 8 + 2 + 3 * 3  # pulls, cells, plan and aggregate, three shards
    assert divide(made, Volume(tmp_path)).in_turn  # two of them together are too large


@pytest.mark.parametrize("layout", ["cell", "image"])
@pytest.mark.parametrize(
    ("sizes", "settings"),
    [
        ([1], {}),
        ([], {}),
        ([0] * 7, {"limits": {"cellsPerShard": 3}}),
        ([50] * 7, {"limits": {"cellsPerShard": 3}, "volume": {"budget": 120}}),
        ([200, 50, 50, 200, 1], {"volume": {"budget": 100}}),
        ([10**15, 1, 1], {"volume": {"budget": 0}}),
        ([50] * 9, {"limits": {"cellsPerShard": 1}, "volume": {"budget": 120}}),
    ],
)
def test_the_same_batches_anybody_who_runs_them(tmp_path, sizes, settings, layout):
    made, config = planned(sizes, ("root-user", "distroless"), layout=layout, **settings)
    assert [one for one in by_workflow(made, config) if one] == [list(batch) for batch in batches(made)]
    assert [one for one in by_shard(made, Volume(tmp_path)) if one] == [list(batch) for batch in batches(made)]
    shards = len(batches(made)) if len(batches(made)) > 1 else 0
    pods = (made.budget.images if layout == "image" else made.budget.images + made.budget.cells) + 2 + shards * 3
    assert made.budget.pods == (pods if made.budget.cells else 0)


def test_an_image_larger_than_the_budget_fails_and_takes_no_room_from_the_others():
    made, _ = planned([200, 50, 50], volume={"budget": 100})
    assert [cell.decision for cell in made.cells] == [Decision.FAIL, Decision.RUN, Decision.RUN]
    assert [len(batch) for batch in batches(made)] == [2]


def test_a_budget_of_0_is_no_limit():
    made, _ = planned([10**15, 1], volume={"budget": 0, "overBudget": "refuse"})
    assert {cell.decision for cell in made.cells} == {Decision.RUN}
    assert len(batches(made)) == 1


@given(WANTED, st.integers(1, 12), st.integers(0, 300))
def test_every_target_once_in_order_and_none_larger_than_allowed(wanted, most, budget):
    made = plan(wanted, cells_per_shard=most, volume_bytes=budget)
    to_run, found = pending(made), batches(made)
    assert [id_ for batch in found for id_ in batch] == list(to_run)
    assert all(found)
    for batch in found:
        cells, size = measured(made, batch)
        assert len(batch) == 1 or (cells <= most and (not budget or size <= budget))
    for batch, after in pairwise(found):  # none is smaller than it need be
        cells, size = measured(made, (*batch, after[0]))
        assert cells > most or (budget and size > budget)


def measured(made: Plan, batch: tuple[str, ...]) -> tuple[int, int]:
    """Cells and bytes of some targets."""
    return sum(len(pending(made)[id_]) for id_ in batch), sum(made.targets_by_id[id_].size or 0 for id_ in batch)


@given(WANTED, st.integers(1, 12), st.integers(0, 300))
def test_a_plan_that_has_its_batches_is_not_cut_again(wanted, most, budget):
    made = plan(wanted, cells_per_shard=most, volume_bytes=budget)
    stored = msgspec.structs.replace(made, waves=batches(made))
    assert batches(unpack(pack(stored))) == batches(made)


def test_waves_of_an_earlier_version_are_kept_and_cut_to_the_cells_of_a_workflow():
    made = plan([(1, 2)] * 5, cells_per_shard=4)
    old = msgspec.structs.replace(made, waves=(("t0",), ("t1", "t2", "t3"), ("t4",)))
    assert batches(old) == (("t0",), ("t1", "t2"), ("t3",), ("t4",))


@pytest.mark.parametrize(
    ("sizes", "expected", "together"),
    [
        ([50, 50], [2], 2),
        ([50, 50, 1], [2, 1], 1),
        ([10, 90, 10], [2, 1], 1),
        ([None, 200, None], [1, 1, 1], 1),
        ([25] * 5, [4, 1], 1),
    ],
)
def test_a_batch_may_fill_the_volume_and_then_runs_alone(sizes, expected, together):
    made = plan([(size, 1) for size in sizes], volume_bytes=100, shards_in_flight=2)
    found = batches(made)
    assert list(map(len, found)) == expected
    assert at_once(made, found) == together


def test_small_batches_run_at_the_same_time_and_the_figure_is_theirs():
    made = plan([(20, 1)] * 6, volume_bytes=90, cells_per_shard=2, shards_in_flight=2)
    found = batches(made)
    assert (len(found), at_once(made, found), fits(made)) == (3, 2, False)
    assert peak_bytes(made, found, in_cluster=True) == 80
    assert peak_bytes(made, found, in_cluster=False) == 40
    roomy = msgspec.structs.replace(made, limits=Limits(cells_per_shard=2, volume_bytes=1000))
    assert peak_bytes(roomy, batches(roomy), in_cluster=False) == 120  # nothing has to go before the end


def test_without_a_budget_only_cells_count():
    made = plan([(10**15, 2)] * 3, cells_per_shard=4, volume_bytes=0)
    assert batches(made) == (("t0", "t1"), ("t2",))
    assert at_once(made, batches(made)) == 2


def test_nothing_to_run_is_no_batch():
    made = plan([(1, 2)])
    made = msgspec.structs.replace(made, cells=tuple(skip(cell) for cell in made.cells))
    assert batches(made) == ()
    assert cut(made, {}) == ()
    assert split(made) == (made,)


def test_repositories_count_their_cells_beside_images():
    made = plan([(1, 2)] * 4, cells_per_shard=4)
    targets = (*made.targets[:3], target("t3", kind=TargetKind.REPOSITORY, size=None))
    assert batches(msgspec.structs.replace(made, targets=targets)) == (("t0", "t1"), ("t2", "t3"))


@given(WANTED, st.sets(st.integers(0, 60)), st.integers(1, 6), st.randoms(use_true_random=False))
def test_parts_are_the_plan_in_whatever_order_they_come(tmp_path_factory, wanted, skipped, most, random):
    made = plan(wanted, cells_per_shard=most)
    cells = tuple(skip(cell) if number in skipped else cell for number, cell in enumerate(made.cells))
    made = msgspec.structs.replace(made, cells=cells)
    made = msgspec.structs.replace(made, waves=batches(made))
    parts = [unpack(pack(part)) for part in split(made)]
    for part in parts:
        assert {cell.target for cell in part.cells} <= set(part.targets_by_id)
        assert batches(part) == part.waves
    volume = Volume(tmp_path_factory.mktemp("volume"))
    random.shuffle(parts)
    for part in parts:
        write_plan(part, volume)
    assert read_plan(made.run, volume) == made
    ended = [end_part(part, volume) for part in parts]
    assert ended[-1] == made
    assert ended[:-1] == [None] * (len(parts) - 1)
    assert read_plan(made.run, volume) == made


def test_only_images_whose_set_has_a_template_have_one_pod_for_all_their_scans():
    made = plan([(1, 2), (1, 1), (None, 2)])
    targets = (*made.targets[:2], target("t2", kind=TargetKind.REPOSITORY, size=None))
    budget = make_budget(
        msgspec.structs.replace(made, targets=targets),
        pull_bytes=0,
        in_cluster=True,
        together=[frozenset({"root-user", "virus"})],
    )
    assert budget.pods == 1 + (1 + 1) + (1 + 2) + 1 + 2  # three targets, a database, plan and aggregate
    assert budget.unknown == 1


def test_more_parts_than_three_digits_count_stay_in_order(tmp_path):
    volume, made = Volume(tmp_path), plan([(1, 1)] * 4, cells_per_shard=1)
    for part, number in zip(split(made), (9, 999, 1000, 1001), strict=True):
        write_plan(msgspec.structs.replace(part, part=Part(number=number, of=1001)), volume)
    assert read_plan(made.run, volume).targets == made.targets


@pytest.mark.parametrize("venue", [HERE, CLUSTER])
def test_the_plan_says_how_many_batches_run_at_the_same_time(venue):
    settings = {"volume": {"budget": 90}, "limits": {"cellsPerShard": 2, "shardsInFlight": 2}}
    made, _ = planned([20] * 6, venue=venue, **settings)
    assert (len(made.waves), made.budget.at_once) == (3, 2 if venue.in_cluster else 1)
    tight, _ = planned([40] * 6, venue=venue, **settings)
    assert (len(tight.waves), tight.budget.at_once) == (3, 1)
    one, _ = planned([20], venue=venue)
    assert one.budget.at_once == 1


def test_the_pages_say_what_the_cut_does():
    docs = Path(__file__).parents[3] / "docs"
    planning, workflows = (" ".join((docs / f"{name}.md").read_text().split()) for name in ("planning", "workflows"))
    count, size, budget, sizes = re.search(
        r"(\d+) images of (\d+) GiB with `budget: (\d+)Gi` are three batches of ([\d, and]+) images", planning
    ).groups()
    made, _ = planned([int(size) * GIB] * int(count), volume={"budget": f"{budget}Gi"})
    assert list(map(len, batches(made))) == [int(number) for number in re.findall(r"\d+", sizes)]
    assert f"its plan may have {MOST_SUBMITTED // 1024} KiB" in workflows
    assert f"A self-contained Workflow may have {MOST_BYTES // 1024**2} MiB" in workflows
    assert f"`limits.cellsPerShard` is {Limits().cells_per_shard} by default" in workflows
    assert f"(the {MOST_SETS} most common" in workflows
    for page in (planning, workflows):  # who runs how many at a time, told alike
        assert re.search(
            r"`limits.shardsInFlight` (of them run at a time )?if any that many fit the (volume's )?budget", page
        )
