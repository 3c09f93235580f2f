"""Who may speak to whom: nothing is allowed but these paths. Pods are known by their component.

Only what every implementation of NetworkPolicies knows is used: labels, networks and numbers of ports. What may go out
at all may go to the public internet, to the addresses that the configuration names, and to the private networks of
`argo.network.private`; never to the metadata services of clouds, which give out the credentials of the machine.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.argo import names
from orchestrator.argo.names import Component
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.cache import CACHE_PORT
from orchestrator.config.networks import NEVER, PRIVATE, excepted, is_never
from orchestrator.config.notify import PORTS
from orchestrator.config.secret import variable_of
from orchestrator.kit.urls import split_url
from orchestrator.workflows.cell import fill
from orchestrator.workflows.install.caches import installed
from orchestrator.workflows.install.objects import Manifest, manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.model import Scan

_HTTP, _HTTPS, _SSH = 80, 443, 22
#: Of the API servers of other clusters.
_API = 6443
#: Of PostgreSQL, and of MariaDB and MySQL.
_DATABASES = (5432, 3306)
#: Components of pods that read images.
READERS = (Component.PLAN, Component.PULL, Component.IMAGE, Component.DATABASE, Component.SCHEDULER, Component.SERVICE)
#: Components of pods that speak to nobody but the Kubernetes API.
ALONE = (
    Component.SCAN,
    Component.JOB,
    Component.LOAD,
    Component.SHARD,
    Component.LEFT,
    Component.EVICT,
    Component.AGGREGATE,
    Component.RESULTS,
    Component.REAPER,
    Component.REPLACE,
)

_MIRROR = re.compile(
    r"(?P<scheme>https?://)(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:[0-9]{1,5})?(?=[/?#\s]|$)"
    r"|(?<![\w.:/-])(?P<bare>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?P<number>:[0-9]{2,5})(?=[/\s]|$)"
)


def policies(config: Config, *, shared: bool = False) -> list[Manifest]:
    """Deny everything, then one policy for each kind of pod.

    Args:
        config: names what may be reached.
        shared: the namespace has other pods too, of which nothing is denied.
    """
    every = {"matchLabels": {names.PART_OF: names.SCANMATRIX}} if shared else {}
    api, names_of = api_server(config), dns()
    git = _outside(config, {_HTTPS, _SSH}, _git_urls(config))
    cached = _caches(config)
    upstreams = [one.remote for one in installed(config)]
    scans = load_catalog(config).values()
    readers = (*READERS, *((Component.WORKER,) if config.argo.workers.scans else ()))
    return [
        _policy(config, "scanmatrix-default-deny" if shared else "default-deny", every),
        # Argo's executor beside a scanner reports to the API; the scanner has no token for it.
        _policy(config, "alone", _components(*ALONE), egress=[api]),
        _policy(config, Component.PULL, _components(Component.PULL, Component.IMAGE), egress=[api, names_of, *cached]),
        _policy(config, Component.PLAN, _components(Component.PLAN), egress=[api, names_of, *cached, *git]),
        _policy(config, Component.FETCH, _components(Component.FETCH), egress=[api, names_of, *git]),
        _policy(config, Component.SCHEDULER, _components(Component.SCHEDULER),
                egress=[api, names_of, *cached, *_of_scheduler(config)]),
        # The one kind of cell that may go out: it asks the API of a git host.
        _policy(config, Component.ONLINE, _components(Component.ONLINE),
                egress=[api, names_of, *_outside(config, {_HTTPS})]),
        _policy(config, Component.DATABASE, _components(Component.DATABASE),
                egress=[api, names_of, *cached,
                        *_outside(config, {_HTTP, _HTTPS}, _mirror_urls(scans, commands=False))]),
        # The one kind of pod with a scanner's image that may go out for its database; it never reads a cache.
        _policy(config, Component.DATABASE_COMMAND, _components(Component.DATABASE_COMMAND),
                egress=[api, names_of, *_outside(config, {_HTTP, _HTTPS}, _mirror_urls(scans, commands=True))]),
        _policy(config, Component.CACHE, _components(Component.CACHE),
                ingress=[{"from": [{"podSelector": _components(*readers)}], "ports": ports_of([CACHE_PORT])}],
                egress=[names_of, *_outside(config, {_HTTP, _HTTPS}, upstreams)]),
    ]  # fmt: skip


def policy_of_service(config: Config, port: int) -> Manifest:
    """Of the pods of `scanmatrix serve`: reached from their namespace and those that are named, on one port.

    They plan and read the store, as the scheduler does, fetch the keys of the OpenID provider, notify the sinks of
    events, and read the configuration of jobs.
    """
    spaces = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": each}}}
              for each in dict.fromkeys((*config.argo.service.namespaces, *_of_gateway(config)))]  # fmt: skip
    further = [config.auth.oidc.issuer] if config.auth.oidc else []
    further += [sink.url.get_secret_value() for sink in config.events.sinks if not variable_of(sink.url)]
    further += _of_git([config.events.jobs.git.url] if config.events.jobs else [])
    return _policy(
        config, f"{config.argo.service_account}-{Component.SERVICE}", _components(Component.SERVICE),
        ingress=[{"from": [{"podSelector": {}}, *spaces], "ports": ports_of([port])}],
        egress=[api_server(config), dns(), *_caches(config), *_of_scheduler(config, *further)],
    )  # fmt: skip


def policy_of_workers(config: Config, scan: Scan, name: str) -> Manifest:
    """Of the workers of one scan, and so of the scanner beside each, which shares its network.

    They reach the caches, the store and, as far as the scan needs them, mirrors of its database and git hosts; not the
    Kubernetes API.

    Args:
        config: names what may be reached.
        scan: of the workers.
        name: of the policy.
    """
    pods = {"matchLabels": _components(Component.WORKER)["matchLabels"] | {names.SCAN: scan.name}}
    egress = [dns(), *_caches(config)]
    if config.argo.scheduler.store_secret:
        named = [block(cidr, NEVER) for cidr in config.argo.network.private]
        ports = sorted({*_DATABASES, *config.argo.network.ports})
        egress += [{"to": named, "ports": ports_of(ports)}] if named else _outside(config, ports)
    if brokers := _broker_urls(config):
        egress += _outside(config, (), brokers)
    if scan.database:
        urls = [url for commands in (False, True) for url in _mirror_urls((scan,), commands=commands)]
        egress += _outside(config, {_HTTP, _HTTPS}, urls) if urls else []
    if scan.repository:
        egress += _outside(config, {_HTTPS, _SSH}, _git_urls(config))
    return _policy(config, name, pods, egress=egress)


def _of_gateway(config: Config) -> tuple[str, ...]:
    gateway = config.argo.service.gateway
    return (gateway.namespace,) if gateway and gateway.namespace else ()


def _policy(
    config: Config, name: str, pods: Manifest, *, ingress: Sequence[Manifest] = (), egress: Sequence[Manifest] = ()
) -> Manifest:
    spec: Manifest = {"podSelector": pods, "policyTypes": ["Ingress", "Egress"]}
    # Without a rule all is denied; Kubernetes does not keep an empty list.
    spec |= {"ingress": list(ingress)} if ingress else {}
    spec |= {"egress": list(egress)} if egress else {}
    return manifest("NetworkPolicy", str(name), config.argo.namespace, api="networking.k8s.io/v1", spec=spec)


def _components(*components: Component) -> Manifest:
    """A selector of pods."""
    labels = {names.PART_OF: names.SCANMATRIX}
    if len(components) == 1:
        return {"matchLabels": labels | {names.COMPONENT: str(components[0])}}
    several = {"key": names.COMPONENT, "operator": "In", "values": [str(each) for each in components]}
    return {"matchLabels": labels, "matchExpressions": [several]}


def ports_of(ports: Iterable[int], *protocols: str) -> list[Manifest]:
    """Numbers of ports, of TCP unless other protocols are named."""
    return [{"protocol": one, "port": port} for port in ports for one in protocols or ("TCP",)]


def api_server(config: Config) -> Manifest:
    """A rule that lets out to the Kubernetes API."""
    server = config.argo.api_server
    return {"to": [block(cidr, NEVER) for cidr in server.cidrs], "ports": ports_of(server.ports)}


def dns() -> Manifest:
    """The cluster's name servers, and the cache of names that some clusters have on each node."""
    servers = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    on_node = {"ipBlock": {"cidr": "169.254.20.10/32"}}
    return {"to": [servers, on_node], "ports": ports_of([53], "UDP", "TCP")}


