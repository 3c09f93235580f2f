"""Who may talk to whom: nobody to anybody, and then just the paths that each kind of pod needs.

| pods | may reach |
|---|---|
| all | the API server, because Argo's executor beside each container reports there; only `aggregate`, `left` and `shard` have a token |
| `plan`, `pull`, `image`, `database` | DNS and the caches |
| `plan` | git hosts (ports 22 and 443) |
| `database` | mirrors (ports 80 and 443) |
| caches | DNS and their upstreams (ports 80 and 443) |

A scanner's pod reaches the API server and nothing else; the scanner in it has no token, so it is answered 401 or 403.
Policies are enforced by the cluster's network plug-in; with one that ignores them all of this is paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.cluster.labels import COMPONENT
from workflows.install.access import meta

if TYPE_CHECKING:
    from orchestrator.config import Config
    from workflows.manifests import Manifest

CACHE = "cache"
CACHE_PORT = 5000
_READS_IMAGES = ("plan", "pull", "image", "database")
_EVERYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0"}}


def policies(config: Config) -> list[Manifest]:
    """All NetworkPolicies of the namespace."""
    api = {
        "to": [{"ipBlock": {"cidr": cidr}} for cidr in config.argo.api_server.cidrs],
        "ports": _tcp(*config.argo.api_server.ports),
    }
    dns = {"to": [{"namespaceSelector": {}}], "ports": [{"protocol": "UDP", "port": 53}, *_tcp(53)]}
    to_caches = {"to": [{"podSelector": _component(CACHE)}], "ports": _tcp(CACHE_PORT)}
    return [
        _policy(config, "default-deny", {}, policyTypes=["Ingress", "Egress"]),
        _policy(config, "executor", _any_component(), policyTypes=["Egress"], egress=[api]),
        _policy(config, "images", _any_component(*_READS_IMAGES), policyTypes=["Egress"], egress=[dns, to_caches]),
        _policy(
            config,
            "git",
            _component("plan"),
            policyTypes=["Egress"],
            egress=[{"to": [_EVERYWHERE], "ports": _tcp(22, 443)}],
        ),
        _policy(
            config,
            "mirrors",
            _component("database"),
            policyTypes=["Egress"],
            egress=[{"to": [_EVERYWHERE], "ports": _tcp(80, 443)}],
        ),
        _policy(
            config,
            "caches",
            _component(CACHE),
            policyTypes=["Ingress", "Egress"],
            ingress=[{"from": [{"podSelector": _any_component(*_READS_IMAGES)}], "ports": _tcp(CACHE_PORT)}],
            egress=[dns, {"to": [_EVERYWHERE], "ports": _tcp(*_upstream_ports(config))}],
        ),
    ]


def _upstream_ports(config: Config) -> list[int]:
    """80 and 443, and the ports of upstreams that are elsewhere."""
    given = {urlsplit(cache.remote).port for cache in config.cache if cache.remote}
    return sorted({80, 443} | {port for port in given if port})


def _policy(config: Config, name: str, selector: dict[str, Any], **spec: Any) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(config, name),
        "spec": {"podSelector": selector} | spec,
    }


def _component(name: str) -> dict[str, Any]:
    return {"matchLabels": {COMPONENT: name}}


def _any_component(*names: str) -> dict[str, Any]:
    """Pods that are one of these components, or, without names, any pod that Argo made."""
    if names:
        return {"matchExpressions": [{"key": COMPONENT, "operator": "In", "values": list(names)}]}
    return {"matchExpressions": [{"key": "workflows.argoproj.io/workflow", "operator": "Exists"}]}


def _tcp(*ports: int) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]
