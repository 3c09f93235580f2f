"""What of a pod a scanner shares with the containers beside, before and after it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.workflows import ManifestKind
from orchestrator.workflows.patches import EXECUTOR
from tests.unit.workflows.examples import example, rendered
from tests.unit.workflows.test_contract import databases
from tests.unit.workflows.test_matrix import CONFIG, plan, workflow
from tests.unit.workflows.test_repositories import TOKENS, mixed

#: Argo's own container and the step of ours that a scanner's init container comes before.
WAIT, MAIN, KEEP = "wait", "main", "keep"


def patched(found: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """What a template's patch says of its containers, by name."""
    return {each["name"]: each for each in json.loads(found["podSpecPatch"]).get(kind, ())}


def manifests() -> Iterator[dict[str, Any]]:
    for layout in ("cell", "image"):
        yield workflow(plan(("a", "b")), layout=layout)
        yield workflow(databases(), layout=layout)
    yield workflow(mixed(), **TOKENS)
    for name in ("argo", "seed"):
        made, config = example(name)
        yield from rendered(made, config, ManifestKind.TEMPLATE)


def scanners(found: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """The containers of a template in which a scanner runs: by name, where they are and what they are."""
    label = found.get("metadata", {}).get("labels", {}).get("app.kubernetes.io/component")
    if label in {"scan", "online"}:
        return {MAIN: ("containers", found["container"])}
    if label == "image":
        return {each["name"]: ("containers", each) for each in found["containerSet"]["containers"]}
    if label in {"load", "database-command"}:
        return {each["name"]: ("initContainers", each) for each in found["initContainers"] if each["name"] != "prepare"}
    return {}


@pytest.fixture(scope="module")
def pods() -> list[dict[str, Any]]:
    """Templates of pods with a scanner in them."""
    return [one for manifest in manifests() for one in manifest["spec"]["templates"] if scanners(one)]


def test_all_kinds_of_pods_with_a_scanner_are_looked_at(pods):
    kinds = {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in pods}
    assert kinds == {"scan", "online", "image", "load", "database-command"}
    images = {each["image"] for one in pods for _, each in scanners(one).values()}
    assert images - {CONFIG.image}


def test_a_scanner_changes_nothing_of_what_argo_runs_in_other_containers(pods):
    for one in pods:
        for name, (kind, _) in scanners(one).items():
            mounts = {each["mountPath"]: each for each in patched(one, kind)[name]["volumeMounts"]}
            if kind == "initContainers":
                assert mounts == {EXECUTOR: {"mountPath": EXECUTOR, "$patch": "delete"}}
                continue
            own = f"{EXECUTOR}/ctr/{name}"
            assert mounts.keys() == {f"{EXECUTOR}/{each}" for each in ("argoexec", "template", "ctr")} | {own}
            for path, mount in mounts.items():
                assert mount["name"] == "var-run-argo"
                assert path == f"{EXECUTOR}/{mount['subPath']}"
                assert mount.get("readOnly", False) == (path != own)


def test_argo_s_own_container_has_nothing_of_what_a_scanner_mounts(pods):
    for one in pods:
        if (found := scanners(one)).keys() == {MAIN}:
            mounts = {f"/mainctrfs{mount['mountPath']}" for mount in found[MAIN][1]["volumeMounts"]}
            removed = patched(one, "containers")[WAIT]["volumeMounts"]
            assert {each["mountPath"] for each in removed if each["$patch"] == "delete"} == mounts


def test_a_patch_leaves_containers_in_the_order_in_which_they_start(pods):
    for one in pods:
        names = list(patched(one, "containers"))
        order = [
            KEEP,
            WAIT,
            *(each["name"] for each in one.get("containerSet", {}).get("containers", [{"name": MAIN}])),
        ]
        assert names == [name for name in order if name in names]


def test_what_a_scanner_may_write_is_mounted_into_no_other_container(pods):
    for one in pods:
        found = scanners(one)
        others = [each for each in one["initContainers"] if each["name"] not in found]
        others += [one["container"]] if "container" in one and MAIN not in found else []
        for name, (_, container) in found.items():
            written = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            own = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
            assert own - {"/scan", "/database"} == {"/tmp", "/dev/shm"}
            beside = others + [each for other, (_, each) in found.items() if other != name]
            shared = [
                (each.get("name", MAIN), mount["mountPath"], mount.get("readOnly", False))
                for each in beside
                for mount in each["volumeMounts"]
                if mount["name"] in written
            ]
            # What a command made of a database, our own step reads after its end. A step that has ended before the
            # command starts, as init containers do, puts there what the command continues.
            inits = [each["name"] for each in one["initContainers"] if "restartPolicy" not in each]
            earlier = inits[: inits.index(name)] if name in inits else []
            after = [(MAIN, "/made", True)] if name in inits else []
            assert shared == [(each, "/made", False) for each in earlier] + after
            keeps = [mount for each in one.get("sidecars", ()) for mount in each["volumeMounts"]]
            assert [mount for mount in keeps if mount["name"] in written and not mount.get("readOnly")] == []
            declared = {volume["name"] for volume in one["volumes"]}
            assert written <= declared
