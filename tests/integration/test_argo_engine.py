"""The Argo engine against an API server on loopback: what it says of runs that change, end, or disappear."""

from pathlib import Path

import msgspec
import pytest

from orchestrator.argo.binding import scan_digests
from orchestrator.argo.names import SCANS_ANNOTATION, WORKFLOW_TEMPLATE
from orchestrator.cluster.client import Cluster
from orchestrator.config.loading import default_config
from orchestrator.engines.argo.engine import ArgoEngine
from orchestrator.engines.argo.ready import WorkflowTemplateMissingError, check_workflow_template
from orchestrator.engines.argo.runs import RunUnknownError
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan
from tests.integration.kube_api import KubeApi


@pytest.fixture
def engine(api: KubeApi, tmp_path: Path) -> ArgoEngine:
    return ArgoEngine(default_config(environment={}), Volume(tmp_path / "volume"))


def workflow(phase: str, name: str = "r") -> dict:
    return {
        "metadata": {"name": name, "labels": {"scanmatrix/run": "r"}, "creationTimestamp": "2025-01-01T00:00:00Z"},
        "spec": {},
        "status": {"phase": phase},
    }


def test_a_run_is_followed_to_its_end_over_watches_that_end_early(api: KubeApi, engine: ArgoEngine) -> None:
    api.workflows = [workflow("Pending")]
    api.watches = [[("MODIFIED", workflow("Running"))], [], [("MODIFIED", workflow("Succeeded"))]]
    assert [status.state for status in engine.follow("r")] == ["pending", "running", "pending", "pending", "succeeded"]


def test_following_a_run_that_is_deleted_ends_and_says_so(api: KubeApi, engine: ArgoEngine) -> None:
    api.workflows = [workflow("Running")]

    def watch() -> bytes:
        api.workflows = []
        return msgspec.json.encode({"type": "DELETED", "object": workflow("Running")}) + b"\n"

    api._next_watch = watch  # type: ignore[method-assign]
    following = engine.follow("r")
    assert next(following).state == "running"
    with pytest.raises(RunUnknownError, match="'r'"):
        next(following)


@pytest.mark.parametrize("call", ["status", "cancel", "delete"])
def test_a_run_that_the_cluster_does_not_know(api: KubeApi, engine: ArgoEngine, call: str) -> None:
    with pytest.raises(RunUnknownError, match=r"'r'.*namespace"):
        getattr(engine, call)("r")


@pytest.mark.parametrize("annotation", [None, "{}", "[]", "no JSON", "[" * 100_000, '{"virus": 1}'])
def test_a_template_of_other_scans_or_none_runs_no_plan(api: KubeApi, annotation: str | None) -> None:
    plan = make_plan()
    found = {"metadata": {"name": WORKFLOW_TEMPLATE, "annotations": {}}}
    if annotation is not None:
        found["metadata"]["annotations"] = {SCANS_ANNOTATION: annotation}
    api.others["workflowtemplates"] = [found]
    with Cluster("n") as cluster:
        with pytest.raises(WorkflowTemplateMissingError, match="install --render"):
            check_workflow_template(plan, cluster)
        digests = msgspec.json.encode(dict(scan_digests(plan.scans))).decode()
        found["metadata"]["annotations"] = {SCANS_ANNOTATION: digests}
        check_workflow_template(plan, cluster)
        api.others["workflowtemplates"] = []
        with pytest.raises(WorkflowTemplateMissingError, match="no WorkflowTemplate"):
            check_workflow_template(plan, cluster)


def test_the_log_is_that_of_the_container_that_failed(api: KubeApi, engine: ArgoEngine) -> None:
    labels = {"scanmatrix/run": "r", "scanmatrix/target": "t", "scanmatrix/scan": "virus"}
    stage = {"name": "stage", "state": {"terminated": {"exitCode": 1}}}
    pod = {
        "metadata": {"name": "p", "labels": labels, "creationTimestamp": "2025-01-01T00:00:00Z"},
        "status": {"phase": "Failed", "initContainerStatuses": [stage]},
    }
    api.pods = [pod]
    api.logs = {("p", "stage"): "no room\n", ("p", "main"): "scanning\n"}
    assert list(engine.logs("r", "t", "virus")) == ["no room"]
    stage["state"] = {"terminated": {"exitCode": 0}}
    assert list(engine.logs("r", "t", "virus")) == ["scanning"]
