"""The Helm chart: the objects of the controller, with values in the place of what differs, and a schema of those."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest
import yaml

from orchestrator.config.loading import default_config
from orchestrator.workflows.install.chart import FOLDER, chart
from orchestrator.workflows.install.controller import NAMESPACE, controller

CONFIG = default_config(environment={})
FILES = chart(CONFIG)
VALUES = yaml.safe_load(FILES[f"{FOLDER}/values.yaml"])
SCHEMA = json.loads(FILES[f"{FOLDER}/values.schema.json"])
_RANGE = re.compile(r"^ *\{\{- range \.Values\.namespaces \}\}\n.*\n *\{\{- end \}\}\n", re.MULTILINE)


def filled(text: str) -> str:
    """A template with the default values, with which no condition is false."""
    text = re.sub(r"^\{\{- (if|end).*\}\}\n", "", _RANGE.sub("", text), flags=re.MULTILINE)

    def value(found: re.Match[str]) -> str:
        there: Any = VALUES
        for key in found[1].split("."):
            there = there[key]
        return json.dumps(there)

    return re.sub(r"\{\{ toJson \.Values\.([\w.]+) \}\}", value, text).replace("{{ .Release.Namespace }}", NAMESPACE)


def test_with_its_default_values_it_is_what_the_command_installs() -> None:
    found = list(yaml.safe_load_all(filled(FILES[f"{FOLDER}/templates/controller.yaml"])))
    definition, *objects = controller(CONFIG)
    wanted = [one for one in objects if one["kind"] != "Namespace"]
    for one in found:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            assert [pod.pop(key) for key in ("imagePullSecrets", "nodeSelector", "tolerations")] == [[], {}, []]
    assert found == wanted
    assert yaml.safe_load(FILES[f"{FOLDER}/crds/definition.yaml"]) == definition


def mistakes(**values: Any) -> list[str]:
    return [one.message for one in jsonschema_rs.Draft202012Validator(SCHEMA).iter_errors(VALUES | values)]


def test_the_schema_takes_the_default_values_and_a_resource() -> None:
    assert mistakes() == []
    spec = {"ignoreLabel": "ignore", "argo": {"schedule": "@daily"}, "scans": {"parameters": {"general": {"a": "b"}}}}
    assert mistakes(matrices=[{"name": "images", "namespace": "shop", "spec": spec}]) == []


@pytest.mark.parametrize("values", [
    {"replicas": "two"},
    {"replica": 2},
    {"networkPolicy": {"enabeld": True}},
    {"matrices": [{"name": "a"}]},
    {"matrices": [{"name": "a", "spec": {"target": []}}]},
    {"matrices": [{"name": "a", "spec": {"limits": {"retries": 1000}}}]},
    {"matrices": [{"name": "A b", "spec": {}}]},
], ids=str)  # fmt: skip
def test_the_schema_refuses_what_is_wrong(values: dict[str, Any]) -> None:
    assert mistakes(**values) != []
