"""`kubectl apply -k` on a real API server: both overlays are taken, one command is enough, rights are as documented."""

import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from orchestrator.cluster.client import Cluster
from tests.cluster.addons import ARGO
from tests.cluster.images import by_tag
from tests.cluster.state import API_SERVER, NODE_IP
from tests.e2e.site import await_, remove_volumes, run
from tests.unit.workflows.test_other_namespace import PLACES, texts

NAMESPACE = "e2e-install"
CONFIGURATION = f"""
targets: [{{csv: {{path: targets.csv}}}}]
cache: [{{upstream: docker.io, size: 1Gi}}, {{upstream: ghcr.io}}]
volume: {{budget: 1Gi, hostPath: FOLDER, hostPathPrefixes: [FOLDER]}}
argo:
  namespace: {NAMESPACE}
  schedule: 0 3 * * *
  images: images.lock
  operators: [{{user: ana@example.com}}]
  apiServer: {{cidrs: [{NODE_IP}/32], ports: [{API_SERVER.rpartition(":")[2]}]}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scanmatrix install --out` writes, for both overlays, fit for a machine without a network."""
    found = tmp_path_factory.mktemp("install")
    (found / "scanmatrix.yaml").write_text(CONFIGURATION.replace("FOLDER", str(found / "volume")))
    (found / "images.lock").write_text(by_tag())
    (found / "targets.csv").write_text("image\nubuntu:20.04\n")
    for overlay in ("single-node", "production"):
        run("scanmatrix", "install", f"--overlay={overlay}", "--out=out", cwd=found)
    manifests = ARGO.folder / "manifests"
    if manifests.exists():
        shutil.copytree(manifests, found / "manifests")
        argo = found / "out" / "argo-install" / "argo" / "kustomization.yaml"
        remote = next(line for line in argo.read_text().splitlines() if "https://" in line)
        argo.write_text(argo.read_text().replace(remote, "  - ../../../manifests/cluster-install"))
    return found / "out"


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """Removed at the end, with everything in it."""
    yield NAMESPACE
    for name in (NAMESPACE, f"{NAMESPACE}-volume"):
        run("kubectl", "delete", "namespace", name, "--ignore-not-found", "--timeout=90s", check=False)
    remove_volumes(NAMESPACE)


@pytest.fixture(scope="module")
def installed(folder: Path, namespace: str) -> str:
    """The namespace, installed by the base and the volume of the overlay; Argo is there already."""
    for part in ("argo-install/base", "pv/single-node"):
        run("kubectl", "apply", "-k", str(folder / part))
    return namespace


def again(folder: Path, text: str, out: str = "again") -> None:
    """The configuration is changed, and what it gives is applied once more."""
    (folder.parent / "scanmatrix.yaml").write_text(text)
    run("scanmatrix", "install", f"--out={out}", cwd=folder.parent)
    for part in ("argo-install/base", "pv/single-node"):
        run("kubectl", "apply", "-k", str(folder.parent / out / part))


@pytest.fixture
def text(folder: Path) -> Iterator[str]:
    """The configuration, which is put back afterwards."""
    path = folder.parent / "scanmatrix.yaml"
    before = path.read_text()
    yield before
    path.write_text(before)


def test_one_command_brings_the_templates_and_the_schedule(installed: str) -> None:
    found = run("kubectl", "-n", installed, "get", "workflowtemplates,cronworkflows", "-o", "name").split()
    assert sorted(found) == [
        "cronworkflow.argoproj.io/scanmatrix",
        "cronworkflow.argoproj.io/scanmatrix-reaper",
        "workflowtemplate.argoproj.io/scanmatrix",
    ]


def test_the_caches_are_admitted(installed: str) -> None:
    """They start only when their upstream answers, which it need not here; `site` has one that does."""
    pods = ("-n", installed, "get", "pods", "-l=app.kubernetes.io/component=cache", "-o=name")
    await_(lambda: len(run("kubectl", *pods).split()) == 2, 60, "a pod of each cache")


