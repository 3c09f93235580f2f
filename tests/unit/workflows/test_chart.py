"""The Helm chart: the objects of controller and service, with values in the place of what differs, and their schema.

What real Helm makes of it is in `tests/integration/test_helm.py`.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from orchestrator.config.loading import default_config
from orchestrator.workflows.install.chart import FOLDER, chart
from orchestrator.workflows.install.controller import NAMESPACE, controller, monitored

CONFIG = default_config(environment={})
FILES = chart(CONFIG)
VALUES = yaml.safe_load(FILES[f"{FOLDER}/values.yaml"])
SCHEMA = json.loads(FILES[f"{FOLDER}/values.schema.json"])
_PODS = ("imagePullSecrets", "nodeSelector", "tolerations")


def value_of(name: str) -> Any:
    there: Any = VALUES
    for key in name.split("."):
        there = there[key]
    return there


def filled(text: str) -> str:
    """A template with the default values; what it says in a range is left out, as all of them are empty."""
    lines: list[str] = []
    shown = [True]
    for line in text.splitlines():
        words = line.strip().removeprefix("{{- ").removesuffix(" }}").split()
        if line.strip().startswith("{{- if"):
            (name,) = re.findall(r"\.Values\.([\w.]+)", line)
            shown.append(shown[-1] and bool(value_of(name)) and (words[1] != "gt" or value_of(name) > int(words[-1])))
        elif line.strip().startswith("{{- range"):
            (name,) = re.findall(r"\.Values\.([\w.]+)", line)
            assert not value_of(name)
            shown.append(False)
        elif words == ["end"]:
            shown.pop()
        elif shown[-1]:
            lines.append(re.sub(r"\{\{ toJson \.Values\.([\w.]+) \}\}", lambda it: json.dumps(value_of(it[1])), line))
    assert shown == [True]
    return "\n".join(lines).replace("{{ .Release.Namespace }}", NAMESPACE)


def test_with_its_default_values_it_is_what_the_command_installs() -> None:
    found = list(yaml.safe_load_all(filled(FILES[f"{FOLDER}/templates/controller.yaml"])))
    definition, *objects = controller(CONFIG)
    wanted = [one for one in objects if one["kind"] != "Namespace"]
    for one in found:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            assert [pod.pop(key) for key in _PODS] == [[], {}, []]
    assert found == wanted
    assert yaml.safe_load(FILES[f"{FOLDER}/crds/definition.yaml"]) == definition


def test_monitors_of_the_controller_are_those_of_the_folder_beside() -> None:
    folder = Path(FOLDER).parent / "monitoring"
    written = list(yaml.safe_load_all((folder / "controller.yaml").read_text()))
    assert written == monitored()
    assert "controller.yaml" in (folder / "kustomization.yaml").read_text()
    VALUES["controller"]["monitor"]["enabled"] = True
    try:
        found = list(yaml.safe_load_all(filled(FILES[f"{FOLDER}/templates/controller.yaml"])))
    finally:
        VALUES["controller"]["monitor"]["enabled"] = False
    assert [one for one in found if one in monitored()] == monitored()


def test_pods_of_the_service_end_when_their_configuration_changes() -> None:
    """Whatever makes it: nobody writes this object again when that changes."""
    assert "- --end-when-changed\n" in FILES[f"{FOLDER}/templates/service.yaml"]


def test_the_service_is_off_and_so_is_each_way_to_it() -> None:
    assert list(yaml.safe_load_all(filled(FILES[f"{FOLDER}/templates/service.yaml"]))) == []
    assert [VALUES["service"][key]["enabled"] for key in ("ingress", "gateway", "monitor")] == [False] * 3


def test_workers_are_off_and_so_is_each_scan_of_theirs() -> None:
    text = FILES[f"{FOLDER}/templates/workers.yaml"]
    assert list(yaml.safe_load_all(filled(text))) == []
    scans = re.findall(r'if has "([^"]+)"', text)
    assert {"virus", "general"} <= set(scans)
    assert not {"scorecard", "root-user"} & set(scans)  # one has a token, the other takes no longer than a cell
    assert [VALUES["workers"][key] for key in ("enabled", "scans", "scaling")] == [False, [], "none"]
    script = FILES[f"{FOLDER}/files/supervisor.sh"]
    assert "{{" not in script
    assert script not in text


def test_no_mark_is_left_in_a_template() -> None:
    assert not [
        path
        for path, text in FILES.items()
        if "/templates/" in path and re.search(r"@\w|scanmatrix-chart|scanmatrix-supervisor", text)
    ]


def mistakes(**values: Any) -> list[str]:
    return [one.message for one in jsonschema_rs.Draft202012Validator(SCHEMA).iter_errors(VALUES | values)]


def test_the_schema_takes_the_default_values_and_a_resource() -> None:
    assert mistakes() == []
    spec = {"ignoreLabel": "ignore", "argo": {"schedule": "@daily"}, "scans": {"parameters": {"general": {"a": "b"}}}}
    assert mistakes(matrices=[{"name": "images", "namespace": "shop", "spec": spec}]) == []


def part(name: str, **values: Any) -> dict[str, Any]:
    return {name: VALUES[name] | values}


@pytest.mark.parametrize(
    "values",
    [
        part("controller", replicas="two"),
        part("controller", replica=2),
        part("controller", networkPolicy={"enabeld": True}),
        part("service", replicas=2),  # without a database that both reach
        part("service", ingress={"enabled": True, "host": ""}),
        part("service", gateway={"enabled": True}),
        part("service", jobNamespaces=["tasks"]),  # of no jobs
        part("workers", scaling="by hand"),
        part("service", monitor={"enabled": True, "tokenSecret": ""}),
        {"matrices": [{"name": "a"}]},
        {"matrices": [{"name": "a", "spec": {"target": []}}]},
        {"matrices": [{"name": "a", "spec": {"limits": {"retries": 1000}}}]},
        {"matrices": [{"name": "A b", "spec": {}}]},
    ],
    ids=lambda values: str(values)[:60],
)
def test_the_schema_refuses_what_is_wrong(values: dict[str, Any]) -> None:
    assert mistakes(**values) != []


def test_the_schema_takes_what_the_service_may_have() -> None:
    ways = {
        "ingress": {"enabled": True, "host": "a.example", "className": "nginx"},
        "gateway": {"enabled": True, "name": "web", "namespace": "gateways"},
        "monitor": {"enabled": True, "tokenSecret": "prometheus", "labels": {"release": "main"}},
    }
    assert mistakes(**part("service", enabled=True, replicas=2, storeSecret="store", namespaces=["a"], **ways)) == []
    named = {f"{name}Secret": "a" for name in ("environment", "git", "kubeconfig", "registry")}
    assert mistakes(**part("service", enabled=True, jobs=True, jobNamespaces=["tasks"], **named)) == []
