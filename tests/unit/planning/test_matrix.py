"""The matrix: which cells there are, and what is decided of each."""

from dataclasses import dataclass

import msgspec
import pytest

from orchestrator.catalog.question import question_of
from orchestrator.errors import UsageError
from orchestrator.model import Decision, Plan, TargetKind
from orchestrator.planning import Located
from orchestrator.planning.inputs import PlanError, Resolver
from tests.planned import plan_here
from tests.unit.planning.samples import (
    AMD64,
    ARM64,
    CATALOG,
    NOW,
    ZSTD,
    Table,
    config,
    digest,
    entry,
    image,
    located,
)  # fmt: skip

UBUNTU, CENTOS, JAVA = "docker.io/library/ubuntu:20.04", "docker.io/library/centos:8", "docker.io/library/java-tool:12"


def plan(entries, resolver: Resolver, *, history=None, **overrides) -> Plan:
    return plan_here(config(**overrides), entries, CATALOG, run="r1", now=NOW, resolver=resolver, history=history)


def decisions(made: Plan) -> dict[str, tuple[Decision, str]]:
    return {cell.scan: (cell.decision, cell.reason) for cell in made.cells}


@pytest.fixture
def three() -> Table:
    return Table({name: (located(image(name)),) for name in (UBUNTU, CENTOS, JAVA)})


def test_the_nine_cells_of_the_first_example(three: Table) -> None:
    made = plan(
        [
            entry("ubuntu:20.04", "general", "virus", "image-lifetime"),
            entry("centos:8", "general", "image-lifetime"),
            entry("java-tool:12", "general", "virus", "dependency", "image-lifetime"),
        ],
        three,
    )
    assert len(made.cells) == 9
    assert all(cell.decision is Decision.RUN for cell in made.cells)
    assert [target.reference for target in made.targets] == [UBUNTU, CENTOS, JAVA]
    assert [scan.name for scan in made.scans] == sorted(CATALOG)
    assert made.waves == (tuple(target.id for target in made.targets),)


def test_cells_come_by_target_then_scan(three: Table) -> None:
    made = plan([entry("java-tool:12", "virus", "general"), entry("centos:8", "virus", "dependency")], three)
    java, centos = made.targets
    expected = [(java.id, "general"), (java.id, "virus"), (centos.id, "dependency"), (centos.id, "virus")]
    assert [(cell.target, cell.scan) for cell in made.cells] == expected


def test_the_same_input_gives_the_same_plan(three: Table) -> None:
    entries = [entry("ubuntu:20.04", "*"), entry("centos:8", "virus", owner="a"), entry("gone:1", "virus")]
    assert plan(entries, three) == plan(entries, three)


def test_names_of_one_digest_are_one_target_with_the_scans_of_all() -> None:
    same = image("same")
    table = Table({UBUNTU: (located(same),), "ghcr.io/me/copy:1": (located(same),)})
    made = plan(
        [entry("ubuntu:20.04", "general", owner="b", env="prod"), entry("ghcr.io/me/copy:1", "virus", owner="a")], table
    )
    (target,) = made.targets
    assert [(name.reference, name.owner, name.labels) for name in target.names] == [
        (UBUNTU, "b", {"env": "prod"}),
        ("ghcr.io/me/copy:1", "a", {}),
    ]
    assert [cell.scan for cell in made.cells] == ["general", "virus"]
    assert made.budget.images == 1
    assert target.id == f"sha256-{same.manifest.digest[7:39]}"


def test_images_whose_digests_begin_alike_are_not_taken_for_one() -> None:
    one = image("one")
    forged = one.manifest.digest[:-1] + ("0" if one.manifest.digest[-1] != "0" else "1")
    other = msgspec.structs.replace(one, manifest=msgspec.structs.replace(one.manifest, digest=forged))
    with pytest.raises(PlanError, match="centos"):
        plan([entry("ubuntu:20.04", "virus"), entry("centos:8", "virus")],
             Table({UBUNTU: (located(one),), CENTOS: (located(other),)}))  # fmt: skip


def test_a_reference_is_looked_up_once(three: Table) -> None:
    plan([entry("ubuntu:20.04", "virus"), entry("docker.io/library/ubuntu:20.04", "general")], three)
    assert three.asked == [UBUNTU]