def test_the_folder_of_the_node_is_ours(installed: str, folder: Path) -> None:
    volume = folder.parent / "volume"
    await_(lambda: volume.exists() and volume.stat().st_uid == 65532, 60, "the folder to be handed over")
    assert (volume.stat().st_gid, oct(volume.stat().st_mode & 0o7777)) == (65532, "0o2770")


def test_the_same_again_changes_nothing(installed: str, folder: Path) -> None:
    said = run("kubectl", "apply", "-k", str(folder / "argo-install" / "base")).splitlines()
    assert [line for line in said if not line.endswith("unchanged")] == []


def template(namespace: str) -> tuple[int, set[str]]:
    """What the WorkflowTemplate says of two keys of the configuration: the deadline, and our own image."""
    spec = Cluster(namespace).workflow_template("scanmatrix")["spec"]
    plan = next(one for one in spec["templates"] if one["name"] == "plan")
    return spec["activeDeadlineSeconds"], {plan["script"]["image"]}


def test_another_budget_image_and_limit_are_installed_and_so_is_the_way_back_at_once(
    installed: str, folder: Path, text: str
) -> None:
    before = template(installed)
    other = text.replace("budget: 1Gi", "budget: 5Ti") + "limits: {deadline: 1h}\nimage: localhost/other:2\n"
    again(folder, other)
    assert template(installed) == (3600, {"localhost/other:2"})
    again(folder, text)
    assert template(installed) == before
    claim = run("kubectl", "-n", installed, "get", "pvc", "scanmatrix", "-o", "jsonpath={.status.phase}")
    assert claim == "Bound"


def test_two_installs_at_once_get_in_nobody_s_way_and_the_next_is_whole(installed: str, folder: Path) -> None:
    base = str(folder / "argo-install" / "base")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: run("kubectl", "apply", "-k", part), [base, base]))
    said = run("kubectl", "apply", "-k", base).splitlines()
    assert [line for line in said if not line.endswith("unchanged")] == []


def test_another_folder_of_the_node_is_refused_before_and_works_as_another_volume(
    installed: str, folder: Path, text: str
) -> None:
    elsewhere = folder.parent / "elsewhere"
    moved = text.replace(f"hostPath: {folder.parent}/volume", f"hostPath: {elsewhere}")
    moved = moved.replace(f"hostPathPrefixes: [{folder.parent}/volume]", f"hostPathPrefixes: [{folder.parent}]")
    assert moved != text
    (folder.parent / "scanmatrix.yaml").write_text(moved)
    for how in ("--check", "--out=out"):
        with pytest.raises(AssertionError, match=r"nothing was changed(.|\n)*cannot become(.|\n)*volume\.claim"):
            run("scanmatrix", "install", how, cwd=folder.parent)
    again(folder, moved.replace("volume: {", "volume: {claim: moved, "), out="moved")
    await_(lambda: elsewhere.exists() and elsewhere.stat().st_uid == 65532, 60, "the folder to be handed over")
    phases = ("kubectl", "-n", installed, "get", "pvc", "-o", "jsonpath={.items[*].status.phase}")
    await_(lambda: run(*phases) == "Bound Bound", 60, "both claims to be bound")


def test_what_the_configuration_no_longer_has_is_said_and_goes_but_no_volume(
    installed: str, folder: Path, text: str
) -> None:
    again(folder, text.replace("  schedule: 0 3 * * *\n", "").replace(", {upstream: ghcr.io}", ""), out="less")
    said = run("scanmatrix", "install", "--check", cwd=folder.parent)
    assert f"kubectl -n {installed} delete cronworkflow scanmatrix\n" in said
    removed = run("scanmatrix", "install", "--prune", cwd=folder.parent)
    for left in ("CronWorkflow scanmatrix", "Deployment cache-ghcr-io", "Service cache-ghcr-io"):
        assert f"removed {left} in {installed}" in removed
    assert run("scanmatrix", "install", "--check", cwd=folder.parent) == ""
    found = run("kubectl", "-n", installed, "get", "cronworkflows,workflowtemplates,pvc", "-o", "name").split()
    assert {"cronworkflow.argoproj.io/scanmatrix-reaper", "workflowtemplate.argoproj.io/scanmatrix"} <= set(found)
    assert "cronworkflow.argoproj.io/scanmatrix" not in found
    assert "persistentvolumeclaim/scanmatrix" in found
    again(folder, text)


