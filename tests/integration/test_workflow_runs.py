"""Rendered Workflows run to their ledger, with real images from a real registry and the real clamscan."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import Config, load_config
from orchestrator.inventory import collect
from orchestrator.kit.own import templates_folder
from orchestrator.model import Ledger, Outcome, Plan
from orchestrator.model.documents import read
from orchestrator.upkeep.databases import current
from orchestrator.upkeep.plans import read_plan
from orchestrator.volume.layout import Volume
from orchestrator.workflows import ManifestKind, render
from tests.integration.manifest_runner import Run
from tests.integration.versions import make_older
from tests.planned import plan_here
from tests.tools import require
from tests.tools.images import File, Image, layer
from tests.tools.mirror import grype_files, mirror
from tests.tools.push import push
from tests.tools.samples import EICAR
from tests.tools.servers import Registry
from tests.unit.workflows.examples import NOW


@pytest.fixture
def prepare(tmp_path: Path, registry: Registry, repository: str, virus_signatures: Path):
    """Push three images, and make a plan and a configuration for them."""
    require("clamscan")
    images = {
        "clean": Image.build([layer({"app": "x"})], user="1000"),
        "infected": Image.build([layer({"srv/eicar.com": EICAR, "bin/sh": File(b"x", mode=0o755)})]),
        "third": Image.build([layer({"other": "y"})]),
    }
    references = [push(registry.host, f"{repository}/{name}", image, tag="1") for name, image in images.items()]
    # The pods' /tmp stands for the scanner's image here: it brings the signatures along.
    shutil.copytree(virus_signatures, tmp_path / "scratch")
    copy = ["cp", *(f"/tmp/{path.name}" for path in virus_signatures.iterdir()), "{database}"]

    def make(refresh: Sequence[str] = tuple(copy), mirror: str = "", **more: Any) -> tuple[Plan, Config]:
        virus = yaml.safe_load((templates_folder() / "virus.yaml").read_text())
        virus.pop("parameters", None)
        fetch = {
            "fetch": {"grype": {"url": mirror}},
            "load": [*refresh[:-1], "{fetched}/vulnerability.db", refresh[-1]],
        }
        virus["database"] = fetch if mirror else {"refresh": list(refresh)}
        (tmp_path / "virus.yaml").write_text(yaml.safe_dump(virus))
        settings = {
            "targets": [{"image": reference} for reference in references],
            "scans": {"default": ["virus", "root-user", "distroless"], "templates": ["virus.yaml"]},
            "insecure": [registry.host],
            "policy": {"warnOnly": True},
        } | more
        (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(settings))
        config = load_config(tmp_path / "scanmatrix.yaml")
        return plan_here(config, collect(config, config.base), load_catalog(config), run="run-1", now=NOW), config

    return make


@pytest.fixture
def start(tmp_path: Path):
    """Run the manifest of a plan on a volume of the test's own."""

    def run(text: str, **parameters: str) -> Run:
        manifest = yaml.safe_load(text)
        given = {one["name"]: one["value"] for one in manifest["spec"]["arguments"]["parameters"]}
        (tmp_path / "volume").mkdir(exist_ok=True)
        return Run(manifest, tmp_path / "volume", tmp_path / "scratch", given | parameters)

    return run


def ledger(run: Run, name: str) -> dict[tuple[str, str], tuple[Outcome, str, int | None]]:
    """Outcome, reason and number of findings by image and scan."""
    found = read(Volume(run.volume).results(name) / "ledger.json", Ledger)
    return {
        (row.references[0].rpartition("/")[2], row.scan): (row.outcome, row.reason, row.findings) for row in found.rows
    }


OK = Outcome.OK
GOOD = {
    ("clean:1", "virus"): (OK, "", 0), ("clean:1", "root-user"): (OK, "", 0), ("clean:1", "distroless"): (OK, "", 0),
    ("infected:1", "root-user"): (OK, "", 1), ("infected:1", "distroless"): (OK, "", 1),
    ("third:1", "virus"): (OK, "", 0), ("third:1", "root-user"): (OK, "", 1), ("third:1", "distroless"): (OK, "", 0),
}  # fmt: skip


