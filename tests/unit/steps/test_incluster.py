"""What a Workflow of a run does, out of the plan and what lies on the volume."""

import json
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.argo.binding import OtherScansError, check_scans, scan_digests
from orchestrator.argo.packed import pack
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import default_config
from orchestrator.errors import UsageError
from orchestrator.model import Decision, Ledger, LedgerRow, Limits, Outcome, Plan
from orchestrator.model.documents import encode
from orchestrator.model.plan import Part, pending
from orchestrator.planning.batches import split
from orchestrator.steps.incluster import ConfigSource, Work, divide, write_outputs, write_run
from orchestrator.upkeep.plans import PlanExists, read_plan, write_plan
from orchestrator.volume.layout import Volume, write_atomic
from orchestrator.workflows.manifests import plain, to_yaml
from orchestrator.workflows.schedule import workflow_template
from orchestrator.workflows.settings import settings_of
from tests.unit.steps.plans import plan, skip, target

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def sharded(most: int = 4) -> Plan:
    """Five targets with two cells each, this many cells in a shard."""
    return msgspec.structs.replace(plan(NAMES), limits=Limits(cells_per_shard=most))


def put_ledger(volume: Volume, made: Plan, *failed: tuple[str, str]) -> None:
    """A ledger in which all cells ended ok, but these."""
    rows = tuple(
        LedgerRow(
            cell=cell.id,
            target=cell.target,
            scan=cell.scan,
            references=(),
            outcome=Outcome.FAILED if (cell.target, cell.scan) in failed else Outcome.OK,
        )
        for cell in made.cells
    )
    ledger = Ledger(run=made.run, created=made.created, finished=made.created, rows=rows)
    write_atomic(volume.results(made.run) / "ledger.json", encode(ledger))


def test_a_plan_that_fits_runs_its_images_itself(volume):
    made = plan(NAMES)
    assert divide(made, volume) == Work(NAMES, pending(made), (), ("virus",))


def test_a_large_plan_is_left_to_its_shards_after_the_databases(volume):
    work = divide(sharded(), volume)
    assert (work.images, work.shards, work.databases) == ((), ("001", "002", "003"), ("virus",))


def test_a_shard_runs_its_part_and_refreshes_nothing(volume):
    made = sharded()
    works = [divide(made, volume, shard=number) for number in divide(made, volume).shards]
    assert [work.images for work in works] == [("a", "b"), ("c", "d"), ("e",)]
    assert all(work.shards == work.databases == () for work in works)


@pytest.mark.parametrize("shard", ["0", "004", "-1", "one", "1e0", "²"])
def test_a_shard_that_there_is_not(volume, shard):
    with pytest.raises(UsageError, match="3"):
        divide(sharded(), volume, shard=shard)


def test_only_what_failed_runs_again_with_only_its_databases(volume):
    made = plan(NAMES)
    put_ledger(volume, made, ("b", "root-user"), ("d", "root-user"))
    work = divide(made, volume, only="failed")
    assert work == Work(("b", "d"), {"b": ["root-user"], "d": ["root-user"]})


def test_few_failed_cells_of_a_large_run_need_no_shards(volume):
    made = sharded()
    put_ledger(volume, made, ("a", "virus"), ("e", "virus"))
    assert divide(made, volume, only="failed") == Work(("a", "e"), {"a": ["virus"], "e": ["virus"]}, (), ("virus",))


def test_many_run_in_the_shards_they_were_in_and_the_others_do_not_start(volume):
    made = sharded()
    failed = [(cell.target, cell.scan) for cell in made.cells if cell.target not in {"c", "d"}]
    put_ledger(volume, made, *failed)
    assert divide(made, volume, only="failed").shards == ("001", "003")
    assert divide(made, volume, shard="003", only="failed").images == ("e",)


def test_nothing_failed_and_nothing_is_left_to_do(volume):
    made = sharded()
    put_ledger(volume, made)
    assert divide(made, volume, only="failed") == Work((), {})


def test_without_a_ledger_what_has_no_sound_report_counts_as_failed(volume):
    made = plan(NAMES)
    report = volume.cell(made.run, "a", "root-user") / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text('{"format": "scanmatrix/1", "scanner": {"name": "x"}, "findings": []}')
    write_atomic(volume.record(made.run, "a", "root-user"), b'{"attempts": 1, "exit_code": 0}')
    assert divide(made, volume, only="failed").scans["a"] == ["virus"]