def test_default_scans_and_the_star() -> None:
    table = Table({UBUNTU: (located(image("u")),), CENTOS: (located(image("c")),)})
    made = plan([entry("ubuntu:20.04"), entry("centos:8", "*")], table, scans={"default": ["virus"]})
    first, second = made.targets
    assert [cell.scan for cell in made.cells if cell.target == first.id] == ["virus"]
    assert [cell.scan for cell in made.cells if cell.target == second.id] == sorted(CATALOG)


def test_an_unknown_scan_is_refused_with_its_place_and_a_suggestion(three: Table) -> None:
    with pytest.raises(PlanError, match=r"targets\.csv:2.*viurs.*virus") as caught:
        plan([entry("ubuntu:20.04", "viurs")], three)
    assert isinstance(caught.value, UsageError)


def test_a_target_that_cannot_be_resolved_fails_and_stops_nothing(three: Table) -> None:
    made = plan([entry("gone:1", "virus", "general"), entry("ubuntu:20.04", "virus")], three)
    gone, ubuntu = made.targets
    assert gone.id.startswith("unresolved-")
    assert gone.error
    assert not gone.digest
    failed = [cell for cell in made.cells if cell.target == gone.id]
    assert {(cell.decision, cell.reason) for cell in failed} == {(Decision.FAIL, gone.error)}
    assert made.waves == ((ubuntu.id,),)
    assert made.budget.cells == 1


def test_a_malformed_reference_is_a_failed_row() -> None:
    made = plan([entry("UPPER/Case:1:2", "virus")], Table({}))
    assert [cell.decision for cell in made.cells] == [Decision.FAIL]


def test_an_index_gives_a_target_for_each_platform_and_says_which_is_absent() -> None:
    both = (located(image("u-amd64")), located(image("u-arm64", platform=ARM64)))
    one = (located(image("c-amd64")), Located(platform=ARM64, absent="unsupported platform: not for linux/arm64"))
    made = plan([entry("ubuntu:20.04", "general"), entry("centos:8", "general")], Table({UBUNTU: both, CENTOS: one}))
    assert [target.platform for target in made.targets] == [AMD64, ARM64, AMD64, ARM64]
    assert len({target.id for target in made.targets}) == 4
    assert [cell.decision for cell in made.cells] == [Decision.RUN, Decision.RUN, Decision.RUN, Decision.SKIP]
    assert made.budget.images == 3


def test_what_a_scan_cannot_read_is_skipped() -> None:
    windows = image("w", platform=AMD64.__class__(os="windows"))
    made = plan([entry("ubuntu:20.04", "virus", "general")], Table({UBUNTU: (located(windows),)}))
    assert decisions(made)["general"][0] is Decision.RUN
    decision, reason = decisions(made)["virus"]
    assert decision is Decision.SKIP
    assert "windows/amd64" in reason


def test_layers_a_scan_cannot_unpack_are_skipped() -> None:
    made = plan([entry("ubuntu:20.04", "virus", "general")], Table({UBUNTU: (located(image("z", kind=ZSTD)),)}))
    assert made.targets[0].compressions == ("zstd",)
    assert decisions(made)["general"][0] is Decision.RUN
    decision, reason = decisions(made)["virus"]
    assert decision is Decision.SKIP
    assert "zstd" in reason


def test_exclusions_by_image_and_scan(three: Table) -> None:
    exclude = [
        {"image": "ubuntu", "scans": ["virus"], "reason": "no files of users"},
        {"image": "docker.io/library/centos:8", "reason": "end of life"},
    ]
    made = plan(
        [entry("ubuntu:20.04", "general", "virus"), entry("centos:8", "general")], three, scans={"exclude": exclude}
    )
    ubuntu, centos = made.targets
    by_id = {cell.id: cell for cell in made.cells}
    assert by_id[f"{ubuntu.id}/general"].decision is Decision.RUN
    assert by_id[f"{ubuntu.id}/virus"].decision is Decision.SKIP
    assert "no files of users" in by_id[f"{ubuntu.id}/virus"].reason
    assert by_id[f"{centos.id}/general"].decision is Decision.SKIP


