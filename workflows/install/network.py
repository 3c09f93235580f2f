"""Who may speak to whom: nothing is allowed but these paths. Pods are told apart by their component.

Only what every implementation of NetworkPolicies knows is used: labels, networks and numbers of ports.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.catalog import load_catalog
from orchestrator.cluster import labels as names
from orchestrator.cluster.labels import ONLINE_COMPONENT
from orchestrator.notification_sections import PORTS, variable_of
from orchestrator.sections import CACHE_PORT
from workflows.cell import fill
from workflows.install.caches import COMPONENT as CACHE
from workflows.install.caches import installed
from workflows.install.objects import Manifest, manifest
from workflows.install.scheduler import COMPONENT as SCHEDULER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.config import Config

_HTTP, _HTTPS, _SSH = 80, 443, 22
#: Of the API servers of other clusters.
_API = 6443
#: Of PostgreSQL, and of MariaDB and MySQL.
_DATABASES = (5432, 3306)
#: Components of pods that read images.
READERS = ("plan", "pull", "image", "database", SCHEDULER)
#: Components of pods that speak to nobody but the Kubernetes API.
ALONE = ("install", "scan", "shard", "left", "evict", "aggregate", "results")

_PORT = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z0-9-]+:([0-9]{2,5})(?=/|$|\s)|://[^/\s:]+:([0-9]{2,5})")


def policies(config: Config) -> list[Manifest]:
    """Deny everything, then one policy for each kind of pod."""
    api, dns, anywhere = _api(config), _dns(), _anywhere
    git = anywhere(_git_ports(config))
    cached = _caches(config)
    return [
        _policy(config, "default-deny", {}),
        # Argo's executor beside a scanner reports to the API; the scanner has no token for it.
        _policy(config, "alone", _components(*ALONE), egress=[api]),
        _policy(config, "pull", _components("pull", "image"), egress=[api, dns, *cached]),
        _policy(config, "plan", _components("plan"), egress=[api, dns, *cached, git]),
        _policy(config, "fetch", _components("fetch"), egress=[api, dns, git]),
        _policy(config, SCHEDULER, _components(SCHEDULER), egress=[api, dns, *cached, anywhere(_of_scheduler(config))]),
        # The one kind of cell that may go out: it asks the API of a git host.
        _policy(config, ONLINE_COMPONENT, _components(ONLINE_COMPONENT), egress=[api, dns, anywhere({_HTTPS})]),
        _policy(config, "database", _components("database"),
                egress=[api, dns, *cached, anywhere({_HTTP, _HTTPS} | _mirror_ports(config))]),
        _policy(config, CACHE, _components(CACHE),
                ingress=[{"from": [{"podSelector": _components(*READERS)}], "ports": _ports([CACHE_PORT])}],
                egress=[dns, anywhere({_HTTP, _HTTPS} | {_port(one.remote) for one in installed(config)})]),
    ]  # fmt: skip


def _policy(
    config: Config, name: str, pods: Manifest, *, ingress: Sequence[Manifest] = (), egress: Sequence[Manifest] = ()
) -> Manifest:
    spec: Manifest = {"podSelector": pods, "policyTypes": ["Ingress", "Egress"]}
    # Without a rule all is denied; Kubernetes does not keep an empty list.
    spec |= {"ingress": list(ingress)} if ingress else {}
    spec |= {"egress": list(egress)} if egress else {}
    return manifest("NetworkPolicy", name, config.argo.namespace, api="networking.k8s.io/v1", spec=spec)


def _components(*components: str) -> Manifest:
    """A selector of pods."""
    labels = {names.PART_OF: names.SCANMATRIX}
    if len(components) == 1:
        return {"matchLabels": labels | {names.COMPONENT: components[0]}}
    several = {"key": names.COMPONENT, "operator": "In", "values": list(components)}
    return {"matchLabels": labels, "matchExpressions": [several]}


def _ports(ports: Iterable[int], *protocols: str) -> list[Manifest]:
    return [{"protocol": one, "port": port} for port in ports for one in protocols or ("TCP",)]


def _api(config: Config) -> Manifest:
    server = config.argo.api_server
    return {"to": [{"ipBlock": {"cidr": cidr}} for cidr in server.cidrs], "ports": _ports(server.ports)}


def _dns() -> Manifest:
    """The cluster's name servers, and the cache of names that some clusters have on each node."""
    servers = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    on_node = {"ipBlock": {"cidr": "169.254.20.10/32"}}
    return {"to": [servers, on_node], "ports": _ports([53], "UDP", "TCP")}


def _caches(config: Config) -> list[Manifest]:
    """Our own caches; and the ports of others, of which a policy cannot name the hosts."""
    found = []
    if installed(config):
        found.append({"to": [{"podSelector": _components(CACHE)}], "ports": _ports([CACHE_PORT])})
    if elsewhere := {_port(cache.url) for cache in config.cache if not cache.installed}:
        found.append(_anywhere(elsewhere))
    return found


def _anywhere(ports: Iterable[int]) -> Manifest:
    return {"ports": _ports(sorted(ports))}


def _of_scheduler(config: Config) -> set[int]:
    """Where its store, sources of targets, receivers of results, and other clusters may answer."""
    pods = config.argo.scheduler
    found = _git_ports(config) | _receiver_ports(config) | (set(_DATABASES) if pods.store_secret else set())
    return found | ({_API} if pods.kubeconfig_secret else set())


def _receiver_ports(config: Config) -> set[int]:
    """Where exports and notifications go; a URL that is kept in a variable is taken for one of https."""
    exports, notify = config.exports, config.notify
    urls = [one.url for one in (exports.defectdojo, exports.dependency_track) if one]
    urls += [exports.s3.endpoint] if exports.s3 and exports.s3.endpoint else []
    hooks = [hook.url for route in notify.routes if (hook := route.slack or route.webhook)]
    urls += [hook.get_secret_value() for hook in hooks if not variable_of(hook)]
    return {_port(url) for url in urls} | ({notify.smtp.port or PORTS[notify.smtp.tls]} if notify.smtp else set())


def _git_ports(config: Config) -> set[int]:
    """Where the repositories of target lists, and those that are targets, answer: as usual, or as their URLs say."""
    urls = [target.csv.git.url for target in config.targets if target.csv and target.csv.git]
    urls += [target.repository.url for target in config.targets if target.repository]
    return {_HTTPS, _SSH} | {_port(url) for url in urls if urlsplit(url).scheme in {"http", "https", "ssh"}}


def _mirror_ports(config: Config) -> set[int]:
    """Ports that the refresh commands name, in `https://host:port/…` or `host.domain:port/…`."""
    found: set[int] = set()
    for scan in load_catalog(config).values():
        if scan.database:
            for text in (*scan.database.refresh, *scan.database.environment.values()):
                filled = fill(text, scan, where=f"scan {scan.name}: database")
                found |= {int(one or other) for one, other in _PORT.findall(filled)}
    return {port for port in found if port < 2**16}


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or {"http": _HTTP, "ssh": _SSH}.get(parts.scheme, _HTTPS)