@pytest.mark.parametrize(
    ("who", "what", "allowed"),
    [
        ("scanmatrix", "create workflowtaskresults.argoproj.io", True),
        ("scanmatrix", "get workflows.argoproj.io", False),
        ("scanmatrix", "get secrets", False),
        ("scanmatrix", "list pods", False),
        ("scanmatrix-parent", "create workflows.argoproj.io", True),
        ("scanmatrix-parent", "delete workflows.argoproj.io", False),
        ("scanmatrix-parent", "get pods/log", False),
        ("scanmatrix-reader", "get pods/log", True),
        ("scanmatrix-reader", "create workflows.argoproj.io", False),
        ("scanmatrix-planner", "create workflowtemplates.argoproj.io", True),
        ("scanmatrix-planner", "update workflowtemplates.argoproj.io", False),
        ("scanmatrix-planner", "create workflows.argoproj.io", False),
        ("ana@example.com", "create workflows.argoproj.io", True),
        ("ana@example.com", "update workflowtemplates.argoproj.io", False),
        ("ana@example.com", "create pods/exec", False),
        ("ana@example.com", "get secrets", False),
    ],
)
def test_rights(installed: str, who: str, what: str, *, allowed: bool) -> None:
    user = who if "@" in who else f"system:serviceaccount:{installed}:{who}"
    said = run("kubectl", "-n", installed, "auth", "can-i", *what.split(), f"--as={user}", check=False)
    assert said.strip() == ("yes" if allowed else "no")


def test_a_pod_that_is_not_restricted_is_refused(installed: str) -> None:
    arguments = ("run", "root", "--image=localhost/none", "--restart=Never", "--dry-run=server")
    said = run("kubectl", "-n", installed, *arguments, "-o", "name", check=False)
    assert said == ""


def test_moved_to_another_namespace_it_is_refused_by_kustomize_or_by_itself(folder: Path, tmp_path: Path) -> None:
    """An overlay has several Namespaces, which cannot become one."""
    for overlay in ("single-node", "production"):
        assert kustomized(tmp_path, folder / "argo-install" / "overlays" / overlay) is None
    refusing = [PLACES[why] for why in PLACES if "rewrites" not in why]
    for part in ("argo-install/base", "pv/single-node"):
        moved = kustomized(tmp_path, folder / part)
        assert moved is not None
        found = [one for one in yaml.safe_load_all(moved) if one is not None]
        left = {path for one in found for path, text in texts(one, one["kind"]) if NAMESPACE in text}
        assert [path for path in left if not any(re.fullmatch(each, path) for each in refusing)] == []


def kustomized(workspace: Path, part: Path) -> str | None:
    """A folder as the base of a user's own, with another namespace; None where kustomize refuses."""
    (workspace / "kustomization.yaml").write_text(
        f"namespace: elsewhere\nresources: [{os.path.relpath(part, workspace)}]\n"
    )
    return run("kubectl", "kustomize", "--load-restrictor=LoadRestrictionsNone", str(workspace), check=False) or None


@pytest.mark.parametrize("overlay", ["single-node", "production"])
def test_the_api_server_takes_every_object_of_an_overlay(installed: str, folder: Path, overlay: str) -> None:
    rendered = run("kubectl", "kustomize", str(folder / "argo-install" / "overlays" / overlay))
    # The claim is bound by now, and another overlay's would be another.
    documents = [one for one in rendered.split("\n---\n") if "kind: PersistentVolumeClaim" not in one]
    arguments = ("apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", "-")
    said = run("kubectl", *arguments, stdin="\n---\n".join(documents))
    assert len(said.splitlines()) == len(documents)
    assert ("statefulset.apps/argo-archive" in said) == (overlay == "production")