def _caches(config: Config) -> list[Manifest]:
    """Our own caches; and others, of which a policy cannot name the hosts."""
    found = []
    if installed(config):
        found.append({"to": [{"podSelector": _components(Component.CACHE)}], "ports": ports_of([CACHE_PORT])})
    if elsewhere := [cache.url for cache in config.cache if not cache.installed]:
        found += _outside(config, (), elsewhere)
    return found


def _outside(config: Config, ports: Iterable[int], urls: Iterable[str] = ()) -> list[Manifest]:
    """The public internet and the private networks that are named, at some ports and those of some URLs.

    Args:
        config: names the networks.
        ports: that are open in any case.
        urls: whose ports are open as well. One with an address instead of a name opens this very address, too.
    """
    urls = tuple(urls)
    wide = [block("0.0.0.0/0", (*NEVER, *PRIVATE)), block("::/0", (*NEVER, *PRIVATE))]
    wide += [block(cidr, NEVER) for cidr in config.argo.network.private]
    found = [{"to": wide, "ports": ports_of(sorted({*ports, *map(port_of, urls)}))}]
    named = sorted({(address, port_of(url)) for url in urls if (address := _address(url))})
    return [*found, *({"to": [block(address, ())], "ports": ports_of([port])} for address, port in named)]


def block(cidr: str, exceptions: Iterable[str]) -> Manifest:
    """A network without the parts of it that are excepted."""
    holes = excepted(cidr, exceptions)
    return {"ipBlock": {"cidr": cidr, **({"except": holes} if holes else {})}}