def check(run: Run, name: str = "run-1") -> None:
    """All cells ended ok, and the virus was found."""
    rows = ledger(run, name)
    assert rows.pop(("infected:1", "virus"))[2]
    assert rows == GOOD


def brought(plan: Plan, config: Config) -> dict[str, str]:
    """The parameters that a submission brings."""
    manifest = yaml.safe_load(render(plan, config, kind=ManifestKind.SUBMISSION))
    return {one["name"]: one["value"] for one in manifest["spec"]["arguments"]["parameters"]}


def test_a_workflow_runs_to_its_ledger(prepare, start):
    plan, config = prepare()
    run = start(render(plan, config))
    assert run.start() == "Succeeded", run.output
    assert run.ended.pop("aggregate-on-exit") == "Skipped"
    assert set(run.ended.values()) == {"Succeeded"}
    check(run)


def test_a_database_is_fetched_then_loaded_and_taken_over_when_it_has_not_changed(prepare, start):
    with mirror() as served:
        served.files = grype_files(b"Other.Signature=00112233445566778899\n", datetime.now(UTC))
        plan, config = prepare(mirror=f"{served.url}/databases")
        run = start(render(plan, config))
        assert run.start() == "Succeeded", run.output
        assert (run.ended["database-virus"], run.ended["load-virus"]) == ("Succeeded", "Succeeded")
        check(run)
        asked = len(served.asked)
        young = Run(run.manifest, run.volume, run.scratch, run.parameters, "wf-x1")
        assert young.start() == "Succeeded", young.output
        assert (young.ended["database-virus"], len(served.asked)) == ("Skipped", asked)
        make_older(Volume(run.volume), "virus", timedelta(hours=25))
        again = Run(run.manifest, run.volume, run.scratch, run.parameters, "wf-x2")
        assert again.start() == "Succeeded", again.output
        assert (again.ended["database-virus"], again.ended["load-virus"]) == ("Succeeded", "Skipped")
        assert len(served.asked) == asked + 1  # the listing
        first, second = (path for path in sorted((run.volume / "databases" / "virus").iterdir()) if path.name[0] == "2")
        assert {path.name for path in second.iterdir()} == {path.name for path in first.iterdir()}
        assert (second / "vulnerability.db").samefile(first / "vulnerability.db")
        assert current(Volume(run.volume), "virus") == second.name


def test_a_database_that_cannot_be_fetched_or_loaded_fails_its_cells_and_nothing_else(prepare, start):
    with mirror() as served:
        plan, config = prepare(mirror=f"{served.url}/databases", limits={"retries": 0})
        run = start(render(plan, config))
        assert run.start() == "Succeeded"  # the policy only warns
        assert (run.ended["database-virus"], run.ended["load-virus"]) == ("Failed", "Omitted")
        assert ledger(run, "run-1")["clean:1", "virus"][0] is Outcome.FAILED
        assert ledger(run, "run-1")["clean:1", "root-user"][0] is Outcome.OK


@pytest.mark.parametrize("loads", [True, False])
def test_a_database_of_more_than_its_limit_stays_out_of_the_volume_and_the_key_is_named(prepare, start, loads):
    with mirror() as served:
        served.files = grype_files(b"Other.Signature=00112233445566778899\n", datetime.now(UTC))
        limits = {"retries": 0, "databaseDisk": "64"}
        plan, config = prepare(mirror=f"{served.url}/databases" if loads else "", limits=limits)
        run = start(render(plan, config))
        assert run.start() == "Succeeded"  # the policy only warns
    pod = "load-virus" if loads else "database-virus"
    assert run.ended[pod] == "Failed"
    assert "wrote more than 64 bytes (limits.databaseDisk)" in run.output[pod]
    databases = run.volume / "databases" / "virus"
    assert [path.name for path in databases.iterdir() if path.name.startswith(".incoming-")] == []
    assert current(Volume(run.volume), "virus") == ""
    assert ledger(run, "run-1")["clean:1", "virus"][0] is Outcome.FAILED
    assert ledger(run, "run-1")["clean:1", "root-user"][0] is Outcome.OK


