"""What is there becomes what is asked for, keys that are no longer asked for among it; then nothing is written."""

from copy import deepcopy
from typing import Any

import pytest

from orchestrator.cluster.errors import ObjectExistsError
from orchestrator.cluster.installed import KINDS
from orchestrator.config.loading import default_config
from orchestrator.service.controller.applying import MADE, Applier, TakenError
from orchestrator.service.controller.desired import desired
from orchestrator.workflows.install.controller import controller

RESOURCE = {"metadata": {"name": "main", "namespace": "team", "uid": "u"}}


class Namespace:
    """Keeps objects as server-side apply does of which nobody else writes a field."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.secrets: set[tuple[str, str]] = set()
        self.others: dict[tuple[str, str], dict[str, Any]] = {}
        self.writes = 0

    def labelled(self, *_: Any) -> list[dict[str, Any]]:
        return [deepcopy(one) for one in self.objects.values()]

    def metadata(self, kind: str) -> list[dict[str, Any]]:
        return [deepcopy(one) for (of, _), one in {**self.objects, **self.others}.items() if of == kind]

    def one(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((kind, name))

    def apply(self, one: dict[str, Any]) -> str:
        self.writes += 1
        found = deepcopy(one)
        found["metadata"]["resourceVersion"] = str(self.writes)
        self.objects[one["kind"], one["metadata"]["name"]] = found
        return str(self.writes)

    def create(self, one: dict[str, Any]) -> None:
        if (one["kind"], one["metadata"]["name"]) in self.secrets:
            raise ObjectExistsError(one["metadata"]["name"])
        self.secrets.add((one["kind"], one["metadata"]["name"]))

    def delete(self, kind: str, name: str) -> None:
        del self.objects[kind, name]


def apply(there: Namespace, spec: dict[str, Any]) -> Any:
    return Applier().apply(there, RESOURCE, desired("team", spec).objects)  # type: ignore[arg-type]


def template(there: Namespace) -> dict[str, Any]:
    found = there.objects["WorkflowTemplate", "scanmatrix"]["spec"]
    return dict(found)


def test_a_key_that_is_no_longer_asked_for_goes() -> None:
    there, other = Namespace(), Namespace()
    apply(there, {})
    apply(there, {"limits": {"retries": 0}})  # templates without a strategy of retries
    apply(other, {"limits": {"retries": 0}})
    assert template(there) == template(other)


def test_what_is_right_is_not_written_by_one_that_has_never_seen_it_either() -> None:
    there = Namespace()
    assert apply(there, {}).changed
    writes = there.writes
    assert apply(there, {}).changed == ()
    assert there.writes == writes


def test_what_has_our_label_or_not_and_belongs_to_somebody_else_keeps_everything_as_it_is() -> None:
    there = Namespace()
    there.others["Deployment", "scheduler"] = {
        "kind": "Deployment",
        "metadata": {"name": "scheduler", "namespace": "team"},
    }
    with pytest.raises(TakenError, match="Deployment scheduler in team"):
        apply(there, {})
    assert (there.writes, there.secrets) == (0, set())


def test_it_knows_which_versions_are_its_own() -> None:
    there, applier = Namespace(), Applier()
    applier.apply(there, RESOURCE, desired("team", {}).objects)  # type: ignore[arg-type]
    assert applier.wrote("u", "1")
    assert not applier.wrote("u", str(there.writes + 1))
    assert not applier.wrote("other", "1")


def test_the_service_is_made_where_the_resource_asks_for_it_and_goes_when_it_no_longer_does() -> None:
    there = Namespace()
    apply(there, {"argo": {"service": {}}})
    assert ("Deployment", "scanmatrix-service") in there.objects
    apply(there, {})
    assert ("Deployment", "scanmatrix-service") not in there.objects


def test_the_controller_may_list_whatever_it_looks_for() -> None:
    """Or one kind that an installation has beside it keeps every resource waiting."""
    (role,) = [one for one in controller(default_config(environment={})) if one["kind"] == "ClusterRole"]
    rules = [rule for rule in role["rules"] if {"list", "watch"} <= set(rule["verbs"])]
    listed = {(group, name) for rule in rules for group in rule["apiGroups"] for name in rule["resources"]}
    wanted = {((KINDS[kind].path.split("/")[2:-1] or [""])[0], KINDS[kind].plural) for kind in MADE}
    assert wanted <= listed
