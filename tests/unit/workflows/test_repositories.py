"""Repositories in a Workflow: tasks by kind of scan, and one kind of pod that goes out."""

import json
from typing import Any

import msgspec
import pytest

from orchestrator.argo.items import fit_for_cluster, image_of, make_items
from orchestrator.argo.names import scan_of
from orchestrator.config.loading import default_config, load_config
from orchestrator.model import Cell, Name, Online, OnRepository, Plan, Platform, Scan, TargetKind
from orchestrator.model.plan import pending
from orchestrator.steps.incluster import Work, write_outputs
from orchestrator.workflows import ManifestKind
from orchestrator.workflows.settings import RenderError
from tests.unit.steps.plans import plan, target
from tests.unit.workflows.examples import rendered
from tests.unit.workflows.test_install import of_kind, reached
from tests.unit.workflows.test_matrix import containers, tasks, template

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://github.com/example/shop.git"
CARD = Scan(
    name="card", image="card:1", command=(), format="scorecard",
    repository=OnRepository(
        command=("/card", "--local={checkout}", "--out={report}"),
        online=Online(command=("/card", "--repo={repository}", "--commit={commit}", "--out={report}"),
                      tokens={"github.com": "GITHUB_AUTH_TOKEN", "gitlab.com": "GITLAB_AUTH_TOKEN"}),
    ),
)  # fmt: skip
BOTH = Scan(name="both", image="both:1", command=("/both", "{tarball}", "{report}"), format="trivy",
            repository=OnRepository(command=("/both", "{checkout}", "{report}")))  # fmt: skip
TOKENS = {"argo": {"tokenSecrets": {"github.com": "github-token"}, "gitSecret": "git-login"}}


def repository(name: str = "git-1", url: str = URL) -> Any:
    return target(name, names=(Name(reference=f"{url}#main"),), digest=f"git:{COMMIT}", pull=url,
                  platform=Platform(os="", architecture=""), kind=TargetKind.REPOSITORY)  # fmt: skip


def mixed(*, images: bool = True, online: bool = True) -> Plan:
    """An image and a repository, each with the scans that read it."""
    cells = [Cell(target="a", scan="both")] if images else []
    cells += [Cell(target="git-1", scan="both"), Cell(target="git-1", scan="card", online=online)]
    targets = (*((target("a"),) if images else ()), repository())
    made = plan(tuple(one.id for one in targets), targets=targets, cells=tuple(cells))
    return msgspec.structs.replace(made, scans=(BOTH, CARD))


def workflow(made: Plan, **overrides: Any) -> dict[str, Any]:
    (manifest,) = rendered(made, default_config(environment={}, **(overrides or TOKENS)))
    return manifest


def test_images_and_repositories_are_tasks_of_their_own_in_one_matrix():
    found = tasks(workflow(mixed()))
    assert list(found) == ["plan", "images-set-1", "repositories", "aggregate"]
    assert found["repositories"]["withItems"] == [
        {"image": f"{URL}#main", "scans": ",both,card_online,", "server": "github.com", "target": "git-1",
         "url": "github.com/example/shop", "version": COMMIT},
    ]  # fmt: skip
    assert found["repositories"]["template"] == "repository"
    assert "repositories.Succeeded" in found["aggregate"]["depends"]


def test_a_repository_is_fetched_then_each_of_its_cells_has_a_pod():
    found = tasks(workflow(mixed()), "repository")
    assert {name: (task["template"], task.get("depends")) for name, task in found.items()} == {
        "pull": ("fetch", None), "both": ("repository-both", "pull"), "card": ("repository-card", "pull"),
        "card-online": ("online-card", "pull"),
    }  # fmt: skip
    assert found["card-online"]["when"] == "'{{inputs.parameters.scans}}' =~ ',card_online,'"
    assert {scan_of(task["template"]) for task in found.values()} == {"", "both", "card"}


def test_the_spec_grows_with_repositories_by_one_item_each():
    made = mixed(images=False)
    many = msgspec.structs.replace(
        made,
        targets=tuple(repository(f"git-{number}") for number in range(50)),
        cells=tuple(Cell(target=f"git-{number}", scan=scan) for number in range(50) for scan in ("both", "card")),
        waves=(tuple(f"git-{number}" for number in range(50)),),
    )
    one, all_ = workflow(made), workflow(many)
    assert [each["name"] for each in one["spec"]["templates"]] == [each["name"] for each in all_["spec"]["templates"]]
    assert len(tasks(all_)["repositories"]["withItems"]) == 50


