"""The rules of `admission` in a cluster: runs of ours pass, and what is submitted round us is held to them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.admission.scans import NotAdmittedError
from orchestrator.model import Decision, Outcome
from tests.cluster.images import ORCHESTRATOR
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site, run
from tests.tools import find
from tests.tools.upstream import Upstream

REPOSITORY = ORCHESTRATOR.rpartition(":")[0]
RULES = {
    "policies": [{"name": "ours", "images": [REPOSITORY]}],
    "serviceAccounts": [],
    "maximum": {"cpu": "2", "memory": "1Gi"},
}


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A namespace whose API server has the rules."""
    quick.push(upstream, "admitted")
    folder = tmp_path_factory.mktemp("admission")
    scans = {"quick": quick.scan("quick")}
    settings = {"admission": RULES}
    with make_site(
        folder, "e2e-admission", upstream, csv="image,scans\nadmitted:1,quick\n", templates=scans, settings=settings
    ) as found:
        rendered = found.scanmatrix("install", "--admission")
        try:
            run("kubectl", "apply", "-f", "-", stdin=rendered)
            await_(lambda: "denied request" in _try(found, "evil.example/a:1"), 60, "the rules to be in force")
            yield found
        finally:
            run("kubectl", "delete", "--ignore-not-found", "-f", "-", stdin=rendered, check=False)


def _workflow(image: str, **more: Any) -> dict[str, Any]:
    """As somebody writes one by hand."""
    container = {
        "image": image,
        "command": ["true"],
        "securityContext": {
            "allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"limits": {"memory": "64Mi"}},
    }  # fmt: skip
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "by-hand-"},
        "spec": {
            "entrypoint": "main",
            "serviceAccountName": "scanmatrix",
            "automountServiceAccountToken": False,
            "executor": {"serviceAccountName": "scanmatrix"},
            "templates": [{"name": "main", "container": container | more}],
        },
    }


def _try(site: Site, image: str) -> str:
    """What the API server says about a pod with this image; nothing is made."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}}
    spec = _workflow(image)["spec"]
    made = {**pod, "spec": {"containers": [{"name": "main", **spec["templates"][0]["container"]}]}}
    words = [str(find("kubectl") or "kubectl"), "-n", site.namespace, "create", "--dry-run=server", "-f", "-"]
    done = subprocess.run(words, input=json.dumps(made), capture_output=True, text=True, check=False, timeout=60)
    return done.stderr


def by_hand(site: Site, workflow: dict[str, Any]) -> tuple[str, str]:
    """Submit a Workflow round us; its phase and what its nodes say."""
    name = site.kubectl("create", "-f", "-", "-o", "jsonpath={.metadata.name}", stdin=json.dumps(workflow)).strip()
    await_(lambda: site.cluster.workflow(name).ended, 120, f"the end of {name}")
    status = json.loads(site.kubectl("get", "workflow", name, "-o", "json"))["status"]
    messages = [status, *status.get("nodes", {}).values()]
    return status["phase"], " ".join(str(each.get("message", "")) for each in messages)


def test_a_run_of_ours_passes_from_its_plan_to_its_ledger(site: Site) -> None:
    name = quick.start(site, "admitted", ["admitted"], ["quick"])
    assert site.wait(name) == "Succeeded"
    (row,) = site.ledger(name).rows
    assert (row.outcome, row.reason) == (Outcome.OK, "")


def test_a_run_that_the_cluster_plans_itself_passes(site: Site) -> None:
    name = site.submit(run="planned-there")
    assert site.wait(name) == "Succeeded"
    assert [row.outcome for row in site.ledger("planned-there").rows] == [Outcome.OK]


def test_what_is_submitted_by_hand_runs_with_an_image_of_the_list_only(site: Site) -> None:
    phase, said = by_hand(site, _workflow(ORCHESTRATOR))
    # Its pod runs. That Argo's executor then reaches no API from it is the network policy's doing.
    assert phase == "Succeeded" or "workflowtaskresults" in said, said
    assert "admission." not in said
    phase, said = by_hand(site, _workflow("docker.io/library/evil:1"))
    assert phase in {"Error", "Failed"}
    assert "admission.policies: no policy is about docker.io/library/evil:1" in said


def test_what_is_submitted_by_hand_asks_for_no_more_than_there_is(site: Site) -> None:
    phase, said = by_hand(site, _workflow(f"{REPOSITORY}:other", resources={"limits": {"memory": "2Gi"}}))
    assert phase in {"Error", "Failed"}
    assert "admission.maximum.memory" in said


def test_what_is_submitted_by_hand_has_no_account_of_the_installation(site: Site) -> None:
    workflow = _workflow(f"{REPOSITORY}:other")
    workflow["spec"]["serviceAccountName"] = "scanmatrix-planner"
    phase, said = by_hand(site, workflow)
    assert phase in {"Error", "Failed"}
    assert "admission.serviceAccounts: not in the list: scanmatrix-planner" in said


def test_a_plan_older_than_the_rules_is_not_submitted(site: Site, tmp_path: Path) -> None:
    plan = quick.plan(site, "older", ["admitted"], ["quick"])
    assert [cell.decision for cell in plan.cells] == [Decision.RUN]
    (tmp_path / "scanmatrix.yaml").write_text("admission: {policies: [{name: a, images: [elsewhere.example/*]}]}\n")
    stricter = orchestrator.load_config(tmp_path / "scanmatrix.yaml").admission
    with pytest.raises(NotAdmittedError, match="no policy is about"):
        orchestrator.submit(plan, site.config.model_copy(update={"admission": stricter}))
