"""Rendered Workflows run to their ledger, with real images from a real registry and the real clamscan."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from orchestrator.catalog import load_catalog, templates_folder
from orchestrator.config import Config, load_config
from orchestrator.documents import read
from orchestrator.inventory import collect
from orchestrator.model import Ledger, Outcome, Plan
from orchestrator.planning import make_plan
from orchestrator.steps.database import current
from orchestrator.volume import Volume
from tests.integration.manifest_runner import Run
from tests.tools import require
from tests.tools.images import File, Image, layer
from tests.tools.push import push
from tests.tools.samples import EICAR
from tests.tools.servers import Registry
from tests.unit.workflows.examples import NOW
from workflows import Kind, render


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

    def make(refresh: Sequence[str] = tuple(copy), **more: Any) -> tuple[Plan, Config]:
        virus = yaml.safe_load((templates_folder() / "virus.yaml").read_text())
        virus.pop("parameters", None)
        virus["database"] = {"refresh": list(refresh)}
        (tmp_path / "virus.yaml").write_text(yaml.safe_dump(virus))
        settings = {
            "targets": [{"image": reference} for reference in references],
            "scans": {"default": ["virus", "root-user", "distroless"], "templates": ["virus.yaml"]},
            "insecure": [registry.host],
            "policy": {"warnOnly": True},
        } | more
        (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(settings))
        config = load_config(tmp_path / "scanmatrix.yaml")
        return make_plan(config, collect(config, config.base), load_catalog(config), run="run-1", now=NOW), config

    return make


@pytest.fixture
def start(tmp_path: Path):
    """Run the manifest of a plan on a volume of the test's own."""

    def run(text: str, **parameters: str) -> Run:
        manifest = yaml.safe_load(text)
        given = {one["name"]: one["value"] for one in manifest["spec"]["arguments"]["parameters"]}
        (tmp_path / "volume").mkdir()
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


def test_a_workflow_runs_to_its_ledger(prepare, start):
    plan, config = prepare()
    run = start(render(plan, config))
    assert run.start() == "Succeeded", run.output
    assert set(run.ended.values()) == {"Succeeded"}
    rows = ledger(run, "run-1")
    assert rows.pop(("infected:1", "virus"))[2] > 0
    assert rows == GOOD


def test_waves_run_one_after_the_other_and_leave_no_tarball_that_nobody_needs(prepare, start):
    plan, config = prepare(volume={"budget": "12K"})
    run = start(render(plan, config))
    assert len(plan.waves) == 3
    assert run.start() == "Succeeded", run.output
    assert {"evict-1", "evict-2"} < set(run.ended)
    rows = ledger(run, "run-1")
    assert rows.pop(("infected:1", "virus"))[2] > 0
    assert rows == GOOD
    assert len(list(run.volume.glob("blobs/*.tar"))) == 1


def test_a_template_takes_a_plan_that_was_made_elsewhere(prepare, start):
    plan, config = prepare()
    brought = yaml.safe_load(render(plan, config, kind=Kind.SUBMISSION))["spec"]["arguments"]["parameters"]
    run = start(render(plan, config, kind=Kind.TEMPLATE), plan=brought[0]["value"])
    assert run.start() == "Succeeded", run.output
    assert run.ended["database-dependency"] == "Skipped"
    rows = ledger(run, "wf-x1")
    assert rows.pop(("infected:1", "virus"))[2] > 0
    assert rows == GOOD


def test_a_template_without_a_plan_says_what_is_missing(prepare, start):
    plan, config = prepare()
    run = start(render(plan, config, kind=Kind.TEMPLATE).replace("mountPath: /config", "mountPath: /none"))
    run.manifest["spec"]["templates"] = [
        {**one, "script": {**one["script"], "volumeMounts": one["script"]["volumeMounts"][:2]}}
        if "script" in one
        else one
        for one in run.manifest["spec"]["templates"]
    ]
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