def test_batches_are_workflows_and_the_last_to_end_makes_the_one_ledger(prepare, start, tmp_path):
    plan, config = prepare(volume={"budget": "12K"})
    assert len(plan.waves) == 3
    first, *others = (start(text) for text in render(plan, config).split("---\n")[1:])
    for part in (first, others[1]):  # in whatever order they are submitted
        assert part.start() == "Succeeded", part.output
        assert list(part.volume.glob("results/*/ledger.json")) == list(part.volume.glob("blobs/*.tar")) == []
    assert others[0].start() == "Succeeded", others[0].output
    assert read_plan("run-1", Volume(first.volume)) == plan
    assert list(first.volume.glob("blobs/*.tar")) == []
    check(first)


def test_a_template_takes_a_plan_that_was_made_elsewhere(prepare, start):
    plan, config = prepare()
    run = start(render(plan, config, kind=ManifestKind.TEMPLATE), **brought(plan, config))
    assert run.start() == "Succeeded", run.output
    assert run.ended["database-dependency"] == run.ended["evict"] == run.ended["aggregate-on-exit"] == "Skipped"
    check(run)


def test_a_template_plans_from_the_configuration_beside_it(prepare, start, tmp_path):
    plan, config = prepare()
    run = start(render(plan, config, kind=ManifestKind.TEMPLATE))
    for file in ("scanmatrix.yaml", "virus.yaml"):
        (tmp_path / "scratch" / "config").mkdir(exist_ok=True)
        shutil.copyfile(tmp_path / file, tmp_path / "scratch" / "config" / file)
    assert run.start() == "Succeeded", run.output
    check(run, "wf-x1")


def test_shards_are_workflows_of_their_own_on_one_plan_and_the_parent_has_the_ledger(prepare, start):
    plan, config = prepare(limits={"cellsPerShard": 3})
    run = start(render(plan, config, kind=ManifestKind.TEMPLATE), **brought(plan, config))
    assert run.start() == "Succeeded", run.output
    assert list(run.children) == ["wf-x1-001", "wf-x1-002", "wf-x1-003"]
    for child in run.children.values():
        assert child.ended["database-virus"] == child.ended["aggregate"] == "Skipped"
        assert child.ended["evict"] == "Succeeded"
    assert run.ended["database-virus"] == "Succeeded"
    assert run.ended["images"] == run.ended["images-set-1"] == run.ended["evict"] == "Skipped"
    assert [path.name for path in run.volume.glob("plans/*")] == ["run-1.json"]
    assert list(run.volume.glob("blobs/*.tar")) == []
    check(run)


def test_the_phase_of_a_shard_and_of_the_whole_does_not_depend_on_failed_cells(prepare, start):
    plan, config = prepare(refresh=("false", "{database}"), limits={"cellsPerShard": 3})
    run = start(render(plan, config, kind=ManifestKind.TEMPLATE), **brought(plan, config))
    assert run.start() == "Succeeded"
    rows = ledger(run, "run-1")
    assert {scan for (_, scan), row in rows.items() if row[0] is Outcome.FAILED} == {"virus"}
    assert run.ended["aggregate-on-exit"] == "Skipped"


@pytest.mark.parametrize("most", [100, 3])
def test_a_retry_runs_only_what_failed(prepare, start, most):
    plan, config = prepare(limits={"cellsPerShard": most})
    (wrong,) = (target.id for target in plan.targets if "infected" in target.pull)
    broken = msgspec.structs.replace(
        plan,
        targets=tuple(
            msgspec.structs.replace(one, pull=f"{one.pull}-gone") if one.id == wrong else one for one in plan.targets
        ),
    )
    template = render(plan, config, kind=ManifestKind.TEMPLATE)
    first = start(template, **brought(broken, config))
    first.start()
    before = {path: path.stat().st_mtime_ns for path in first.volume.glob("runs/*/*/*.record.json")}
    # The image is there now: what else would make a retry worth it?
    file = Volume(first.volume).plan("run-1")
    file.write_text(file.read_text().replace("-gone", ""))
    again = Run(
        first.manifest, first.volume, first.scratch,
        {**first.parameters, "plan": "", "run": "run-1", "only": "failed"}, "run-1-r1",
    )  # fmt: skip
    assert again.start() == "Succeeded", again.output
    assert again.children == {}
    ran = {name for name in again.ended if name.endswith((".virus", "/virus"))}
    assert len(ran) == 1
    changed = {path.parent.name for path, moment in before.items() if path.stat().st_mtime_ns != moment}
    assert changed == {wrong}
    check(again)


