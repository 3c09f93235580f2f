"""What our pods may write to the disk of their node."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from orchestrator.kit.quantities import parse_size, write_size
from orchestrator.model import Database, DatabaseFetch, Limits
from tests.unit.workflows.examples import rendered
from tests.unit.workflows.test_contract import walk
from tests.unit.workflows.test_matrix import CONFIG, plan, template, workflow
from tests.unit.workflows.test_patches import manifests, scanners

STORAGE = "ephemeral-storage"
ROOT = Path(__file__).parents[3]


def documents() -> Iterator[dict[str, Any]]:
    """Every manifest that we render, and those of the install, some of which are written by hand."""
    yield from manifests()
    for path in (*ROOT.glob("argo-install/**/*.yaml"), *ROOT.glob("pv/**/*.yaml")):
        if path.parent.name != "templates":  # Helm's, which are YAML only once they are filled in
            yield from (each for each in yaml.safe_load_all(path.read_text()) if each)


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    return [each for document in documents() for each in walk(document)]


def test_each_container_asks_for_little_and_has_a_limit(found):
    containers = [each for each in found if "image" in each and "resources" in each]
    assert len(containers) > 20
    for each in containers:
        requests, limits = each["resources"]["requests"], each["resources"]["limits"]
        assert parse_size(requests[STORAGE]) < parse_size(limits[STORAGE]), each["name"]
    ours = [each for each in found if "image" in each and "securityContext" in each]
    assert [each for each in ours if STORAGE not in each.get("resources", {}).get("limits", {})] == []


def test_each_folder_that_ends_with_its_pod_has_a_limit(found):
    # Volumes only: the schema of the configuration has a key of that name.
    folders = [each["emptyDir"] for each in found if "emptyDir" in each and "name" in each]
    assert len(folders) > 20
    assert [each for each in folders if not each.get("sizeLimit")] == []


def test_sizes_are_as_kubernetes_writes_them_back(found):
    """Otherwise each further `kubectl apply` would change what is the same."""
    sizes = [each[key] for each in found for key in (STORAGE, "sizeLimit", "memory") if isinstance(each.get(key), str)]
    assert len(sizes) > 100
    assert [each for each in sizes if "{{" not in each and write_size(parse_size(each)) != each] == []


def test_what_argo_keeps_in_a_pod_has_a_limit():
    for manifest in manifests():
        volumes = json.loads(manifest["spec"]["podSpecPatch"])["volumes"]
        assert {each["name"] for each in volumes if each["emptyDir"]["sizeLimit"]} == {"var-run-argo", "tmp-dir-argo"}


@pytest.mark.parametrize(("limits", "scan", "size"), [(0, 0, None), (5, 0, "5Mi"), (5, 3, "3Mi"), (0, 3, "3Mi")])
def test_a_scanner_may_write_what_the_limits_say(limits, scan, size):
    made = plan(("a",))
    scans = tuple(msgspec.structs.replace(each, scratch_limit=scan * 2**20) for each in made.scans)
    made = msgspec.structs.replace(made, scans=scans, limits=Limits(cell_disk=limits * 2**20))
    for layout in ("cell", "image"):
        one = template(workflow(made, layout=layout), "scan-virus" if layout == "cell" else "image-set-1")
        sizes = {
            each["name"]: each["emptyDir"].get("sizeLimit")
            for each in one["volumes"]
            if each["name"].startswith("scratch-")
        }
        assert set(sizes.values()) == {size}
        for _, container in scanners(one).values():
            # Without one of its own, what the other containers of its pod may write would be the limit of the pod.
            limit = parse_size(container["resources"]["limits"][STORAGE])
            assert limit >= 2**50 if size is None else parse_size(size) < limit < 2**40


def test_a_step_has_room_for_what_git_fetches():
    (manifest,) = rendered(plan(("a",)), CONFIG)
    (scratch,) = (each for each in manifest["spec"]["volumes"] if each["name"] == "scratch")
    assert parse_size(scratch["emptyDir"]["sizeLimit"]) > 3 * CONFIG.limits.repository_size


@pytest.mark.parametrize(("limit", "size"), [(0, None), (5, "5Mi")])
@pytest.mark.parametrize("loads", [True, False])
def test_so_may_a_command_that_makes_a_database(limit, size, loads):
    made = plan(("a",))
    found = Database(fetch=DatabaseFetch("grype", {"url": "https://a.example"}), load=("l", "{fetched}", "{database}"))
    scans = tuple(
        msgspec.structs.replace(scan, database=found) if scan.database and loads else scan for scan in made.scans
    )
    made = msgspec.structs.replace(made, scans=scans, limits=Limits(cell_disk=2**20, database_disk=limit * 2**20))
    one = template(workflow(made), "load-virus" if loads else "database-virus")
    ((name, volume),) = ((each["name"], each["emptyDir"]) for each in one["volumes"])
    assert (name, volume.get("sizeLimit")) == ("database-load" if loads else "database-refresh", size)
    ((_, command),) = scanners(one).values()
    assert {each["name"] for each in command["volumeMounts"] if not each.get("readOnly")} == {name}
    bound = parse_size(command["resources"]["limits"][STORAGE])
    assert bound >= 2**50 if size is None else parse_size(size) < bound < 2**40
    assert ("--most" in one["container"]["args"]) is bool(limit)
