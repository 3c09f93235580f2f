"""A run too large for one Workflow: a parent, and a child for each shard."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import orchestrator
from orchestrator.argo.names import SHARD, of_run
from orchestrator.model import Outcome
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site
from tests.e2e.site import run as command
from tests.tools.upstream import Upstream

IMAGES = tuple(f"image-{number:02}" for number in range(31))
SCANS = ("first", "second")
CELLS_PER_SHARD = 25


@pytest.fixture(scope="module")
def layers(upstream: Upstream) -> list[str]:
    """Digests of the images' layers."""
    return quick.push(upstream, *IMAGES)


@pytest.fixture(scope="module")
def site(upstream: Upstream, layers: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {
        "layout": "image",  # a pod for each image: the shards are what this is about
        "limits": {"imagesInFlight": 6, "cellsPerShard": CELLS_PER_SHARD, "shardsInFlight": 2, "deadline": "15m"},
    }
    scans = {scan: quick.scan(scan) for scan in SCANS}
    csv = "image,scans\n" + "".join(f"{image}:1,{';'.join(SCANS)}\n" for image in IMAGES)
    folder = tmp_path_factory.mktemp("shards")
    with make_site(folder, "e2e-shards", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


@pytest.fixture(scope="module")
def run(site: Site) -> str:
    """Planned in the cluster, whose first pod finds out that one Workflow will not do.

    Another configuration is installed as soon as that is known, before a shard begins.
    """
    name = site.submit()
    kept = ("get", "workflowtemplate", f"{name}-shards", "--ignore-not-found", "-o", "name")
    await_(lambda: bool(site.kubectl(*kept)), 180, "the template to be kept for the shards")
    broken = quick.scan("first", "raise SystemExit(9)")
    (site.folder / "first.yaml").write_text(yaml.safe_dump(broken, sort_keys=False))
    rendered = site.scanmatrix("install", "--render")
    command("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=rendered)
    assert site.wait(name, seconds=900) == "Succeeded"
    return name


def test_every_cell_of_every_shard_is_in_one_ledger(site: Site, run: str):
    ledger = site.ledger(run)
    assert len(ledger.rows) == len(IMAGES) * len(SCANS) >= 60
    assert [(row.cell, row.reason) for row in ledger.rows if row.outcome is not Outcome.OK] == []
    status = orchestrator.status(site.config, run)
    assert (status.state, len(status.cells)) == ("succeeded", len(ledger.rows))


def test_children_are_bounded_and_belong_to_their_parent(site: Site, run: str):
    children = shards(site, run)
    assert [each["metadata"]["labels"][SHARD] for each in children] == ["001", "002", "003"]
    assert {owner["name"] for each in children for owner in each["metadata"]["ownerReferences"]} == {run}
    first, second, third = sorted((each["status"]["startedAt"], each["status"]["finishedAt"]) for each in children)
    assert third[0] >= min(first[1], second[1])  # it began only after one of the others had ended


def test_each_shard_has_its_own_images_and_leaves_no_tarballs(site: Site, run: str):
    several = [targets(each) for each in shards(site, run)]
    assert sum(map(len, several)) == len(set().union(*several)) == len(IMAGES)
    assert max(map(len, several)) * len(SCANS) <= CELLS_PER_SHARD
    assert list((site.storage / "blobs").glob("*.tar")) == []


def test_each_blob_was_read_once(site: Site, run: str, layers: list[str]):
    reads = site.upstream.log.blob_reads()
    assert {digest: reads[digest] for digest in layers} == dict.fromkeys(layers, 1)


def test_a_shard_has_the_scans_of_its_run_whatever_was_installed_meanwhile(site: Site, run: str):
    there = site.cluster.workflow_template("scanmatrix")["spec"]["templates"]
    names = ("--ignore-not-found", "-o", "json")
    parent = json.loads(site.kubectl("get", "wf", run, *names))["status"]["storedWorkflowTemplateSpec"]["templates"]
    assert parent != there
    for each in shards(site, run):
        assert each["status"]["storedWorkflowTemplateSpec"]["templates"] == parent


def test_a_retry_with_other_scans_than_the_plan_s_changes_nothing(site: Site, run: str):
    """Neither by hand, as here, nor by the command, which does the same."""
    before = [(row.cell, row.outcome, row.attempts) for row in site.ledger(run).rows]
    name = site.submit(run=run, only="failed")
    assert site.wait(name) == "Failed"
    assert "other versions of these scans than the run's plan, or none: first" in site.argo("logs", name)
    assert [(row.cell, row.outcome, row.attempts) for row in site.ledger(run).rows] == before


def shards(site: Site, run: str) -> list[dict[str, Any]]:
    found = json.loads(site.kubectl("get", "wf", "-l", of_run(run), "-o", "json"))["items"]
    children = [each for each in found if SHARD in each["metadata"]["labels"]]
    return sorted(children, key=lambda each: each["metadata"]["labels"][SHARD])


def targets(workflow: dict[str, Any]) -> set[str]:
    """Ids of the targets that a Workflow worked on."""
    given = [each.get("inputs", {}).get("parameters", ()) for each in workflow["status"]["nodes"].values()]
    return {one["value"] for several in given for one in several if one["name"] == "target"}