def test_a_plan_without_repositories_has_nothing_of_them_and_one_without_images_nothing_of_those():
    images = msgspec.structs.replace(mixed(), cells=mixed().cells[:1])
    assert not {"repository", "fetch", "repository-both"} & {
        one["name"] for one in workflow(images)["spec"]["templates"]
    }
    repositories = {one["name"] for one in workflow(mixed(images=False))["spec"]["templates"]}
    assert not {"pull", "image", "scan-both", "image-set-1"} & repositories
    assert not any(name.startswith("image") for name in tasks(workflow(mixed(images=False))))


def test_only_a_pod_that_asks_an_api_has_a_token_and_the_label_that_lets_it_out():
    manifest = workflow(mixed())
    with_token = {
        name: [variable["valueFrom"]["secretKeyRef"] for variable in container["env"] if "valueFrom" in variable]
        for name, _, container in containers(manifest)
        if any("valueFrom" in variable for variable in container.get("env", ()))
    }
    assert with_token == {"online-card": [{"name": "github-token", "key": "token"}]}
    component = "app.kubernetes.io/component"
    labels = {one["name"]: one["metadata"]["labels"][component] for one in manifest["spec"]["templates"]
              if "metadata" in one and component in one["metadata"].get("labels", {})}  # fmt: skip
    assert labels["online-card"] == "online"
    assert labels["repository-card"] == labels["repository-both"] == labels["scan-both"] == "scan"
    assert labels["fetch"] == "fetch"


def test_this_many_ask_at_a_time_over_all_workflows():
    synchronization = template(workflow(mixed()), "online-card")["synchronization"]
    assert synchronization == {"semaphores": [{"configMapKeyRef": {"name": "scanmatrix-limits", "key": "online-card"}}]}
    config = default_config(environment={})
    assert of_kind(config, "ConfigMap")["scanmatrix-limits"]["data"] == {"online-scorecard": "2"}


def test_a_scanner_reads_the_checkout_of_its_cell_and_cannot_write_it():
    container = template(workflow(mixed()), "repository-card")["container"]
    assert (container["command"], container["args"]) == (
        ["/card"], ["--local=/scan/checkout", "--out=/scan/report.json"],
    )  # fmt: skip
    mounts = {mount["mountPath"]: (mount.get("subPath", ""), mount.get("readOnly", False))
              for mount in container["volumeMounts"]}  # fmt: skip
    folder = "runs/run-1/{{inputs.parameters.target}}/card"
    assert mounts["/scan/checkout"] == (f"{folder}/checkout", True)
    assert mounts["/scan/image.tar"] == (f"{folder}/image.tar", True)


def test_a_cell_that_asks_the_api_gets_the_repository_and_the_commit_and_has_no_checkout():
    found = template(workflow(mixed()), "online-card")
    assert found["container"]["args"] == [
        "--repo={{inputs.parameters.repository}}", "--commit={{inputs.parameters.commit}}", "--out=/scan/report.json",
    ]  # fmt: skip
    assert "/scan/checkout" not in {mount["mountPath"] for mount in found["container"]["volumeMounts"]}
    assert {one["name"] for one in found["inputs"]["parameters"]} == {"target", "repository", "commit"}


def test_only_the_pod_that_fetches_has_the_credentials_of_git():
    manifest = workflow(mixed())
    mounting = {name for name, _, container in containers(manifest)
                if any(mount["mountPath"] == "/git" for mount in container["volumeMounts"])}  # fmt: skip
    assert mounting == {"fetch"}