def test_a_cell_is_excluded_only_when_every_name_that_asks_for_it_is() -> None:
    same = image("same")
    table = Table({UBUNTU: (located(same),), "ghcr.io/me/copy:1": (located(same),)})
    scans = {"exclude": [{"image": "ghcr.io/me/*", "reason": "ours"}]}
    asked_by_both = plan([entry("ubuntu:20.04", "virus"), entry("ghcr.io/me/copy:1", "virus")], table, scans=scans)
    assert [cell.decision for cell in asked_by_both.cells] == [Decision.RUN]
    asked_by_one = plan([entry("ubuntu:20.04", "general"), entry("ghcr.io/me/copy:1", "virus")], table, scans=scans)
    assert [cell.decision for cell in asked_by_one.cells] == [Decision.RUN, Decision.SKIP]


@dataclass(frozen=True)
class Result:
    run: str
    finished: str
    asked: str = ""


def test_a_fresh_enough_result_is_kept_and_named(three: Table) -> None:
    target = plan([entry("ubuntu:20.04", "virus")], three).targets[0].id
    history = {
        (target, "virus"): Result("earlier", "2025-05-29T11:00:00Z"),
        (target, "general"): Result("earlier", "2025-05-29T11:00:00Z"),
    }
    made = plan(
        [entry("ubuntu:20.04", "virus", "general", "dependency")],
        three,
        history=history,
        rescan_after={"default": "14d", "general": "1d"},
    )
    decision, reason = decisions(made)["virus"]
    assert decision is Decision.SKIP
    assert "earlier" in reason
    assert "3d" in reason
    assert decisions(made)["general"] == (Decision.RUN, "")
    assert decisions(made)["dependency"] == (Decision.RUN, "")


def test_a_young_result_of_another_question_is_made_again_and_that_is_said(three: Table, caplog) -> None:
    target = plan([entry("ubuntu:20.04", "virus")], three).targets[0].id
    history = {
        (target, "virus"): Result("earlier", "2025-06-01T11:00:00Z", question_of(CATALOG["virus"], TargetKind.IMAGE)),
        (target, "general"): Result("earlier", "2025-06-01T11:00:00Z", "0" * 32),
    }
    entries = [entry("ubuntu:20.04", "virus", "general")]
    made = decisions(plan(entries, three, history=history, rescan_after={"default": "14d"}))
    assert made["virus"][0] is Decision.SKIP
    assert made["general"] == (Decision.RUN, "")
    assert "scan 'general' runs again for 1 result that is young enough" in caplog.text
    assert "virus" not in caplog.text


def test_a_plan_of_only_some_cells_says_so(three: Table) -> None:
    entries = [entry("ubuntu:20.04", "virus", "general")]
    whole = plan(entries, three)
    (target,) = whole.targets
    some = plan_here(
        config(),
        entries,
        CATALOG,
        run="r1",
        now=NOW,
        resolver=three,
        only={(target.id, "virus"), (target.id, "general")},
    )
    assert some.cells == whole.cells
    assert (whole.partial, some.partial) == (False, True)


def test_without_rescan_after_everything_is_scanned_again(three: Table) -> None:
    target = plan([entry("ubuntu:20.04", "virus")], three).targets[0].id
    history = {(target, "virus"): Result("earlier", "2025-06-01T11:59:59Z")}
    assert decisions(plan([entry("ubuntu:20.04", "virus")], three, history=history))["virus"][0] is Decision.RUN


def test_scanner_images_off_the_allowlist_are_skipped(three: Table) -> None:
    made = plan([entry("ubuntu:20.04", "*")], three, allow={"images": ["anchore/*"]})
    assert {name: decision for name, (decision, _) in decisions(made).items()} == {
        "dependency": Decision.RUN,
        "general": Decision.SKIP,
        "image-lifetime": Decision.RUN,  # our own code, in our own image
        "virus": Decision.SKIP,
    }
    assert "ghcr.io/aquasecurity/trivy:0.57.0" in decisions(made)["general"][1]


