"""From what sources name to what the store keeps, and back to a plan of just the cells that are due."""

import json
from datetime import UTC, datetime

import pytest

from orchestrator.config.loading import default_config
from orchestrator.inventory import HEAD, Entry
from orchestrator.model import Decision, TargetKind
from orchestrator.planning import PlanError
from orchestrator.service.planner import NothingToPlanError, Planner, workloads
from orchestrator.store.backlog.messages import Claim, Submission
from tests.tools import layouts
from tests.tools.images import Image, layer

NOW = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def planner(tmp_path):
    return Planner(default_config(environment={}, volume={"path": str(tmp_path / "volume")}))


@pytest.fixture
def archives(tmp_path):
    made = [Image.build([layer({"n": str(number)})]) for number in range(2)]
    return [str(layouts.write_archive(tmp_path / f"{n}.tar", image)) for n, image in enumerate(made)]


def entries(*paths: str, scans=("root-user", "distroless"), **fields) -> list[Entry]:
    return [Entry(reference=path, local=True, scans=scans, **fields) for path in paths]


def submission(*claims: Claim) -> Submission:
    return Submission(id=1, run="r1", attempts=0, claims=claims)


def claim(found, *scans: str) -> Claim:
    return Claim(target=found.wanted.target, scans=scans, entries=found.wanted.entries)


def test_a_target_has_all_its_names_and_scans(planner, archives, tmp_path):
    link = tmp_path / "same.tar"
    link.hardlink_to(archives[0])
    [found] = planner.look_up([
        *entries(archives[0], scans=("root-user",), owner="a"), *entries(str(link), scans=("distroless",), owner="b"),
    ])  # fmt: skip
    assert found.wanted.scans == ("distroless", "root-user")
    assert {name.owner for name in found.wanted.names} == {"a", "b"}
    assert [entry["reference"] for entry in json.loads(found.wanted.entries)] == sorted([archives[0], str(link)])


def test_what_is_on_this_machine_is_found_where_this_machine_scans(planner, tmp_path):
    """Both looks must lead to the same target, or the second never finds what the first one wanted."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "a.py").write_text("key = 1")
    folder = Entry(reference=f"dir:{tmp_path}/shop", kind=TargetKind.REPOSITORY, ref=HEAD, scans=("secrets",))
    [found] = planner.look_up([folder])
    assert [cell.decision for cell in planner.plan(submission(claim(found, "secrets")), NOW).cells] == [Decision.RUN]


def test_the_plan_has_just_the_cells_that_are_due(planner, archives):
    first, second = planner.look_up(entries(*archives))
    plan = planner.plan(submission(claim(first, "root-user"), claim(second, "root-user", "distroless")), NOW)
    assert {cell.id for cell in plan.cells} == {
        f"{first.wanted.target}/root-user", f"{second.wanted.target}/root-user", f"{second.wanted.target}/distroless",
    }  # fmt: skip
    assert {cell.decision for cell in plan.cells} == {Decision.RUN}
    assert plan.budget.images == 2


def test_a_target_that_is_gone_leaves_the_others(planner, archives):
    first, second = planner.look_up(entries(*archives))
    gone = Claim(target="sha256-0", scans=("root-user",), entries=second.wanted.entries)
    plan = planner.plan(submission(claim(first, "root-user"), gone), NOW)
    assert [target.id for target in plan.targets] == [first.wanted.target]
    with pytest.raises(NothingToPlanError):
        planner.plan(submission(gone), NOW)


@pytest.mark.parametrize("damaged", ["", "[", '[{"reference": 1}]', "{}"])
def test_entries_that_cannot_be_read_cost_only_themselves(planner, archives, damaged):
    [found] = planner.look_up(entries(archives[0]))
    bad = Claim(target="x", scans=("root-user",), entries=damaged)
    assert planner.plan(submission(claim(found, "root-user"), bad), NOW).cells
    with pytest.raises(NothingToPlanError):
        planner.plan(submission(bad), NOW)


def test_a_scan_that_is_no_longer_there_is_not_planned(planner, archives):
    [found] = planner.look_up(entries(archives[0]))
    assert [cell.scan for cell in planner.plan(submission(claim(found, "root-user", "was")), NOW).cells] == [
        "root-user"
    ]


def test_an_unknown_scan_is_reported_when_the_sources_are_read(planner, archives):
    with pytest.raises(PlanError, match="no-such"):
        planner.look_up(entries(archives[0], scans=("no-such",)))


def test_what_cannot_be_resolved_is_a_target_too(planner, tmp_path):
    [found] = planner.look_up(entries(str(tmp_path / "missing.tar")))
    plan = planner.plan(submission(claim(found, "root-user")), NOW)
    assert [cell.decision for cell in plan.cells] == [Decision.FAIL]


def test_what_runs_a_target(planner, archives):
    labels = {"cluster": "prod", "namespace": "shop", "workload": "Deployment/cart", "container": "main"}
    more = {"contact": "#shop", "maxLifetime": "30d"}
    found = planner.look_up([
        *entries(archives[0], owner="a", labels=labels | more), *entries(archives[1], owner="a", labels=labels),
        *entries(archives[1], owner="b"),
    ])  # fmt: skip
    [workload] = workloads(found)
    assert (workload.cluster, workload.namespace, workload.kind, workload.name) == (
        "prod", "shop", "Deployment", "cart",
    )  # fmt: skip
    assert (workload.contact, workload.max_lifetime, workload.owner) == ("#shop", 30 * 86400, "a")
    assert {container.target for container in workload.containers} == {each.wanted.target for each in found}


def test_a_plan_of_some_scans_has_every_name_and_the_limits_of_all(planner, archives):
    labels = [{"namespace": name, "maxLifetime": said} for name, said in (("x", "30d"), ("y", "3650d"))]
    [found] = planner.look_up([
        *entries(archives[0], scans=("root-user",), labels=labels[0]),
        *entries(archives[0], scans=("distroless",), labels=labels[1]),
    ])  # fmt: skip
    plan = planner.plan(submission(claim(found, "distroless")), NOW)
    assert [cell.scan for cell in plan.cells] == ["distroless"]
    assert [name.labels for name in plan.targets[0].names] == labels


def test_more_names_than_anybody_reads_are_kept(planner, archives):
    asked = [each for n in range(300) for each in entries(archives[0], labels={"namespace": f"n{n:03}"})]
    [found] = planner.look_up(asked)
    plan = planner.plan(submission(claim(found, "root-user")), NOW)
    assert len(plan.targets[0].names) == 300


def test_what_is_to_be_left_out_is_planned_as_skipped(planner, archives):
    [found] = planner.look_up(entries(archives[0], scans=("root-user",), skip="somebody asks"))
    plan = planner.plan(submission(claim(found, "root-user")), NOW)
    assert [(cell.decision, cell.reason) for cell in plan.cells] == [(Decision.SKIP, "somebody asks")]


def test_pods_of_a_workload_that_say_different_things(planner, archives):
    place = {"cluster": "prod", "namespace": "shop", "workload": "Deployment/cart"}
    found = planner.look_up([
        *entries(archives[0], owner="a", labels=place | {"container": "main", "maxLifetime": "3650d"}),
        *entries(archives[0], owner="b", labels=place | {"volume": "main", "maxLifetime": "30d"}),
        *entries(archives[0], owner="a", labels=place | {"container": "side"}),
    ])  # fmt: skip
    [workload] = workloads(found)
    assert (workload.owner, workload.max_lifetime) == ("a, b", 30 * 86400)
    assert {container.name for container in workload.containers} == {"main", "volume:main", "side"}