@pytest.mark.parametrize("kind", [ManifestKind.WORKFLOW, ManifestKind.TEMPLATE])
def test_in_the_layout_image_one_pod_has_all_cells_of_an_image(prepare, start, kind):
    plan, config = prepare(layout="image")
    given = brought(plan, config) if kind is ManifestKind.TEMPLATE else {}
    run = start(render(plan, config, kind=kind), **given)
    assert run.start() == "Succeeded", run.output
    pods = [name for name in run.ended if name.startswith("images-set-1[") and not name.endswith("]")]
    assert len(pods) == 9
    assert run.ended["left"] == run.ended["again"] == "Omitted"
    assert not any("pull" in name for name in run.ended)
    check(run)


def test_what_fails_in_the_layout_image_runs_again_cell_by_cell(prepare, start):
    plan, config = prepare(layout="image")
    # A cell's own folder is emptied before each attempt, so what was there before is noted elsewhere.
    once = 'seen=/tmp/$(echo "$2" | md5sum | cut -c1-32); [ -e "$seen" ] || { touch "$seen"; exit 3; }; '
    once += 'exec clamscan --database="$3" --log="$1" "$2"'
    virus = next(scan for scan in plan.scans if scan.name == "virus")
    scans = tuple(
        msgspec.structs.replace(scan, command=("sh", "-c", once, "sh", "{report}", "{tarball}", "{database}"),
                                report_from_stdout=False, success_codes=(0, 1))
        if scan is virus
        else scan
        for scan in plan.scans
    )  # fmt: skip
    run = start(render(msgspec.structs.replace(plan, scans=scans), config))
    assert run.start() == "Succeeded", run.output
    assert sum(name.startswith("images-set-1[") and status == "Failed" for name, status in run.ended.items()) == 6
    again = [name for name in run.ended if name.startswith("again[") and name.endswith("/virus")]
    assert [run.ended[name] for name in again] == ["Succeeded"] * 3
    assert all(run.ended[name.replace("virus", "root-user")] == "Skipped" for name in again)
    check(run)


def test_a_template_without_a_plan_says_what_is_missing(prepare, start):
    plan, config = prepare()
    run = start(render(plan, config, kind=ManifestKind.TEMPLATE))
    assert run.start() == "Failed"
    assert "ConfigMap" in run.output["plan"]
    assert run.ended["aggregate"] == "Omitted"


def test_what_fails_is_in_the_ledger_and_stops_nothing_else(prepare, start):
    plan, config = prepare(refresh=("false", "{database}"))
    targets = tuple(
        msgspec.structs.replace(one, pull=f"{one.pull}-gone") if "infected" in one.pull else one for one in plan.targets
    )
    run = start(render(msgspec.structs.replace(plan, targets=targets), config))
    assert run.start() == "Succeeded"  # the policy only warns
    assert run.ended["database-virus"] == "Failed"
    rows = ledger(run, "run-1")
    assert rows["clean:1", "virus"][0] is Outcome.FAILED
    assert "database of virus" in rows["clean:1", "virus"][1]
    for scan in ("virus", "root-user", "distroless"):
        assert rows["infected:1", scan][0] is Outcome.FAILED
        assert rows["infected:1", scan][1].startswith("pull: ")
    assert {key: rows[key] for key in GOOD if key[0] != "infected:1" and key[1] != "virus"} == {
        key: value for key, value in GOOD.items() if key[0] != "infected:1" and key[1] != "virus"
    }
    assert current(Volume(run.volume), "virus") == ""
