import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import yaml

from orchestrator.argo.items import fit_for_cluster
from orchestrator.argo.packed import unpack
from orchestrator.config.loading import default_config
from orchestrator.config.targets import TargetSelection, TargetSource
from orchestrator.model import Cell, Database, DatabaseFetch, Limits, Plan, Resources, Scan
from orchestrator.planning.batches import MOST_SETS
from orchestrator.results.costs import POD_MEMORY
from orchestrator.workflows import ManifestKind, spec_bytes
from orchestrator.workflows.cell import fill, scanner_command
from orchestrator.workflows.settings import RenderError
from tests.unit.steps.plans import plan, target
from tests.unit.workflows.examples import rendered, variants

CONFIG = default_config(environment={})


def workflow(made: Plan, **overrides: Any) -> dict[str, Any]:
    config = default_config(environment={}, **overrides) if overrides else CONFIG
    (manifest,) = rendered(made, config)
    return manifest


def template(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in manifest["spec"]["templates"] if one["name"] == name)
    return found


def tasks(manifest: dict[str, Any], name: str = "matrix") -> dict[str, dict[str, Any]]:
    return {task["name"]: task for task in template(manifest, name)["dag"]["tasks"]}


def containers(manifest: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Template, container's name and container, of every container there is."""
    for one in manifest["spec"]["templates"]:
        for kind in ("container", "script"):
            if kind in one:
                yield one["name"], "main", one[kind]
        for kind in ("initContainers", "sidecars"):
            for container in one.get(kind, ()):
                yield one["name"], container["name"], container


ENDED = "({0}.Succeeded || {0}.Failed || {0}.Errored || {0}.Skipped)"
FAILED = ENDED + " && ({0}.Failed || {0}.Errored)"


def test_the_shape_of_the_matrix():
    found = tasks(workflow(plan(("a", "b"))))
    assert list(found) == ["plan", "database-virus", "images-set-1", "aggregate"]
    assert found["database-virus"]["depends"] == "plan"
    assert found["images-set-1"]["depends"] == "plan && " + ENDED.format("database-virus")
    assert found["aggregate"]["depends"] == ENDED.format("images-set-1")
    assert [item["target"] for item in found["images-set-1"]["withItems"]] == ["a", "b"]
    assert found["images-set-1"]["withItems"][0] == {"image": "docker.io/library/a:1", "target": "a"}


def test_the_shape_of_an_image_of_a_known_set():
    found = tasks(workflow(plan(("a",))), "image-set-1")
    assert list(found) == ["pull", "root-user", "virus"]
    assert found["virus"]["depends"] == "pull"
    assert all("when" not in task for task in found.values())


def test_the_shape_of_an_image_of_any_set():
    (manifest,) = rendered(plan(("a",)), CONFIG, ManifestKind.TEMPLATE)
    found = tasks(manifest, "image")
    assert "when" not in found["pull"]
    assert found["virus"]["when"] == "'{{inputs.parameters.scans}}' =~ ',virus,'"


def sets(count: int) -> Plan:
    """A plan in which each of this many images wants scans that no other wants."""
    made = plan(tuple(f"t{number}" for number in range(count)))
    scans = tuple(msgspec.structs.replace(made.scans[0], name=f"s{number}") for number in range(count))
    cells = tuple(Cell(target=f"t{number}", scan=f"s{number}") for number in range(count))
    return msgspec.structs.replace(made, scans=scans, cells=cells)


def run_by(manifest: dict[str, Any]) -> dict[str, list[str]]:
    """The targets by the task that runs them."""
    found = {name: task["withItems"] for name, task in tasks(manifest).items() if "withItems" in task}
    return {name: [item["target"] for item in items] for name, items in found.items()}


def test_each_image_is_run_by_the_template_of_its_scans():
    found = tasks(workflow(sets(3)))
    items = {
        name: [item["target"] for item in task["withItems"]] for name, task in found.items() if "withItems" in task
    }
    assert items == {"images-set-1": ["t0"], "images-set-2": ["t1"], "images-set-3": ["t2"]}


def test_there_is_a_bound_to_the_templates_of_sets_and_no_image_is_left_out():
    found = tasks(workflow(sets(MOST_SETS + 3)))
    items = {
        name: [item["target"] for item in task["withItems"]] for name, task in found.items() if "withItems" in task
    }
    assert len(items) == MOST_SETS + 1
    assert len(items["images"]) == 3
    assert sorted(each for some in items.values() for each in some) == sorted(
        f"t{number}" for number in range(MOST_SETS + 3)
    )


@pytest.mark.parametrize("layout", ["cell", "image"])
def test_each_batch_is_a_workflow_of_the_same_run_with_its_part_of_the_plan(layout):
    made = plan(("a",), ("b", "c"), ("d",))
    found = rendered(made, default_config(environment={}, layout=layout))
    assert [next(iter(run_by(one).values())) for one in found] == [["a"], ["b", "c"], ["d"]]
    assert [one["metadata"]["labels"] for one in found] == [
        {"scanmatrix/run": "run-1", "scanmatrix/shard": number} for number in ("001", "002", "003")
    ]
    for number, one in enumerate(found, start=1):
        assert packed(one).run == made.run
        assert (packed(one).part.number, packed(one).part.of) == (number, 3)
        last = template(one, "aggregate")["container"]["args"]
        assert f"--part=00{number}" in last
        if layout == "image":
            assert f"--part=00{number}" in template(one, "left")["container"]["args"]
    assert not any("--part" in each for each in template(workflow(plan(("a",))), "aggregate")["container"]["args"])


def test_a_workflow_without_images_of_a_set_has_no_task_for_it():
    manifest = workflow(variants()["unlike images"], layout="image")
    assert run_by(manifest) == {"images-set-1": ["a"], "images-set-2": ["b"]}
    first, _ = rendered(plan(("a",), ("b",)), default_config(environment={}, layout="image"))
    assert run_by(first) == {"images-set-1": ["a"]}
    assert tasks(first)["left"]["depends"] == FAILED.format("images-set-1")


def test_who_renders_batches_hears_how_many_may_run_at_once(caplog):
    made = plan(("a",), ("b",), targets=(target("a", size=60), target("b", size=60)))
    rendered(msgspec.structs.replace(made, limits=Limits(volume_bytes=100)), CONFIG)
    assert "one by one" in caplog.text
    caplog.clear()
    rendered(msgspec.structs.replace(made, limits=Limits(volume_bytes=120)), CONFIG)
    assert not caplog.text


@pytest.mark.parametrize("kind", [ManifestKind.WORKFLOW, ManifestKind.TEMPLATE])
@pytest.mark.parametrize("layout", ["cell", "image"])
def test_the_phase_of_a_workflow_is_that_of_its_aggregate(kind, layout):
    # Argo takes a task that was skipped for failed when one before it has failed, unless something depends on it.
    (manifest,) = rendered(plan(("a",)), default_config(environment={}, layout=layout), kind)
    found = tasks(manifest)
    used = " ".join(task.get("depends", "") for task in found.values())
    assert [name for name in found if not re.search(rf"(?<![\w-]){name}(?![\w-])", used)] == ["aggregate"]


def test_with_nothing_to_run_there_is_still_a_ledger():
    manifest = workflow(variants()["nothing to run"])
    assert list(tasks(manifest)) == ["plan", "aggregate"]
    assert tasks(manifest)["aggregate"]["depends"] == "plan"
    assert {one["name"] for one in manifest["spec"]["templates"]} == {"matrix", "plan", "aggregate", "end"}


def test_nothing_fails_fast_and_the_images_in_flight_are_bounded():
    manifest = workflow(msgspec.structs.replace(plan(("a",)), limits=Limits(images_in_flight=7, deadline=99)))
    dags = [one for one in manifest["spec"]["templates"] if "dag" in one]
    assert [one["dag"]["failFast"] for one in dags] == [False, False]
    assert template(manifest, "matrix")["parallelism"] == 7
    assert manifest["spec"]["activeDeadlineSeconds"] == 99


def test_a_run_that_was_cut_off_still_ends_with_its_ledger():
    manifest = workflow(plan(("a",)))
    ((step,),) = template(manifest, manifest["spec"]["onExit"])["steps"]
    assert step["template"] == "aggregate"
    assert step["when"] == "'{{workflow.status}}' != 'Succeeded'"


@pytest.mark.parametrize("name", variants())
def test_no_container_gets_more_than_it_needs(name):
    for manifest in rendered(variants()[name], CONFIG):
        spec = manifest["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["executor"]["serviceAccountName"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        for _, _, container in containers(manifest):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            }
            assert container["command"]
            assert container["resources"]["limits"]["memory"]


def test_a_scanner_sees_its_tarball_and_its_database_and_writes_nothing_on_the_volume():
    (main,) = (c for name, role, c in containers(workflow(plan(("a",)))) if name == "scan-virus" and role == "main")
    folder = "runs/run-1/{{inputs.parameters.target}}/virus"
    assert main["volumeMounts"] == [
        {"name": "scratch-main", "mountPath": "/scan", "subPath": "scan"},
        {"name": "volume", "mountPath": "/scan/image.tar", "subPath": f"{folder}/image.tar", "readOnly": True},
        {"name": "volume", "mountPath": "/database", "subPath": f"{folder}.database", "readOnly": True},
        {"name": "scratch-main", "mountPath": "/tmp", "subPath": "tmp"},
        {"name": "scratch-main", "mountPath": "/dev/shm", "subPath": "shm"},
    ]


def test_what_a_scanner_wrote_is_kept_by_a_container_that_sees_nothing_else():
    found = template(workflow(plan(("a",))), "scan-virus")
    (keep,) = found["sidecars"]
    assert keep["image"] == CONFIG.image
    assert keep["args"][:5] == [
        "keep",
        "--report",
        "main=report.json",
        "--limit",
        f"main={plan(()).scans[1].report_limit}",
    ]
    assert keep["volumeMounts"] == [
        {"name": "scratch-main", "mountPath": "/scanned/main", "subPath": "scan", "readOnly": True},
        {"name": "volume", "mountPath": "/kept/main", "subPath": "runs/run-1/{{inputs.parameters.target}}/virus"},
    ]
    told = json.loads(found["metadata"]["annotations"]["workflows.argoproj.io/kill-cmd-keep"])
    assert told == ["/var/run/argo/argoexec", "kill", "15", "1"]


def test_scanners_that_share_a_pod_have_their_own_timeouts():
    """The deadline of a pod is that of all its containers."""
    made = plan(("a", "b"))
    (keep,) = template(workflow(made, layout="image"), "image-set-1")["sidecars"]
    timeouts = [value for option, value in pairwise(keep["args"]) if option == "--timeout"]
    assert sorted(timeouts) == sorted(f"{scan.name}={scan.timeout}" for scan in made.scans)
    assert "--timeout" not in template(workflow(made), "scan-virus")["sidecars"][0]["args"]


def test_a_scan_that_limits_the_age_of_images_reads_what_is_said_of_its_own():
    made = plan(("a",))
    scans = tuple(msgspec.structs.replace(scan, parameters={"maxAge": "180d"}) for scan in made.scans)
    for found, wanted in ((made, 0), (msgspec.structs.replace(made, scans=scans), 1)):
        mounts = template(workflow(found), "scan-virus")["container"]["volumeMounts"]
        own = [each for each in mounts if each["mountPath"] == "/scan/max-age"]
        assert [(each["subPath"].rpartition("/")[2], each["readOnly"]) for each in own] == [("max-age", True)] * wanted


def test_no_container_that_runs_a_scanner_writes_on_the_volume():
    for layout in ("cell", "image"):
        for name, role, container in containers(workflow(plan(("a", "b")), layout=layout)):
            if name.startswith(("scan-", "image-")) and role not in {"stage", "keep"}:
                mounts = [mount for mount in container["volumeMounts"] if mount["name"] == "volume"]
                assert mounts
                assert [mount for mount in mounts if not mount.get("readOnly")] == []


def test_a_scanner_without_a_database_gets_none():
    (main,) = (c for name, role, c in containers(workflow(plan(("a",)))) if name == "scan-root-user" and role == "main")
    assert "/database" not in {mount["mountPath"] for mount in main["volumeMounts"]}


def test_only_our_own_containers_see_the_whole_volume():
    for name, role, container in containers(workflow(plan(("a", "b")))):
        whole = any(mount["name"] == "volume" and "subPath" not in mount for mount in container["volumeMounts"])
        ours = container["image"] == CONFIG.image and not (name == "scan-root-user" and role == "main")
        assert whole == (ours and role != "keep")


def test_a_refresh_sees_nothing_of_the_volume():
    by_role = {role: c for name, role, c in containers(workflow(plan(("a",)))) if name == "database-virus"}
    assert list(by_role) == ["main", "refresh"]
    assert by_role["refresh"]["command"] == ["freshclam"]
    assert by_role["refresh"]["args"] == ["--datadir=/database"]
    assert {mount["name"] for mount in by_role["refresh"]["volumeMounts"]} == {"database-refresh"}
    made = {"name": "database-refresh", "mountPath": "/database", "subPath": "database"}
    assert by_role["refresh"]["volumeMounts"][0] == made
    assert by_role["main"]["args"][:2] == ["database", "commit"]
    assert by_role["main"]["volumeMounts"][-1] == made | {"mountPath": "/made", "readOnly": True}


MIRROR = {"url": "https://mirror.example"}


def fetched(settings: dict[str, str] = MIRROR, *, load: bool = False, **overrides: Any) -> dict[str, Any]:
    """A Workflow whose scan has a database that our own code fetches."""
    made = plan(("a",))
    database = Database(fetch=DatabaseFetch("grype", settings),
                        load=("/grype", "import", "{fetched}/db", "{database}") if load else ())  # fmt: skip
    scans = tuple(msgspec.structs.replace(scan, database=database) if scan.database else scan for scan in made.scans)
    return workflow(msgspec.structs.replace(made, scans=scans), **overrides)


@pytest.mark.parametrize("load", [True, False])
def test_what_fetches_a_database_is_our_own_and_writes_that_only(load):
    manifest = fetched(load=load)
    (main,) = (c for name, _, c in containers(manifest) if name == "database-virus")
    assert main["image"] == CONFIG.image
    assert main["args"][:2] == ["database", "fetch"]
    mounts = [mount for mount in main["volumeMounts"] if mount["name"] == "volume"]
    assert mounts == [
        {"name": "volume", "mountPath": "/volume", "readOnly": True},
        {"name": "volume", "mountPath": "/volume/databases/virus", "subPath": "databases/virus"},
    ]
    component = template(manifest, "database-virus")["metadata"]["labels"]["app.kubernetes.io/component"]
    assert component == "database"
    assert ("load-virus" in tasks(manifest)) is load


def test_what_loads_a_database_reads_what_was_fetched_and_writes_nothing_on_the_volume():
    manifest = fetched(load=True)
    by_role = {role: c for name, role, c in containers(manifest) if name == "load-virus"}
    assert list(by_role) == ["main", "load"]
    assert by_role["load"]["args"] == ["import", "/fetched/db", "/database"]
    assert [mount for mount in by_role["load"]["volumeMounts"] if mount["name"] == "volume"] == [
        {"name": "volume", "mountPath": "/fetched", "subPath": "databases/virus/.fetched-{{workflow.name}}",
         "readOnly": True},
    ]  # fmt: skip
    made = {"name": "database-load", "mountPath": "/database", "subPath": "database"}
    assert made in by_role["load"]["volumeMounts"]
    assert by_role["main"]["args"][:2] == ["database", "finish"]
    assert by_role["main"]["volumeMounts"][-1] == made | {"mountPath": "/made", "readOnly": True}
    found = tasks(manifest)
    assert found["load-virus"]["depends"] == "database-virus.Succeeded"
    assert "Omitted" in found["images-set-1"]["depends"]
    assert "database-virus" not in found["images-set-1"]["depends"]


def test_registry_credentials_go_to_what_pulls_and_to_nothing_else():
    manifest = workflow(plan(("a",)), argo={"registrySecret": "login"})
    holders = {
        (name, role)
        for name, role, container in containers(manifest)
        if any(mount["name"] == "registry" for mount in container["volumeMounts"])
    }
    assert holders == {("pull", "main")}
    for settings, holds in (({"url": "https://mirror.example"}, False), ({"repository": "ghcr.io/a/b:2"}, True)):
        found = fetched(settings, load=True, argo={"registrySecret": "login"})
        named = [name for name, _, one in containers(found) if "login" in json.dumps(one) or "registry" in str(one)]
        assert ("database-virus" in named) is holds  # Trivy's database may be private, too
        assert "load-virus" not in named
    assert "login" not in json.dumps(workflow(plan(("a",))))


def test_git_credentials_go_to_what_plans_in_the_cluster_or_fetches_repositories_and_to_nothing_else():
    (manifest,) = rendered(
        plan(("a",)), default_config(environment={}, argo={"gitSecret": "login"}), ManifestKind.TEMPLATE
    )
    holders = {
        (name, role)
        for name, role, container in containers(manifest)
        if any(mount["name"] == "git" for mount in container["volumeMounts"])
    }
    assert holders == {("plan", "main"), ("fetch", "main")}
    assert "login" not in json.dumps(workflow(plan(("a",)), argo={"gitSecret": "login"}))


def test_every_mounted_volume_is_declared_by_its_name():
    for kind in (ManifestKind.WORKFLOW, ManifestKind.TEMPLATE):
        (manifest,) = rendered(
            plan(("a",)), default_config(environment={}, argo={"registrySecret": "x", "gitSecret": "y"}), kind
        )
        declared = {volume["name"] for volume in manifest["spec"]["volumes"]}
        declared |= {volume["name"] for one in manifest["spec"]["templates"] for volume in one.get("volumes", ())}
        mounted = {mount["name"] for _, _, container in containers(manifest) for mount in container["volumeMounts"]}
        assert mounted == declared


def test_pods_can_be_found_by_run_target_and_scan():
    manifest = workflow(plan(("a",)))
    assert manifest["metadata"]["labels"] == {"scanmatrix/run": "run-1"}
    assert template(manifest, "scan-virus")["metadata"]["labels"] == {
        "app.kubernetes.io/part-of": "scanmatrix",
        "app.kubernetes.io/component": "scan",
        "scanmatrix/run": "run-1",
        "scanmatrix/target": "{{inputs.parameters.target}}",
        "scanmatrix/scan": "virus",
    }


def test_built_in_scans_run_in_our_own_image():
    manifest = workflow(plan(("a",)), image="registry.example/scanmatrix:9")
    images = {(name, role): container["image"] for name, role, container in containers(manifest)}
    assert images["scan-root-user", "main"] == "registry.example/scanmatrix:9"
    assert images["scan-virus", "main"] == "clamav:1"
    assert images["scan-virus", "stage"] == "registry.example/scanmatrix:9"


def test_further_attempts_get_more_memory_and_none_are_made_of_what_cannot_help():
    made = plan(("a",))
    scan = msgspec.structs.replace(made.scans[1], retries=3, timeout=100, resources=Resources(memory_limit="1500M"))
    found = template(workflow(msgspec.structs.replace(made, scans=(made.scans[0], scan))), "scan-virus")
    assert found["retryStrategy"]["limit"] == "3"
    assert "137" in found["retryStrategy"]["expression"]
    assert found["activeDeadlineSeconds"] >= 100
    main = json.loads(found["podSpecPatch"])["containers"][-1]
    assert main["name"] == "main"
    assert main["resources"]["limits"]["memory"] == "{{=(asInt(retries)+1)*1430}}Mi"
    none = template(workflow(variants()["no retries"]), "scan-virus")
    assert "retryStrategy" not in none
    assert "{{" not in none["podSpecPatch"]


def test_an_aggregate_pod_that_ran_out_of_memory_is_tried_again_with_more():
    made = plan(("a",))
    found = template(workflow(msgspec.structs.replace(made, limits=Limits(retries=2))), "aggregate")
    assert found["container"]["resources"]["limits"]["memory"] == POD_MEMORY == "2Gi"
    assert "OOMKilled" in found["retryStrategy"]["expression"]
    limits = {"memory": "{{=(asInt(retries)+1)*2048}}Mi"}
    assert json.loads(found["podSpecPatch"]) == {"containers": [{"name": "main", "resources": {"limits": limits}}]}
    assert "podSpecPatch" not in template(workflow(variants()["no retries"]), "aggregate")


def scan(**fields: Any) -> Scan:
    return Scan(**{"name": "x", "image": "i:1", "command": ("c",), "format": "scanmatrix"} | fields)


def test_placeholders_are_paths_of_the_container_and_other_braces_stay():
    found = scan(command=("c", "{tarball}", "--out={report}", "{database}:{workdir}", "{json}", "{parameter.age}"),
                 report="r.json", parameters={"age": "30d"})  # fmt: skip
    assert scanner_command(found) == ["c", "/scan/image.tar", "--out=/scan/r.json", "/database:/tmp", "{json}", "30d"]


@pytest.mark.parametrize(
    "made", [scan(command=("c", "{{workflow.name}}")), scan(command=("{parameter.a}",), parameters={"a": "{{x}}"})]
)
def test_what_argo_would_replace_is_refused(made):
    with pytest.raises(RenderError, match="scan x"):
        scanner_command(made)


def test_a_parameter_cannot_bring_in_a_placeholder():
    assert fill("{parameter.a}", scan(parameters={"a": "{report}"}), where="") == "{report}"


@pytest.mark.parametrize(
    ("code", "fields", "status", "report"),
    [
        (0, {"success_codes": (0, 1)}, 0, "written"),
        (1, {"success_codes": (0, 1)}, 0, "written"),
        (2, {"success_codes": (0, 1)}, 2, ""),
        (0, {"report_from_stdout": True}, 0, "printed\n"),
        (3, {"report_from_stdout": True}, 3, ""),
        (3, {"report_from_stdout": True, "success_codes": (3,)}, 0, "printed\n"),
    ],
)
def test_the_shell_around_a_scanner_keeps_its_report_only_when_it_ended_well(tmp_path, code, fields, status, report):
    path = tmp_path / 'it\'s a "report".json'
    write = "print('printed')" if fields.get("report_from_stdout") else f"open({str(path)!r}, 'w').write('written')"
    made = scan(command=(sys.executable, "-c", f"import sys; {write}; sys.exit({code})"), **fields)
    command = [part.replace("/scan/report.json", str(path)) for part in scanner_command(made)]
    assert command[0] == "/bin/sh"
    assert subprocess.run(command, check=False).returncode == status
    assert path.read_text() == report


@pytest.mark.parametrize("name", ["pull", "3scan"])
def test_a_scan_whose_name_argo_cannot_take_is_refused(name):
    made = plan(("a",))
    renamed = msgspec.structs.replace(made.scans[1], name=name)
    cells = tuple(msgspec.structs.replace(cell, scan=name) for cell in made.cells)
    with pytest.raises(RenderError, match=name):
        workflow(msgspec.structs.replace(made, scans=(renamed,), cells=cells))


def test_in_the_layout_image_one_pod_has_all_scans_of_an_image():
    manifest = workflow(plan(("a", "b")), layout="image")
    found = template(manifest, "image-set-1")
    names = [container["name"] for container in found["containerSet"]["containers"]]
    assert names == ["root-user", "virus"]
    (stage,) = found["initContainers"]
    assert stage["args"][stage["args"].index("--stage") + 1] == "root-user,virus"
    assert {volume["name"] for volume in found["volumes"]} == {
        "volume", "scratch", "scratch-root-user", "scratch-virus",
    }  # fmt: skip
    for container in found["containerSet"]["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        (folder, tarball) = (mount for mount in container["volumeMounts"] if mount["mountPath"].startswith("/scan"))
        assert folder["name"] == f"scratch-{container['name']}"
        assert tarball["subPath"].endswith(f"/{container['name']}/image.tar")
        assert tarball["readOnly"]
    (keep,) = found["sidecars"]
    kept = {mount["mountPath"]: mount["subPath"] for mount in keep["volumeMounts"] if not mount.get("readOnly")}
    folder = "runs/run-1/{{inputs.parameters.target}}"
    assert kept == {"/kept/root-user": f"{folder}/root-user", "/kept/virus": f"{folder}/virus"}


@pytest.mark.parametrize(
    ("message", "again"),
    [
        ("stage: Error (exit code 75): scanmatrix-step: the registry answered 503", True),
        ("Pod failed before virus container starts due to PodInitializing: ", True),
        ("pod deleted", True),
        ("stage: Error (exit code 1): scanmatrix-step: it is not in the registry", False),
        ("virus: Error (exit code 75)", False),
        ("virus: OOMKilled (exit code 137)", False),
        ("Pod was active on the node longer than the specified deadline", False),
    ],
)
def test_in_the_layout_image_a_pull_has_its_attempts_and_what_failed_after_it_has_none(message, again):
    made = msgspec.structs.replace(plan(("a",)), limits=Limits(retries=3))
    strategy = template(workflow(made, layout="image"), "image-set-1")["retryStrategy"]
    assert strategy["limit"] == "3"
    assert strategy["retryPolicy"] == "Always"
    (pattern,) = re.fullmatch(r"lastRetry\.message matches '(.*)'", strategy["expression"]).groups()
    assert bool(re.search(pattern, message)) == again


def test_no_pull_of_the_layout_image_is_tried_again_where_none_is():
    assert "retryStrategy" not in template(workflow(variants()["no retries"], layout="image"), "image-set-1")


@pytest.mark.parametrize(
    "message",
    [
        'Usage of EmptyDir volume "scratch-main" exceeds the limit "20Gi". ',
        "Pod ephemeral local storage usage exceeds the total limit of containers 22Gi. ",
        'Container main exceeded its local ephemeral storage limit "22Gi". ',
        "Pod was active on the node longer than the specified deadline",
    ],
)
def test_what_wrote_too_much_or_took_too_long_is_not_tried_again(message):
    found = template(workflow(plan(("a",))), "scan-virus")["retryStrategy"]["expression"]
    (pattern,) = re.match(r"not \(lastRetry\.message matches '(.*?)'\)", found).groups()
    assert re.search(pattern, message)
    assert not re.search(pattern, "The node was low on resource: ephemeral-storage. ")


def test_what_failed_in_the_layout_image_runs_again_cell_by_cell():
    found = tasks(workflow(plan(("a",)), layout="image"))
    assert list(found) == ["plan", "database-virus", "images-set-1", "left", "again", "aggregate"]
    assert found["again"]["template"] == "image"
    assert found["again"]["withParam"] == "{{tasks.left.outputs.parameters.images}}"
    assert found["left"]["depends"] == FAILED.format("images-set-1")
    again = f"(again.Omitted || {ENDED.format('again')})"
    assert found["aggregate"]["depends"] == f"{ENDED.format('images-set-1')} && {again}"


def test_a_scan_with_the_name_of_one_of_argos_containers_cannot_have_the_layout_image():
    made = plan(("a",))
    scans = tuple(msgspec.structs.replace(scan, name="wait") for scan in made.scans[:1])
    made = msgspec.structs.replace(made, scans=scans, cells=(Cell(target="a", scan="wait"),))
    assert workflow(made)
    with pytest.raises(RenderError, match="wait"):
        workflow(made, layout="image")


def test_only_who_reads_or_starts_workflows_gets_a_token():
    (manifest,) = rendered(plan(("a",)), default_config(environment={}, layout="image"), ManifestKind.TEMPLATE)
    assert manifest["spec"]["automountServiceAccountToken"] is False
    holders = {one["name"]: one["serviceAccountName"] for one in manifest["spec"]["templates"]
               if one.get("automountServiceAccountToken")}  # fmt: skip
    assert holders == {
        "aggregate": "scanmatrix-reader",
        "left": "scanmatrix-reader",
        "plan": "scanmatrix-planner",
        "shard": "scanmatrix-parent",
    }


def test_what_plans_may_look_at_the_cluster_only_where_targets_run_there():
    for targets, account in (
        ([{"cluster": {}}], "scanmatrix-inventory"),
        ([{"cluster": {"contexts": ["elsewhere"]}}], "scanmatrix-planner"),
        ([], "scanmatrix-planner"),
    ):
        (manifest,) = rendered(plan(("a",)), default_config(environment={}, targets=targets), ManifestKind.TEMPLATE)
        (planner,) = (one for one in manifest["spec"]["templates"] if one["name"] == "plan")
        assert planner.get("serviceAccountName") == account


def test_scanners_pods_never_pull():
    (manifest,) = rendered(plan(("a",)), CONFIG, ManifestKind.TEMPLATE)
    stages = [container for name, role, container in containers(manifest) if role == "stage"]
    assert stages
    assert all("--no-pull" in stage["args"] or stage["args"][0] == "stage-sboms" for stage in stages)


def packed(manifest: dict[str, Any]) -> Plan:
    given = {each["name"]: each["value"] for each in manifest["spec"]["arguments"]["parameters"]}
    return unpack(given["plan"])


def test_a_workflow_brings_its_plan():
    made = plan(("a",), targets=(target("a"), target("b", pull="file:/home/me/b.tar")))
    assert packed(workflow(made)) == fit_for_cluster(made)


def test_shards_are_whole_workflows_and_leave_nothing_out():
    made = variants()["shards"]
    found = rendered(made, CONFIG)
    assert len(found) == 2
    items = [[item["target"] for item in tasks(one)["images-set-1"]["withItems"]] for one in found]
    assert items == [["a", "b"], ["c", "d"]]
    assert [cell for one in found for cell in packed(one).cells] == list(made.cells)
    assert {packed(one).run for one in found} == {made.run}
    assert len({one["metadata"]["generateName"] for one in found}) == 2


def test_templates_do_not_grow_with_images():
    few, many = (workflow(plan(tuple(f"t{n}" for n in range(count)))) for count in (1, 50))
    assert [one["name"] for one in few["spec"]["templates"]] == [one["name"] for one in many["spec"]["templates"]]


def test_the_size_of_the_spec_is_that_of_the_largest_workflow():
    made = variants()["shards"]
    sizes = [len(json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode()) for one in rendered(made, CONFIG)]
    assert spec_bytes(made, CONFIG, submitted=False) == max(sizes)
    (brought,) = rendered(made, CONFIG, ManifestKind.SUBMISSION)
    bytes_of_it = len(json.dumps(brought, separators=(",", ":"), ensure_ascii=False).encode())
    assert spec_bytes(made, CONFIG, submitted=True) == bytes_of_it


def test_the_template_is_of_constant_size_and_plans_in_the_cluster():
    few, many = (
        rendered(plan(tuple(f"t{n}" for n in range(count))), CONFIG, ManifestKind.TEMPLATE) for count in (1, 50)
    )
    assert few == many
    (manifest,) = few
    found = tasks(manifest)
    assert found["images"]["withParam"] == "{{tasks.plan.outputs.parameters.images}}"
    assert found["shards"]["template"] == "shards"
    assert found["database-virus"]["when"] == "'{{tasks.plan.outputs.parameters.scans}}' =~ ',virus,'"
    assert any("workflow.name" in each for each in template(manifest, "aggregate")["container"]["args"])
    given = {each["name"]: each["value"] for each in manifest["spec"]["arguments"]["parameters"]}
    assert {name for name, value in given.items() if not value} == {"plan", "run", "shard", "only", "config-git"}
    assert set(json.loads(manifest["metadata"]["annotations"]["scanmatrix/scans"])) >= {"virus", "root-user"}


def test_a_shard_is_a_workflow_of_what_its_parent_was_started_from():
    (manifest,) = rendered(plan(("a",)), CONFIG, ManifestKind.TEMPLATE)
    resource = template(manifest, "shard")["resource"]
    child = yaml.safe_load(resource["manifest"])
    assert resource["action"] == "apply"
    assert resource["setOwnerReference"]
    assert child["metadata"]["name"] == "{{workflow.name}}-{{inputs.parameters.shard}}"
    assert child["spec"]["workflowTemplateRef"] == {"name": "{{workflow.name}}-shards"}
    assert template(manifest, "shards")["parallelism"] == CONFIG.limits.shards_in_flight
    assert template(manifest, "shards-in-turn")["parallelism"] == 1


def test_a_submission_brings_its_plan_to_the_template():
    made = plan(("a",))
    (manifest,) = rendered(made, CONFIG, ManifestKind.SUBMISSION)
    assert packed(manifest) == made
    assert manifest["spec"]["workflowTemplateRef"] == {"name": "scanmatrix"}


def test_a_schedule_runs_one_at_a_time():
    config = default_config(environment={}, argo={"schedule": "0 3 * * *", "timezone": "Europe/Zurich"})
    (manifest,) = rendered(plan(("a",)), config, ManifestKind.SCHEDULE)
    spec = manifest["spec"]
    assert spec["schedules"] == ["0 3 * * *"]
    assert "schedule" not in spec  # gone in Argo 4
    assert spec["timezone"] == "Europe/Zurich"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 0
    assert spec["failedJobsHistoryLimit"] > 0
    assert spec["workflowSpec"]["workflowTemplateRef"] == {"name": "scanmatrix"}


def test_a_schedule_is_not_for_some_of_the_targets():
    """It brings no plan: what is named on the command line would be lost, and all targets scanned."""
    config = default_config(environment={}, argo={"schedule": "0 3 * * *"})
    for selection in (TargetSelection(globs=("shop/*",)), TargetSelection(named=(TargetSource(image="shop/web:1"),))):
        with pytest.raises(RenderError, match="leave out names of targets"):
            rendered(plan(("a",)), config.selecting(selection), ManifestKind.SCHEDULE)


def test_a_schedule_needs_one():
    with pytest.raises(RenderError, match=r"argo\.schedule"):
        rendered(plan(("a",)), CONFIG, ManifestKind.SCHEDULE)


def test_a_long_run_id_stays_within_what_kubernetes_keeps_of_a_name():
    manifest = workflow(msgspec.structs.replace(plan(("a",)), run="r" * 51 + "-" + "x" * 60))
    assert len(manifest["metadata"]["generateName"]) <= 58
    assert not manifest["metadata"]["generateName"].endswith("--")


def test_naming_a_kind_does_not_import_hera():
    code = "import sys; from orchestrator.workflows import ManifestKind; assert 'hera' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