@given(st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(("root-user", "virus")))), st.integers(1, 10))
def test_a_retry_runs_each_failed_cell_once_in_the_shard_it_belongs_to(tmp_path_factory, failed, most):
    volume, made = Volume(tmp_path_factory.mktemp("volume")), sharded(most)
    put_ledger(volume, made, *failed)
    first = divide(made, volume)
    homes = {id_: number for number in first.shards for id_ in divide(made, volume, shard=number).images}
    again = divide(made, volume, only="failed")
    ran = [(id_, scan) for id_ in again.images for scan in again.scans[id_]]
    for number in again.shards:
        part = divide(made, volume, shard=number, only="failed")
        assert part.images
        assert all(homes[id_] == number for id_ in part.images)
        ran += [(id_, scan) for id_ in part.images for scan in part.scans[id_]]
    assert sorted(ran) == sorted(failed)


def outputs(folder: Path) -> dict[str, object]:
    found = {path.name: path.read_text() for path in folder.iterdir()}
    return {name: text if name == "scans" else json.loads(text) for name, text in found.items()}


def test_images_go_to_the_template_of_just_their_scans_and_else_to_the_general_one(volume, tmp_path):
    made = plan(("a", "b", "c"))
    made = plan(("a", "b", "c"), targets=made.targets, cells=(*made.cells[:3], skip(made.cells[3]), *made.cells[4:]))
    sets = {"set-1": frozenset({"virus", "root-user"}), "set-2": frozenset({"virus"})}
    write_outputs(made, divide(made, volume), tmp_path / "out", sets)
    found = outputs(tmp_path / "out")
    tasks = {"images", "images-set-1", "images-set-2", "repositories", "shards", "shards-in-turn"}
    assert set(found) == {*tasks, "scans"}
    assert found["images-set-1"] == [{"image": f"docker.io/library/{name}:1", "target": name} for name in ("a", "c")]
    assert [item["target"] for item in found["images"]] == ["b"]
    assert found["images"][0]["scans"] == ",root-user,"
    assert found["images-set-2"] == found["repositories"] == found["shards"] == found["shards-in-turn"] == []
    assert found["scans"] == ",virus,"


def test_shards_are_items_for_argo(volume, tmp_path):
    write_outputs(sharded(), divide(sharded(), volume), tmp_path / "out")
    found = outputs(tmp_path / "out")
    assert found["shards"] == [{"shard": "001"}, {"shard": "002"}, {"shard": "003"}]
    assert found["images"] == found["shards-in-turn"] == []


def test_shards_that_do_not_fit_the_volume_together_run_in_turn(volume, tmp_path):
    made = msgspec.structs.replace(plan(NAMES, targets=tuple(target(name, size=60) for name in NAMES)),
                                   limits=Limits(volume_bytes=100))  # fmt: skip
    write_outputs(made, divide(made, volume), tmp_path / "out")
    found = outputs(tmp_path / "out")
    assert [one["shard"] for one in found["shards-in-turn"]] == ["001", "002", "003", "004", "005"]
    assert found["shards"] == []


def test_a_plan_that_is_brought_along_takes_the_runs_id(volume):
    made = write_run(pack(plan(("a",))), None, "wf-1", volume)
    assert made.run == "wf-1"
    assert read_plan("wf-1", volume) == made
    assert write_run(pack(plan(("a",))), None, "wf-1", volume) == made


def test_another_plan_under_the_same_run_is_refused(volume):
    write_run(pack(plan(("a",))), None, "wf-1", volume)
    with pytest.raises(PlanExists):
        write_run(pack(plan(("b",))), None, "wf-1", volume)


def test_a_shard_and_a_retry_find_the_plan_where_it_is(volume, tmp_path):
    made = plan(("a",))
    write_plan(made, volume)
    assert write_run("", ConfigSource(str(tmp_path / "none.yaml")), made.run, volume) == made


@pytest.mark.parametrize("source", [None, ConfigSource("none.yaml")])
def test_neither_plan_nor_configuration_is_wrong_use(volume, source):
    with pytest.raises(UsageError, match="config-git"):
        write_run("", source, "wf-1", volume)


def test_a_plan_from_a_configuration_is_made_once(volume, tmp_path):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(
        f"targets: [{{image: 'busybox@sha256:{'1' * 64}'}}]\n"
        "cache: [{upstream: docker.io, url: 'http://127.0.0.1:9'}]\n"
        "limits: {retries: 0}\n"
    )
    made = write_run("", ConfigSource(str(config)), "wf-1", volume)
    config.unlink()
    assert write_run("", ConfigSource(str(config)), "wf-1", volume) == made


def test_an_archive_of_another_machine_fails_in_the_plan_of_a_configuration(volume, tmp_path):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text("targets: [{image: ./image.tar}]\n")
    (path := tmp_path / "image.tar").write_bytes(b"")
    made = write_run("", ConfigSource(str(config)), "wf-1", volume)
    assert path.exists()
    assert {cell.decision for cell in made.cells} == {Decision.FAIL}
    assert divide(made, volume) == Work((), {})


