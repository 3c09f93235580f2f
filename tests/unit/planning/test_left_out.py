"""What is not scanned has a row or a note: images of other platforms, and what is no image."""

from pathlib import Path

import msgspec
import pytest

from orchestrator.images.platforms import parse_platform
from orchestrator.inventory import Entry, merge
from orchestrator.model import Decision, Plan, Platform, TargetKind
from orchestrator.planning import Located
from orchestrator.planning.resolver import RegistryResolver
from orchestrator.planning.targets import NO_PLATFORM
from tests.planned import plan_here
from tests.tools import layouts, oci_artifacts
from tests.tools.images import Image, Index, layer
from tests.unit.planning.samples import AMD64, ARM64, CATALOG, NOW, Table, config, entry, image, located

ONE, TWO = (Image.build([layer({name: "x"}, "none")]) for name in ("one", "two"))
ARM = Image.build([layer({"arm": "x"}, "none")], platform="linux/arm64")
SCAN = "general"


def plan_of(path: Path, *platforms: str) -> Plan:
    """The plan of an archive."""
    resolver = RegistryResolver(None, tuple(map(parse_platform, platforms or ("linux/amd64",))), (), ())
    wanted = Entry(reference=str(path), scans=(SCAN,), local=True)
    return plan_here(config(), [wanted], CATALOG, run="r", now=NOW, resolver=resolver)


def rows(made: Plan) -> list[tuple[str, Decision, str]]:
    """Platform, decision and reason of every cell."""
    targets = made.targets_by_id
    return [(str(targets[cell.target].platform), cell.decision, cell.reason) for cell in made.cells]


def test_three_saved_images_of_which_one_is_of_another_platform(tmp_path: Path) -> None:
    made = plan_of(layouts.write_docker_save(tmp_path / "a.tar", ARM, ONE, TWO, tags=("arm:1",)))
    found = rows(made)
    assert len({target.id for target in made.targets}) == 3
    assert [(platform, decision) for platform, decision, _ in found] == [
        ("linux/amd64", Decision.RUN),
        ("linux/amd64", Decision.RUN),
        ("linux/arm64", Decision.SKIP),
    ]
    assert "unsupported platform: arm:1 is for linux/arm64" in found[2][2]
    assert len(rows(plan_of(tmp_path / "a.tar", "linux/amd64", "linux/arm64"))) == 3
    assert made.budget.images == 2


def test_two_saved_images_of_the_same_other_platform_are_two_rows(tmp_path: Path) -> None:
    other = Image.build([layer({"b": "y"}, "none")], platform="linux/arm64")
    found = rows(plan_of(layouts.write_docker_save(tmp_path / "a.tar", ONE, ARM, other)))
    assert [decision for _, decision, _ in found] == [Decision.RUN, Decision.SKIP, Decision.SKIP]


@pytest.mark.parametrize("write", [layouts.write_layout, layouts.write_archive])
def test_entries_of_a_layout_likewise_but_not_the_other_platforms_of_an_index(tmp_path: Path, write) -> None:
    many = [Image.build([layer({"p": p})], platform=p) for p in ("linux/amd64", "linux/s390x", "linux/ppc64le")]
    assert [decision for _, decision, _ in rows(plan_of(write(tmp_path / "a", Index.build(many))))] == [Decision.RUN]
    found = rows(plan_of(write(tmp_path / "b", Index.build(many), ARM)))
    assert [(platform, decision) for platform, decision, _ in found] == [
        ("linux/amd64", Decision.RUN),
        ("linux/arm64", Decision.SKIP),
    ]


def test_an_index_for_other_platforms_only_is_one_row_that_names_them(tmp_path: Path) -> None:
    many = [Image.build([layer({"p": p})], platform=p) for p in ("linux/arm64", "linux/s390x", "linux/ppc64le")]
    found = rows(plan_of(layouts.write_layout(tmp_path / "a", ONE, Index.build(many))))
    assert [decision for _, decision, _ in found] == [Decision.RUN, Decision.SKIP]
    assert all(platform in found[1][2] for platform in ("linux/arm64", "linux/s390x", "linux/ppc64le"))


