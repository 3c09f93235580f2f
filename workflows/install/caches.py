"""One pull-through cache for each upstream: the `registry` of the distribution project, which proxies one upstream each.

It keeps what it read on a disk of its own and forgets it after a week (`proxy.ttl`). Its credentials, when it has any,
are in a Secret that no other pod mounts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.cluster.labels import COMPONENT, PART_OF, SCANMATRIX
from workflows.install.access import meta
from workflows.install.network import CACHE, CACHE_PORT
from workflows.install.storage import quantity
from workflows.manifests import to_yaml
from workflows.pods import USER

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.sections import Cache
    from workflows.manifests import Manifest

IMAGE = "docker.io/library/registry:3"
#: Registries that answer under another name than images have.
_REMOTES = {"docker.io": "https://registry-1.docker.io"}
_KEPT = "168h"
_CONFIG = "/etc/distribution/config.yml"
_STORAGE = "/var/lib/registry"


def caches(config: Config) -> list[Manifest]:
    """Deployment, Service, ConfigMap and disk of every cache whose URL is a Service of this namespace."""
    return [
        each
        for cache in config.cache
        if (name := service_name(cache, config.argo.namespace))
        for each in _cache(config, cache, name)
    ]


def service_name(cache: Cache, namespace: str) -> str:
    """Name of the Service that a cache's URL means; empty when it is somebody else's."""
    host = urlsplit(cache.url).hostname or ""
    name, _, rest = host.partition(".")
    ours = rest in {"", namespace, f"{namespace}.svc", f"{namespace}.svc.cluster.local"}
    return name if ours and re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name) and name != "localhost" else ""


def _cache(config: Config, cache: Cache, name: str) -> list[Manifest]:
    labels = {PART_OF: SCANMATRIX, COMPONENT: CACHE, "scanmatrix/cache": name}
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": _STORAGE}, "delete": {"enabled": True}},
        "http": {"addr": f":{CACHE_PORT}"},
        "proxy": {"remoteurl": cache.remote, "ttl": f"{cache.keep}s"},
    }
    place = {"name": name, "labels": labels}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta(config, name),
            "data": {"config.yml": to_yaml([settings])},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta(config, name),
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},  # two would write to one disk
                "selector": {"matchLabels": {"scanmatrix/cache": name}},
                "template": {"metadata": {"labels": place["labels"]}, "spec": _pod(cache, name)},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta(config, name),
            "spec": {
                "selector": {"scanmatrix/cache": name},
                "ports": [{"name": "http", "port": urlsplit(cache.url).port or 80, "targetPort": CACHE_PORT}],
            },
        },
    ]


def _pod(cache: Cache, name: str) -> Manifest:
    env: list[Manifest] = [{"name": "OTEL_TRACES_EXPORTER", "value": "none"}]
    for key in ("username", "password") if cache.secret else ():
        source = {"secretKeyRef": {"name": cache.secret, "key": key}}
        env.append({"name": f"REGISTRY_PROXY_{key.upper()}", "valueFrom": source})
    probe = {"httpGet": {"path": "/v2/", "port": CACHE_PORT}}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # REGISTRY_… variables would change its settings
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "registry",
                "image": IMAGE,
                "imagePullPolicy": "IfNotPresent",
                "args": ["serve", _CONFIG],
                "env": env,
                "ports": [{"containerPort": CACHE_PORT}],
                "readinessProbe": probe | {"periodSeconds": 2},
                "livenessProbe": probe | {"periodSeconds": 20, "failureThreshold": 6},
                "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/distribution", "readOnly": True},
                    {"name": "storage", "mountPath": _STORAGE},
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            # A cache that grows beyond its size is evicted, and begins anew.
            {"name": "storage", "emptyDir": {"sizeLimit": quantity(cache.size)}},
        ],
    }