def test_a_plan_made_before_its_scanner_was_denied_starts_nothing_and_says_why(volume):
    made = plan(("a",))
    denied = msgspec.structs.replace(made.scans[1], image="ghcr.io/aquasecurity/trivy:0.69.4")
    made = msgspec.structs.replace(made, scans=(made.scans[0], denied))
    for packed in (pack(made), ""):  # brought along, and as a shard or a retry finds it
        with pytest.raises(UsageError, match=r"virus: .*CVE-2026-33634"):
            write_run(packed, None, made.run, volume)
    assert read_plan(made.run, volume) == made  # for the ledger, which says the same of each cell
    cells = tuple(skip(cell) if cell.scan == "virus" else cell for cell in made.cells)
    assert write_run(pack(msgspec.structs.replace(made, cells=cells)), None, "run-2", volume)


def test_a_configuration_in_git_has_its_lock_file_there(volume, tmp_path):
    digest = f"sha256:{'a' * 64}"
    catalog = {scan.name: scan.image for scan in load_catalog().values() if not scan.builtin}
    entries = {name: {"image": image, "digest": digest} for name, image in catalog.items()}
    (tmp_path / "scanmatrix.lock").write_text(json.dumps({"schema": 1, "scans": entries}))
    (tmp_path / "scanmatrix.yaml").write_text(
        f"targets: [{{image: 'x.example/a@{digest}', scans: [virus]}}]\nlimits: {{retries: 0}}\n"
    )
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "--quiet"], ["add", "scanmatrix.yaml", "scanmatrix.lock"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    source = ConfigSource("scanmatrix.yaml", tmp_path.as_uri())
    (scan,) = write_run("", source, "run-3", volume).scans
    assert scan.image == f"{catalog['virus']}@{digest}"


def test_a_workflow_of_other_scans_than_its_plan_runs_nothing():
    digest = f"sha256:{'a' * 64}"
    made = plan(("a",))
    locked = msgspec.structs.replace(made.scans[1], image=f"clamav:1@{digest}", named="clamav:1")
    slower = msgspec.structs.replace(made.scans[1], timeout=made.scans[1].timeout + 1)
    here = scan_digests(made.scans)
    check_scans(made, here | {"other": "0"})
    for there in (
        {},
        {name: digest for name, digest in here.items() if name != "virus"},
        scan_digests((made.scans[0], locked)),
        scan_digests((made.scans[0], slower)),
    ):
        with pytest.raises(OtherScansError, match="virus"):
            check_scans(made, there)
    skipped = tuple(skip(cell) if cell.scan == "virus" else cell for cell in made.cells)
    check_scans(msgspec.structs.replace(made, cells=skipped), {made.scans[0].name: here[made.scans[0].name]})


def test_the_template_says_which_scans_it_runs_and_those_planned_from_the_same_configuration_are_they():
    config = default_config(environment={})
    catalog = tuple(load_catalog(config).values())
    made = to_yaml([plain(workflow_template(catalog, Limits(), (), settings_of(config)))])
    [step] = [one for one in yaml.safe_load(made)["spec"]["templates"] if one["name"] == "plan"]
    given = [word.removeprefix("--scan=") for word in step["script"]["command"] if word.startswith("--scan=")]
    assert dict(word.split("=") for word in given) == scan_digests(load_catalog(config).values())


@pytest.mark.parametrize("changed", ["nothing", "a scan", "the number of parts", "when it was made"])
def test_parts_that_were_rendered_from_different_plans_never_become_one_run(volume, changed):
    whole = msgspec.structs.replace(plan(NAMES), limits=Limits(cells_per_shard=4))
    first, second, *_ = split(whole)
    if changed == "a scan":
        scan = msgspec.structs.replace(whole.scans[0], timeout=9)
        second = msgspec.structs.replace(second, scans=(scan, *whole.scans[1:]))
    elif changed == "the number of parts":
        second = msgspec.structs.replace(second, part=Part(number=2, of=9))
    elif changed == "when it was made":
        second = msgspec.structs.replace(second, created="2030-01-01T00:00:00Z")
    write_plan(first, volume)
    if changed == "nothing":
        write_plan(second, volume)
        write_plan(second, volume)
        return
    with pytest.raises(PlanExists, match="part 2 was rendered from another plan than part 1"):
        write_plan(second, volume)
    assert [path.name for path in volume.plan_parts(whole.run).iterdir()] == ["001.json"]
