"""What a run was started from is kept for its shards, and belongs to the run's Workflow."""

from typing import Any

import pytest

from orchestrator.cluster.errors import ObjectExistsError, ObjectNotFoundError
from orchestrator.steps.keeping import NotKeptError, StillKeptError, keep_template
from tests.clusters import FakeCluster, workflow

STORED = {
    "entrypoint": "matrix",
    "templates": [{"name": "matrix"}],
    "arguments": {"parameters": [{"name": "plan", "value": "packed"}, {"name": "run", "value": "r"}]},
    "workflowTemplateRef": {"name": "scanmatrix"},
    "shutdown": "Stop",
}


class Templates(FakeCluster):
    """WorkflowTemplates by name, and what each Workflow has stored."""

    def __init__(self, stored: dict[str, Any]) -> None:
        super().__init__(workflow("w", run="r"))
        self.stored, self.templates = stored, dict[str, Any]()

    def stored_template(self, name: str) -> tuple[str, dict[str, Any]]:
        return self.there[name].metadata.uid, self.stored

    def create_workflow_template(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        if name in self.templates:
            raise ObjectExistsError(name)
        self.templates[name] = manifest

    def workflow_template(self, name: str) -> dict[str, Any]:
        return dict(self.templates[name])


def keep(cluster: Templates) -> str:
    return keep_template("w", "r", cluster)  # type: ignore[arg-type]


def test_the_copy_has_no_parameters_of_its_parent_and_goes_with_it() -> None:
    cluster = Templates(STORED)
    assert keep(cluster) == "w-shards"
    assert keep(cluster) == "w-shards"  # another attempt of the step
    [made] = cluster.templates.values()
    assert {key: value for key, value in made["spec"].items() if key != "arguments"} == {
        "entrypoint": "matrix",
        "templates": [{"name": "matrix"}],
    }
    values = {one["name"]: one["value"] for one in made["spec"]["arguments"]["parameters"]}
    assert (values["plan"], values["run"], values["config-ref"]) == ("", "", "HEAD")
    assert [(one["name"], one["uid"]) for one in made["metadata"]["ownerReferences"]] == [("w", "uid-w")]


def test_a_template_of_somebody_else_is_neither_used_nor_changed() -> None:
    cluster = Templates(STORED)
    theirs = {"metadata": {"name": "w-shards", "ownerReferences": [{"uid": "other"}]}, "spec": {}}
    cluster.templates["w-shards"] = theirs
    with pytest.raises(NotKeptError, match="belongs to something else"):
        keep(cluster)
    assert cluster.templates == {"w-shards": theirs}


@pytest.mark.parametrize("goes", [False, True])
def test_that_of_a_deleted_workflow_of_the_same_name_is_waited_for(goes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run was deleted and started again: what belonged to its first Workflow goes a little later."""
    cluster = Templates(STORED)
    cluster.templates["w-shards"] = {"metadata": {"ownerReferences": [{"name": "w", "uid": "earlier"}]}}

    def away(name: str) -> None:
        raise ObjectNotFoundError(name)

    if goes:
        monkeypatch.setattr(cluster, "workflow_template", away)
    with pytest.raises(StillKeptError, match="earlier Workflow w"):
        keep(cluster)
    cluster.templates.clear()
    assert keep(cluster) == "w-shards"


def test_a_workflow_without_a_template_has_no_shards() -> None:
    with pytest.raises(NotKeptError, match="argo submit --from"):
        keep(Templates({}))
