import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.argo.items import Item, by_task, fit_for_cluster, make_items
from orchestrator.model import Cell, Decision, Name, Plan, Target
from orchestrator.model.plan import pending
from tests.unit.steps.plans import plan, skip, target


def items(made: Plan) -> tuple[Item, ...]:
    """Items of all targets that have a cell to run."""
    return make_items(made, pending(made), pending(made))


def test_an_item_per_image_with_what_is_to_run_of_it():
    made = plan(("a",), ("b", "c"))
    made = plan(("a",), ("b", "c"), targets=made.targets, cells=(*map(skip, made.cells[:1]), *made.cells[1:]))
    assert items(made) == (
        {"image": "docker.io/library/a:1", "scans": ",virus,", "target": "a"},
        {"image": "docker.io/library/b:1", "scans": ",root-user,virus,", "target": "b"},
        {"image": "docker.io/library/c:1", "scans": ",root-user,virus,", "target": "c"},
    )


def test_each_item_is_run_by_one_task_and_names_its_scans_only_where_the_template_does_not():
    made = plan(("a",), ("b", "c"))
    made = plan(("a",), ("b", "c"), targets=made.targets, cells=(*map(skip, made.cells[:1]), *made.cells[1:]))
    both = frozenset({"root-user", "virus"})
    assert by_task(items(made), {"set-1": both, "set-2": frozenset({"root-user"})}) == {
        "images": [{"image": "docker.io/library/a:1", "scans": ",virus,", "target": "a"}],
        "images-set-1": [{"image": f"docker.io/library/{name}:1", "target": name} for name in ("b", "c")],
        "images-set-2": [],
        "repositories": [],
    }


def test_argo_names_nodes_after_the_image_because_its_key_comes_first():
    (item,) = items(plan(("a",)))
    assert min(item) == "image"


def test_waves_hold_just_what_runs():
    made = plan(("a",), ("b",))
    made = plan(("a",), ("b",), targets=made.targets, cells=(*map(skip, made.cells[:2]), *made.cells[2:]))
    assert fit_for_cluster(made).waves == (("b",),)


def test_a_plan_without_waves_runs_in_one():
    made = plan(targets=(target("a"), target("b")))
    assert fit_for_cluster(made).waves == (("a", "b"),)


def test_an_archive_of_this_machine_fails_in_the_plan_and_one_on_the_volume_does_not():
    local = target("a", pull="file:/home/me/a.tar"), target("b", pull="file:/volume/b.tar")
    made = plan(("a", "b", "c"), targets=(*local, target("c")))
    fitted = fit_for_cluster(made)
    assert fitted.waves == (("b", "c"),)
    assert [cell.decision for cell in fitted.cells] == [Decision.FAIL] * 2 + [Decision.RUN] * 4
    assert all("pod" in cell.reason for cell in fitted.cells[:2])
    assert len(fitted.cells) == len(made.cells)


def test_a_cell_that_was_skipped_keeps_its_reason():
    cells = (skip(Cell(target="a", scan="virus"), "excluded"),)
    made = plan(("a",), targets=(target("a", pull="file:/home/me/a.tar"),), cells=cells)
    assert fit_for_cluster(made).cells == cells


@pytest.mark.parametrize("name", ["/tmp/{{workflow.parameters.plan}}.tar", "/tmp/{{=1+1}}", "/a\x1b[0m\n{{{x}}}.tar"])
def test_a_name_cannot_make_argo_replace_anything(name):
    (item,) = items(plan(("a",), targets=(target("a", names=(Name(reference=name),)),)))
    assert "{{" not in item["image"]
    assert item["image"].isprintable()


@given(st.text())
def test_whatever_the_name_the_item_is_plain_text(name):
    made = plan(("a",), targets=(Target(id="a", names=(Name(reference=name),)),))
    (item,) = items(made)
    assert "{{" not in item["image"]
    assert item["image"].isprintable()
