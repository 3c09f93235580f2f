"""The pull-through caches: one registry for each upstream, for it can stand for one only.

Each keeps what it read in an `emptyDir` of its own, bounded twice: it drops what it has held for `cache.keep`, and when
it outgrows `cache.size` Kubernetes ends the pod and the next one begins with nothing. On a claim that is full it would
refuse to serve at all; and whatever is lost here can be read again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.argo import names
from orchestrator.argo.agreed import PROGRAM
from orchestrator.argo.command_line import render
from orchestrator.argo.commands import DropStep
from orchestrator.config.cache import CACHE_PORT, service_name
from orchestrator.workflows import disk
from orchestrator.workflows.install.images import own_images
from orchestrator.workflows.install.objects import Manifest, container_security, manifest, pod_security, resources
from orchestrator.workflows.settings import RenderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.config.cache import CacheSection
    from orchestrator.config.loading import Config

COMPONENT = str(names.Component.CACHE)
IMAGE = "docker.io/library/registry:3"
_FOLDER = "/var/lib/registry"
_SETTINGS = "/etc/distribution"
_DATA = "data"


def installed(config: Config) -> tuple[CacheSection, ...]:
    """The caches that are ours to make.

    Raises:
        RenderError: two upstreams would have the same Service.
    """
    found = tuple(cache for cache in config.cache if cache.installed)
    services = [service_name(cache.upstream) for cache in found]
    if twice := sorted({name for name in services if services.count(name) > 1}):
        raise RenderError(f"cache: two upstreams would both be called {twice[0]}; give one of them a url of its own")
    return found


def caches(config: Config) -> list[Manifest]:
    """Settings, pod and Service of each cache."""
    image = own_images(config)[IMAGE]
    return [one for cache in installed(config) for one in _cache(cache, image, config.argo.namespace)]


def dropper(config: Config, name: str, digests: Sequence[str], repositories: Sequence[str]) -> Manifest:
    """An ephemeral container for a cache's pod, which removes what is wrong, or what is named, from its folder.

    The image of the registry may have no program to remove a file with, and a folder of a pod can be mounted in that
    pod only.
    """
    step = DropStep(folder=Path(_FOLDER), digests=tuple(digests), repositories=tuple(repositories))
    return {
        "name": name,
        "image": config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": [PROGRAM, *render(step)],
        "securityContext": container_security(),
        "volumeMounts": [{"name": _DATA, "mountPath": _FOLDER}],
    }


def _cache(cache: CacheSection, image: str, namespace: str) -> Sequence[Manifest]:
    name = service_name(cache.upstream)
    text = yaml.safe_dump(_settings(cache), sort_keys=False)
    selector = {names.CACHE: name}
    labels = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: COMPONENT, **selector}
    found = [
        manifest("ConfigMap", name, namespace, component=COMPONENT, data={"config.yml": text}),
        manifest(
            "Deployment", name, namespace, api="apps/v1", component=COMPONENT,
            spec={
                "replicas": 1,
                # The new one would begin empty in any case, and two of them read everything twice.
                "strategy": {"type": "Recreate"},
                "revisionHistoryLimit": 2,
                "selector": {"matchLabels": selector},
                "template": {
                    "metadata": {
                        "labels": labels,
                        # Other settings, another pod.
                        "annotations": {names.SETTINGS_DIGEST: hashlib.sha256(text.encode()).hexdigest()[:16]},
                    },
                    "spec": _pod(cache, image, name),
                },
            },
        ),
        manifest(
            "Service", name, namespace, component=COMPONENT,
            spec={"selector": selector, "ports": [{"name": "http", "port": CACHE_PORT, "targetPort": CACHE_PORT}]},
        ),
    ]  # fmt: skip
    for one in found:
        one["metadata"]["labels"][names.CACHE] = name
    return found


def _settings(cache: CacheSection) -> Manifest:
    """Of the registry: it reads one upstream, and lets go of what is old."""
    return {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": _FOLDER},
            # What has expired can only be removed where removing is allowed at all.
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": True, "age": "24h", "interval": "6h", "dryrun": False}},
        },
        "http": {"addr": f":{CACHE_PORT}", "headers": {"X-Content-Type-Options": ["nosniff"]}},
        "proxy": {"remoteurl": cache.remote, "ttl": f"{cache.keep}s", "cachewritetimeout": "30m"},
    }


def _pod(cache: CacheSection, image: str, name: str) -> Manifest:
    container: dict[str, Any] = {
        "name": "registry",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["registry", "serve", f"{_SETTINGS}/config.yml"],
        "env": [{"name": "OTEL_TRACES_EXPORTER", "value": "none"}, *_credentials(cache)],
        "ports": [{"name": "http", "containerPort": CACHE_PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": CACHE_PORT}, "periodSeconds": 5},
        "livenessProbe": {
            "httpGet": {"path": "/", "port": CACHE_PORT},
            "initialDelaySeconds": 10,
            "periodSeconds": 20,
            "timeoutSeconds": 10,
        },
        "resources": resources("50m", "64Mi", "512Mi", scratch=cache.size),
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": _DATA, "mountPath": _FOLDER},
            {"name": "settings", "mountPath": _SETTINGS, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [
            {"name": _DATA, "emptyDir": {"sizeLimit": disk.quantity(cache.size)}},
            {"name": "settings", "configMap": {"name": name}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }


def _credentials(cache: CacheSection) -> list[Manifest]:
    """Of the upstream, out of the Secret that no other pod gets."""
    if cache.secret is None:
        return []
    return [
        {
            "name": f"REGISTRY_PROXY_{key.upper()}",
            "valueFrom": {"secretKeyRef": {"name": cache.secret, "key": key}},
        }
        for key in ("username", "password")
    ]
