"""The Helm chart of the controller: the objects that `controller` makes, with values in the place of what may differ.

A value stands in a template as JSON, which is YAML on one line; the defaults of the values are what the objects had.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import yaml

from orchestrator.config.json_schema import DIALECT
from orchestrator.config.resource import API_VERSION, KIND, spec_schema
from orchestrator.kit.own import own_version
from orchestrator.workflows.install.controller import NAME, NAMESPACE, controller
from orchestrator.workflows.manifests import to_yaml

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.workflows.install.objects import Manifest

FOLDER: Final = "argo-install/chart"
_HEADER = "# Written by `scanmatrix install --out`; the values are what you change.\n"
_RELEASE = "{{ .Release.Namespace }}"
_DNS_NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
_MATRICES = f"""\
{{{{- range .Values.matrices }}}}
---
apiVersion: {API_VERSION}
kind: {KIND}
metadata:
  name: {{{{ toJson .name }}}}
  namespace: {{{{ toJson (default $.Release.Namespace .namespace) }}}}
spec: {{{{ toJson .spec }}}}
{{{{- end }}}}
"""
_NOTES = """\
The controller of ScanMatrix resources is installed in {{ .Release.Namespace }}.

    kubectl get scanmatrix -A
    kubectl explain scanmatrix.spec

Helm installs definitions and never changes them: after an upgrade of this chart, apply its folder crds/ yourself.
"""


def chart(config: Config) -> dict[str, str]:
    """The files of the chart: text by path.

    Args:
        config: names the image and the API server of the default values.
    """
    definition, *others = controller(config)
    values, templates = _values(others), [_templated(one) for one in others if one["kind"] != "Namespace"]
    about = {
        "apiVersion": "v2",
        "name": "scanmatrix",
        "description": "The controller of ScanMatrix resources: keeps the images that run in namespaces scanned",
        "type": "application",
        "version": own_version(),
        "appVersion": own_version(),
        "kubeVersion": ">=1.29.0-0",
    }
    return {
        f"{FOLDER}/Chart.yaml": _HEADER + yaml.safe_dump(about, sort_keys=False, width=200),
        f"{FOLDER}/values.yaml": _HEADER + to_yaml([values]),
        f"{FOLDER}/values.schema.json": json.dumps(_schema(), indent=1, ensure_ascii=False) + "\n",
        f"{FOLDER}/crds/definition.yaml": _HEADER + to_yaml([definition]),
        f"{FOLDER}/templates/controller.yaml": _HEADER + "".join(templates),
        f"{FOLDER}/templates/matrices.yaml": _MATRICES,
        f"{FOLDER}/templates/NOTES.txt": _NOTES,
    }


def _values(objects: list[Manifest]) -> Manifest:
    """The default values: what the objects have."""
    pod = _one(objects, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return {
        "image": container["image"],
        "replicas": _one(objects, "Deployment")["spec"]["replicas"],
        "namespaces": [],
        "resources": container["resources"],
        "imagePullSecrets": [],
        "nodeSelector": {},
        "tolerations": [],
        "networkPolicy": {"enabled": True, "egress": _one(objects, "NetworkPolicy")["spec"]["egress"]},
        "matrices": [],
    }


def _templated(one: Manifest) -> str:
    """An object as a template."""
    found, condition = deepcopy(one), ""
    spec = found.get("spec", {})
    if one["kind"] == "NetworkPolicy":
        condition, spec["egress"] = ".Values.networkPolicy.enabled", _mark("networkPolicy.egress")
    if one["kind"] == "PodDisruptionBudget":
        condition = "gt (int .Values.replicas) 1"
    if one["kind"] == "Deployment":
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        container |= {"image": _mark("image"), "resources": _mark("resources"), "args": [*container["args"], _mark("")]}
        pod |= {key: _mark(key) for key in ("imagePullSecrets", "nodeSelector", "tolerations")}
        spec["replicas"] = _mark("replicas")
    lease = f"{NAMESPACE}/{NAME}"
    text = to_yaml([found]).replace(lease, f"'{_RELEASE}/{NAME}'").replace(NAMESPACE, f"'{_RELEASE}'")
    lines = [_filled(line) for line in text.splitlines()]
    whole = "---\n" + "\n".join(lines) + "\n"
    return f"{{{{- if {condition} }}}}\n{whole}{{{{- end }}}}\n" if condition else whole


def _mark(value: str) -> str:
    """What a value of that name takes the place of; without a name, the arguments for namespaces."""
    return f"@{value}@"


def _filled(line: str) -> str:
    """A line with a value in the place of its mark."""
    before, mark, rest = line.partition("'@")
    if not mark:
        before, mark, rest = line.partition(" @")
        before += " " if mark else ""
    if not mark:
        return line
    name = rest.rstrip("'").rstrip("@")
    if name:
        return f"{before}{{{{ toJson .Values.{name} }}}}"
    indent = before.removesuffix("- ").removesuffix("-")
    each = f'{indent}- {{{{ printf "--namespace=%s" . | toJson }}}}'
    return f"{indent}{{{{- range .Values.namespaces }}}}\n{each}\n{indent}{{{{- end }}}}"


def _one(objects: list[Manifest], kind: str) -> Manifest:
    return next(one for one in objects if one["kind"] == kind)


def _schema() -> dict[str, Any]:
    """Of the values: what a resource may say is what its definition says, and no other key."""
    free = {"type": "object"}
    matrix = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "spec"],
        "properties": {"name": _DNS_NAME, "namespace": _DNS_NAME, "spec": _closed(spec_schema())},
    }
    policy = {"enabled": {"type": "boolean"}, "egress": {"type": "array", "items": free}}
    return {
        "$schema": DIALECT,
        "title": "The values of the chart",
        "type": "object",
        "properties": {
            "image": {
                "type": "string",
                "minLength": 1,
                "description": "of the controller, and no default of resources",
            },
            "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "description": "of which one acts"},
            "namespaces": {
                "type": "array",
                "items": _DNS_NAME,
                "description": "whose resources the controller looks after; none for all",
            },
            "resources": free,
            "imagePullSecrets": {"type": "array", "items": free},
            "nodeSelector": free,
            "tolerations": {"type": "array", "items": free},
            "networkPolicy": {"type": "object", "additionalProperties": False, "properties": policy},
            "matrices": {
                "type": "array",
                "items": matrix,
                "description": f"resources of the kind {KIND} that belong to the release; by default in its namespace",
            },
            "global": free,
        },
        "additionalProperties": False,
    }


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A structural schema in which unknown keys are refused, as `kubectl apply` does and Helm does not."""
    found = {word: value for word, value in schema.items() if not word.startswith("x-kubernetes-validations")}
    if "properties" in found:
        found["properties"] = {key: _closed(value) for key, value in found["properties"].items()}
        found["additionalProperties"] = False
    for word in ("items", "additionalProperties"):
        if isinstance(found.get(word), dict):
            found[word] = _closed(found[word])
    return found
