"""What is there becomes what is asked for, keys that are no longer asked for among it; then nothing is written."""

from copy import deepcopy
from typing import Any

from orchestrator.cluster.errors import ObjectExistsError
from orchestrator.service.controller.applying import Applier
from orchestrator.service.controller.desired import desired

RESOURCE = {"metadata": {"name": "main", "namespace": "team", "uid": "u"}}


class Namespace:
    """Keeps objects as server-side apply does of which nobody else writes a field."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.secrets: set[tuple[str, str]] = set()
        self.writes = 0

    def labelled(self, *_: Any) -> list[dict[str, Any]]:
        return [deepcopy(one) for one in self.objects.values()]

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
