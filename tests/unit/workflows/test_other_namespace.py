"""Manifests that somebody moves to another namespace: what kustomize leaves as it was refuses to work there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from orchestrator.argo.agreed import Exit
from orchestrator.argo.command_line import parse
from orchestrator.argo.commands import AnyStep
from orchestrator.cluster import place
from orchestrator.cluster.transport import _explain
from orchestrator.steps import __main__
from tests.unit.workflows.test_contract import command_lines
from tests.unit.workflows.test_install import SHIPPED, configured, objects

NAMESPACE = "moved-scans"
#: Where a manifest names its namespace, and what becomes of it elsewhere.
PLACES = {
    "kustomize rewrites it": r"\w+\.metadata\.namespace|Namespace\.metadata\.name",
    "kustomize rewrites it with the account's own": r"(Cluster)?RoleBinding\.subjects\.\d+\.namespace",
    "the plan step, without which no shard is made, refuses": r"manifest/Workflow\.metadata\.namespace",
    "a step refuses": r"(WorkflowTemplate|CronWorkflow)\..*\.(command|args)\.\d+",
    "the API server refuses a scheduler, which then says why": r"ConfigMap\.data\.scanmatrix\.yaml",
    "of the whole cluster, and of any name": r"(ClusterRole|ClusterRoleBinding)\.(metadata|roleRef)\.name",
    "a volume is bound to no other claim, and the claim's event says so": r"PersistentVolume(Claim)?\..*",
}


@pytest.fixture(scope="module", params=["single-node", "production"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Everything that is installed."""
    settings = yaml.safe_load(SHIPPED.read_text())
    settings["argo"] |= {"namespace": NAMESPACE, "schedule": "0 3 * * *", "concurrency": "Replace"}
    settings["targets"] = [{"cluster": {}}]
    return objects(configured(tmp_path_factory.mktemp("moved"), yaml.safe_dump(settings)), request.param)


def texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in an object, with its path; a manifest in a text is looked into."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, f"{path}.{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from texts(each, f"{path}.{number}")
    elif isinstance(value, str) and value.startswith("apiVersion:"):
        inner = yaml.safe_load(value)
        yield from texts(inner, f"manifest/{inner['kind']}")
    elif isinstance(value, str):
        yield path, value


def steps(found: list[dict[str, Any]]) -> dict[str, AnyStep]:
    """The steps that name their namespace, by command."""
    parsed = map(parse, command_lines(found))
    return {step.command: step for step in parsed if getattr(step, "namespace", "")}


def test_every_place_that_names_the_namespace_is_rewritten_or_refuses(found: list[dict[str, Any]]) -> None:
    named = {path for one in found for path, text in texts(one, one["kind"]) if NAMESPACE in text}
    assert [path for path in named if not any(re.fullmatch(each, path) for each in PLACES.values())] == []
    for rewritten in [pattern for why, pattern in PLACES.items() if "rewrites" in why]:
        assert any(re.fullmatch(rewritten, path) for path in named), rewritten


def test_the_first_step_of_everything_that_runs_names_it(found: list[dict[str, Any]]) -> None:
    assert {"plan", "reap", "replace", "aggregate"} <= set(steps(found))
    for one in found:
        if one["kind"] not in {"WorkflowTemplate", "CronWorkflow"}:
            continue
        if "workflowTemplateRef" in one["spec"].get("workflowSpec", {}):
            continue
        assert any(getattr(parse(words), "namespace", "") == NAMESPACE for words in command_lines([one]))


def test_a_step_in_another_namespace_says_what_to_do(
    found: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "NAMESPACE", tmp_path / "namespace")
    (tmp_path / "namespace").write_text("other")
    lines = [words for words in command_lines(found) if getattr(parse(words), "namespace", "")]
    assert lines
    for words in lines:
        assert __main__.main(words) == Exit.USAGE
        said = capsys.readouterr().err
        assert "this pod is in the namespace 'other', and its manifests were made for 'moved-scans'" in said
        assert "`argo.namespace: other`" in said


def test_a_pod_whose_configuration_names_another_namespace_says_so_when_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ApiException(status=403, reason="Forbidden")
    what = "GET /apis/argoproj.io/v1alpha1/namespaces/moved-scans/workflows"
    assert "bind the Role `scanmatrix-operator`" in str(_explain(what, error))
    monkeypatch.setattr(place, "NAMESPACE", tmp_path / "namespace")
    (tmp_path / "namespace").write_text("other\n")
    assert "`argo.namespace: other`" in str(_explain(what, error))
    (tmp_path / "namespace").write_text("moved-scans")
    assert "bind the Role `scanmatrix-operator`" in str(_explain(what, error))