def _address(url: str) -> str:
    """The network of the one address that a URL names; empty for a name, and for an address that no pod may reach."""
    try:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return ""
    network = str(ipaddress.ip_network(address))
    return "" if is_never(network) else network


def _of_scheduler(config: Config, *further: str) -> list[Manifest]:
    """Where its store, queue, sources of targets, receivers of results, other clusters and further URLs may answer."""
    pods = config.argo.scheduler
    ports = {_HTTPS, _SSH, *(_DATABASES if pods.store_secret else ()), *config.argo.network.ports}
    ports |= {_API} if pods.kubeconfig_secret else set()
    urls = [*_broker_urls(config), *_git_urls(config), *_receiver_urls(config), *further]
    return _outside(config, ports, urls)


def _broker_urls(config: Config) -> list[str]:
    """Of the brokers that wake workers."""
    queue = config.queue
    return [f"kafka://{server}" for server in queue.kafka.servers] if queue.kind == "kafka" and queue.kafka else []


def _receiver_urls(config: Config) -> list[str]:
    """Where exports and notifications go; a URL that is kept in a variable is taken for one of https."""
    exports, notify = config.exports, config.notify
    urls = [one.url for one in (exports.defectdojo, exports.dependency_track) if one]
    urls += [exports.s3.endpoint] if exports.s3 and exports.s3.endpoint else []
    hooks = [hook.url for route in notify.routes if (hook := route.slack or route.webhook)]
    urls += [hook.get_secret_value() for hook in hooks if not variable_of(hook)]
    if smtp := notify.smtp:
        host = f"[{smtp.host}]" if ":" in smtp.host else smtp.host
        urls.append(f"smtp://{host}:{smtp.port or PORTS[smtp.tls]}")
    return urls


def _git_urls(config: Config) -> list[str]:
    """The repositories of target lists, and those that are targets."""
    urls = [target.csv.git.url for target in config.targets if target.csv and target.csv.git]
    urls += [target.repository.url for target in config.targets if target.repository]
    return _of_git(urls)


def _of_git(urls: Iterable[str]) -> list[str]:
    return [url for url in urls if (parts := split_url(url)) and parts.scheme in {"http", "https", "ssh"}]


def _mirror_urls(scans: Iterable[Scan], *, commands: bool) -> list[str]:
    """Where databases are fetched from.

    Args:
        scans: whose databases.
        commands: whether by commands of the scanners, which name it in `https://host:port/…` or `host.domain:port/…`,
            or by our own code.
    """
    found: list[str] = []
    for scan in scans:
        database = scan.database
        if database and database.fetch and not commands:
            found += [text if "://" in text else f"https://{text.partition('/')[0]}" for text in database.fetch.places]
        elif database and not database.fetch and commands:
            for text in (*database.refresh, *database.environment.values()):
                filled = fill(text, scan, where=f"scan {scan.name}: database")
                found += map(_url_of, _MIRROR.finditer(filled))
    return [url for url in found if (parts := split_url(url)) and parts.port != 0]


def _url_of(found: re.Match[str]) -> str:
    if found["scheme"]:
        return f"{found['scheme']}{found['host']}{found['port'] or ''}"
    return f"https://{found['bare']}{found['number']}"


def port_of(url: str) -> int:
    """The port of a URL."""
    parts = urlsplit(url)
    return parts.port or {"http": _HTTP, "ssh": _SSH}.get(parts.scheme, _HTTPS)