def test_the_budget_counts_shared_blobs_once() -> None:
    one, two = image("one", size=1000, layers=("base",)), image("two", size=2000, layers=("base",))
    table = Table({UBUNTU: (located(one),), CENTOS: (located(two),)})
    made = plan(
        [entry("ubuntu:20.04", "dependency", "virus"), entry("centos:8", "dependency"), entry("gone:1", "virus")], table
    )
    assert made.budget.images == 2
    assert made.budget.cells == 3
    assert made.budget.pull_bytes == 1000 + 2000 + 500 + 2 * (100 + 10)
    assert made.budget.volume_bytes == 1500 + 2500
    assert made.budget.pods == 2 + 3 + 1 + 2  # pulls, cells, one database, plan and aggregate
    assert made.budget.unknown == 0


@pytest.mark.parametrize(
    ("settings", "pods"),
    [
        ({}, 2 + 4 + 1 + 2),  # pulls, cells, a database, plan and aggregate
        ({"layout": "image"}, 2 + 1 + 2),  # images, a database, plan and aggregate
        ({"limits": {"cellsPerShard": 2}}, 2 + 4 + 1 + 2 + 2 * 3),  # each shard: started, its plan, its room given back
        ({"limits": {"cellsPerShard": 2}, "layout": "image"}, 2 + 1 + 2 + 2 * 3),
    ],
)
def test_the_budget_counts_pods_of_either_layout_and_of_shards(three: Table, settings: dict, pods: int) -> None:
    entries = [entry(name, "dependency", "virus") for name in ("ubuntu:20.04", "centos:8")]
    assert plan(entries, three, **settings).budget.pods == pods


def test_images_without_a_cell_to_run_cost_nothing(three: Table) -> None:
    made = plan([entry("ubuntu:20.04", "virus")], three, scans={"exclude": [{"image": "*", "reason": "none"}]})
    assert made.waves == ()
    assert made.budget == made.budget.__class__()


def test_local_archives_are_not_read_from_upstream() -> None:
    found = located(image("a"), pull="file:/tmp/a.tar")
    made = plan_here(
        config(),
        [entry("/tmp/a.tar", "virus").__class__(reference="/tmp/a.tar", scans=("virus",), local=True)],
        CATALOG, run="r", now=NOW, resolver=Table({"/tmp/a.tar": (found,)}),
    )  # fmt: skip
    assert made.budget.pull_bytes == 0
    assert made.budget.volume_bytes == 1000
    assert made.targets[0].reference == "/tmp/a.tar"


def test_a_plan_over_budget_is_split_into_batches_that_fit(three: Table) -> None:
    made = plan([entry(name, "virus") for name in (UBUNTU, CENTOS, JAVA)], three, volume={"budget": 2000})
    ids = [target.id for target in made.targets]
    assert made.waves == ((ids[0], ids[1]), (ids[2],))
    assert made.budget.volume_bytes == 2000


def test_a_plan_over_budget_is_refused_with_the_figures(three: Table) -> None:
    with pytest.raises(PlanError, match=r"2\.9 KiB.* 2\.0 KiB"):
        plan(
            [entry(name, "virus") for name in (UBUNTU, CENTOS, JAVA)],
            three,
            volume={"budget": "2Ki", "overBudget": "refuse"},
        )


def test_an_image_larger_than_the_whole_budget_fails_alone(three: Table) -> None:
    three.answers[CENTOS] = (located(image("huge", size=5000)),)
    made = plan([entry(name, "virus") for name in (UBUNTU, CENTOS, JAVA)], three, volume={"budget": 2000})
    assert [cell.decision for cell in made.cells] == [Decision.RUN, Decision.FAIL, Decision.RUN]
    assert "4.9 KiB" in made.cells[1].reason
    assert len(made.waves) == 1


def test_images_of_unknown_size_are_counted_apart() -> None:
    pinned = Located(platform=AMD64, pull="http://cache:5000/x", digest=digest("pinned"))
    made = plan([entry("ubuntu:20.04", "virus")], Table({UBUNTU: (pinned,)}))
    assert made.targets[0].size is None
    assert made.targets[0].compressions == ()
    assert made.budget.unknown == 1
    assert made.budget.volume_bytes == 0
    assert made.budget.images == 1