def test_entries_with_one_name_are_the_platforms_of_one_image(tmp_path: Path) -> None:
    path = layouts.write_layout(tmp_path / "a", ONE, ARM)
    index = (path / "index.json").read_text().replace('"latest-1"', '"latest"')
    (path / "index.json").write_text(index)
    assert [decision for _, decision, _ in rows(plan_of(path))] == [Decision.RUN]


def test_an_archive_for_other_platforms_only_fails_and_says_which(tmp_path: Path) -> None:
    ((_, decision, reason),) = rows(plan_of(layouts.write_docker_save(tmp_path / "a.tar", ARM)))
    assert decision is Decision.FAIL
    assert "linux/arm64" in reason


def test_an_image_left_out_of_one_archive_and_wanted_of_another_is_scanned() -> None:
    same = image("app")
    absent = msgspec.structs.replace(located(same), absent="unsupported platform: …")
    for answers in ({"a": absent, "b": located(same)}, {"a": located(same), "b": absent}):
        table = Table({f"docker.io/library/{name}:latest": (each,) for name, each in answers.items()})
        made = plan_here(config(), [entry("a", SCAN), entry("b", SCAN)], CATALOG, run="r", now=NOW, resolver=table)
        assert [cell.decision for cell in made.cells] == [Decision.RUN]


def test_what_lay_beside_an_image_is_noted(tmp_path: Path) -> None:
    made = plan_of(layouts.write_layout(tmp_path / "a", ONE, oci_artifacts.SIGNATURE), "linux/amd64", "linux/arm64")
    (note,) = {note for target in made.targets for note in target.passed_over}
    assert "simplesigning" in note
    assert {decision for _, decision, _ in rows(made)} == {Decision.RUN, Decision.SKIP}  # no linux/arm64


def test_an_archive_without_images_is_an_error_once(tmp_path: Path) -> None:
    path = layouts.write_layout(tmp_path / "a", oci_artifacts.CHART)
    ((_, decision, reason),) = rows(plan_of(path, "linux/amd64", "linux/arm64"))
    assert decision is Decision.FAIL
    assert "helm" in reason


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("platform", [NO_PLATFORM, AMD64])
def test_what_is_no_image_is_skipped_where_a_registry_lists_it_and_fails_where_somebody_names_it(
    order: int, platform: Platform
) -> None:
    """So is what is for other machines only."""
    answer = Located(platform=platform, error="an artifact", absent_if_listed="no container image: x/y")
    table = Table({"docker.io/library/app:sig": (answer,), "docker.io/library/app:1": (located(image("app")),)})
    listed = [msgspec.structs.replace(entry(f"app:{tag}", SCAN), listed=True) for tag in ("1", "sig")]
    made = plan_here(config(), listed, CATALOG, run="r", now=NOW, resolver=table)
    assert [cell.decision for cell in made.cells] == [Decision.RUN, Decision.SKIP]
    assert "x/y" in made.cells[1].reason
    named = [entry("app:sig", SCAN, owner="me"), listed[1]][::order]
    made = plan_here(config(), named, CATALOG, run="r", now=NOW, resolver=table)
    assert [cell.decision for cell in made.cells] == [Decision.FAIL]


def test_a_tag_that_is_listed_and_named_is_named() -> None:
    named = entry("app:1", SCAN)
    listed = msgspec.structs.replace(named, listed=True)
    every = dict.fromkeys(TargetKind, ())
    for entries in ([named, listed], [listed, named]):
        assert [each.listed for each in merge(entries, every, every)] == [False]
    assert [each.listed for each in merge([listed, listed], every, every)] == [True]


def test_trouble_with_a_listed_image_stays_trouble() -> None:
    broken = Located(platform=AMD64, error="no answer in time")
    table = Table({"docker.io/library/app:1": (broken, msgspec.structs.replace(broken, platform=ARM64))})
    wanted = [msgspec.structs.replace(entry("app:1", SCAN), listed=True)]
    made = plan_here(config(), wanted, CATALOG, run="r", now=NOW, resolver=table)
    assert {cell.decision for cell in made.cells} == {Decision.FAIL}
