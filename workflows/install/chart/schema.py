"""The JSON Schema of a chart's values, which Helm checks before it fills anything in."""

from __future__ import annotations

from typing import Any

from orchestrator.config.json_schema import DIALECT
from orchestrator.config.resource import KIND, spec_schema

_DNS_NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
_HOST = {"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"}


def values_schema() -> dict[str, Any]:
    """Of the values: what a resource may say is what its definition says, and no other key."""
    free, flag = {"type": "object"}, {"type": "boolean"}
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    secret = {"type": "string", "pattern": "^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$"}
    host = {"type": "string", "pattern": f"^$|{_HOST['pattern']}"}
    names = {"type": "array", "items": _DNS_NAME}
    matrix = _closed_object({"name": _DNS_NAME, "namespace": _DNS_NAME, "spec": _closed(spec_schema())})
    policy = _closed_object({"enabled": flag, "egress": {"type": "array", "items": free}})
    replicas = {"type": "integer", "minimum": 0, "maximum": 10}
    controlling = {
        "enabled": flag,
        "replicas": replicas | {"description": "of which one acts"},
        "namespaces": names | {"description": "whose resources the controller looks after; none for all"},
        "resources": free,
        "networkPolicy": policy,
        "monitor": _closed_object({"enabled": flag, "labels": labels}),
    }
    serving = {
        "enabled": flag,
        "replicas": replicas | {"description": "several need a storeSecret"},
        "resources": free,
        "tokensSecret": _HOST | {"description": "Secret whose key tokens.json is the file of tokens"},
        "storeSecret": secret | {"description": "Secret whose key url is the URL of the store; empty for SQLite"},
        "environmentSecret": secret | {"description": "Secret whose keys are variables, as argo.scheduler has it"},
        "gitSecret": secret | {"description": "Secret for git hosts, as argo.gitSecret"},
        "registrySecret": secret | {"description": "Secret for registries, as argo.registrySecret"},
        "kubeconfigSecret": secret | {"description": "Secret for other clusters, as argo.scheduler has it"},
        "jobs": flag | {"description": "whether its configuration has events.jobs, which makes network policies"},
        "jobNamespaces": names | {"description": "events.jobs.namespaces of its configuration, for their rights"},
        "namespaces": names | {"description": "whose pods reach the service, beside those of its own namespace"},
        "networkPolicy": policy,
        "ingress": _switched({"host": host, "className": secret, "tlsSecret": secret}, "host"),
        "gateway": _switched({"name": secret, "namespace": secret, "host": host}, "name"),
        "monitor": _switched({"tokenSecret": secret, "labels": labels}, "tokenSecret"),
    }
    working = {
        "enabled": flag,
        "scans": names | {"description": "scans that get workers, of those that this chart has"},
        "replicas": {"type": "integer", "minimum": 0, "maximum": 1000, "description": "0 where something scales them"},
        "most": {"type": "integer", "minimum": 1, "maximum": 1000},
        "scaling": {"enum": ["none", "keda", "cpu"]},
        "resources": free | {"description": "of workers; scanners have those of their templates"},
        "storeSecret": secret | {"description": "Secret whose key url is the URL of the store, a PostgreSQL for keda"},
        "environmentSecret": secret | {"description": "Secret whose keys are variables of workers"},
        "gitSecret": secret | {"description": "Secret for git hosts, as argo.gitSecret"},
        "registrySecret": secret | {"description": "Secret for registries, as argo.registrySecret"},
        "networkPolicy": policy,
    }
    several = {
        "if": {"properties": {"replicas": {"minimum": 2}}},
        "then": {"properties": {"storeSecret": {"minLength": 1}}},
    }
    elsewhere = {
        "if": {"properties": {"jobNamespaces": {"minItems": 1}}, "required": ["jobNamespaces"]},
        "then": {"properties": {"jobs": {"const": True}}},
    }
    return {
        "$schema": DIALECT,
        "title": "The values of the chart",
        "type": "object",
        "properties": {
            "image": {"type": "string", "minLength": 1, "description": "of both, and no default of resources"},
            "imagePullSecrets": {"type": "array", "items": free},
            "nodeSelector": free,
            "tolerations": {"type": "array", "items": free},
            "controller": _closed_object(controlling),
            "service": _closed_object(serving) | {"allOf": [several, elsewhere]},
            "workers": _closed_object(working),
            "matrices": {
                "type": "array",
                "items": matrix | {"required": ["name", "spec"]},
                "description": f"resources of the kind {KIND} that belong to the release; by default in its namespace",
            },
            "global": free,
        },
        "additionalProperties": False,
    }


def _closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _switched(properties: dict[str, Any], needed: str) -> dict[str, Any]:
    """Something that is off by default, and needs one value when it is on."""
    on = {"properties": {"enabled": {"const": True}}, "required": ["enabled"]}
    found = _closed_object({"enabled": {"type": "boolean"}, **properties})
    return found | {"if": on, "then": {"properties": {needed: {"minLength": 1}}, "required": [needed]}}


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