def test_the_pod_that_fetches_has_the_token_of_its_host_and_no_other():
    for kind in (ManifestKind.WORKFLOW, ManifestKind.TEMPLATE):
        (manifest,) = rendered(mixed(images=False), default_config(environment={}, **TOKENS), kind)
        assert not any(volume["name"] == "git" for volume in manifest["spec"]["volumes"])
        fetch = template(manifest, "fetch")
        (secret,) = [volume["secret"] for volume in fetch["volumes"] if volume["name"] == "git"]
        assert secret["optional"] is True
        tokens = {item["key"] for item in secret["items"]} - {"ssh-privatekey", "known_hosts", "ca.crt"}
        assert tokens == {f"{{{{inputs.parameters.server}}}}.{part}" for part in ("password", "username")}
        (pull,) = [task for task in tasks(manifest, "repository").values() if task["template"] == "fetch"]
        assert {one["name"]: one["value"] for one in pull["arguments"]["parameters"]}["server"] == (
            "{{inputs.parameters.server}}"
        )


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://Git.Example:8443/x.git", "git.example_8443"),
        ("https://github.com./x.git", "github.com"),
        ("ssh://git@github.com/x.git", "none"),
        ("git@github.com:x.git", "none"),
        ("https://gi{{thub.com/x.git", "none"),
        ("https://g\u0456thub.com/x.git", "none"),
    ],
)
def test_the_item_of_a_repository_names_the_key_of_its_host(url, server):
    made = msgspec.structs.replace(mixed(images=False), targets=(repository(url=url),))
    (item,) = make_items(made, pending(made), pending(made))
    assert item["server"] == server


def test_without_a_secret_no_template_asks_an_api():
    names = {one["name"] for one in workflow(mixed(online=False), layout="cell")["spec"]["templates"]}
    assert "online-card" not in names
    assert "repository-card" in names


def test_in_layout_image_repositories_still_have_a_pod_for_each_cell():
    found = tasks(workflow(mixed(), layout="image"))
    assert found["repositories"]["template"] == "repository"
    assert found["left"]["depends"].count("repositories.Failed") == 1  # of its end, not of what runs again
    assert "images-set-1.Failed" in found["left"]["depends"].rpartition("&& (")[2]


def test_the_template_of_the_cluster_has_repositories_too():
    (manifest,) = rendered(mixed(images=False), default_config(environment={}, **TOKENS), ManifestKind.TEMPLATE)
    found = tasks(manifest)["repositories"]
    assert found["withParam"] == "{{tasks.plan.outputs.parameters.repositories}}"
    names = {one["name"] for one in manifest["spec"]["templates"]}
    assert {"repository-scorecard", "online-scorecard", "repository-dependency", "repository-secrets"} <= names
    assert "scan-scorecard" not in names
    assert "repository-virus" not in names


def test_the_plan_step_writes_their_items_apart(tmp_path):
    made = mixed()
    work = Work(tuple(pending(made)), pending(made))
    write_outputs(made, work, tmp_path, {"set-1": frozenset({"both"})})
    assert [item["target"] for item in json.loads((tmp_path / "images-set-1").read_bytes())] == ["a"]
    assert [item["target"] for item in json.loads((tmp_path / "repositories").read_bytes())] == ["git-1"]
    assert json.loads((tmp_path / "images").read_bytes()) == []


def test_people_see_the_url_in_the_name_of_the_node():
    made = mixed()
    _, item = make_items(made, pending(made), pending(made))
    shown = f"repositories(0:{','.join(f'{key}:{item[key]}' for key in sorted(item))})"
    assert image_of(shown) == f"{URL}#main"


def test_a_repository_of_this_machine_fails_in_the_cluster_and_one_on_the_volume_does_not():
    made = mixed(images=False)
    for url, runs in (("file:///home/me/x.git", False), ("file:///volume/x.git", True)):
        fitted = fit_for_cluster(msgspec.structs.replace(made, targets=(repository(url=url),)))
        assert (fitted.waves == (("git-1",),)) is runs
        assert runs or all("git host" in cell.reason for cell in fitted.cells)


def test_a_scan_named_like_the_online_task_of_another_is_refused():
    made = mixed()
    clash = msgspec.structs.replace(BOTH, name="card-online")
    cells = (*made.cells, Cell(target="git-1", scan=clash.name))
    made = msgspec.structs.replace(made, scans=(*made.scans, clash), cells=cells)
    with pytest.raises(RenderError, match="rename it"):
        workflow(made)


def test_ports_of_repositories_are_open_to_what_fetches(tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text("targets: [{repository: {url: 'https://git.example:8443/x/y'}}]")
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    open_ports = {name: reached(config, name) for name in ("fetch", "online")}
    assert open_ports == {"fetch": {22, 443, 8443}, "online": {443}}
