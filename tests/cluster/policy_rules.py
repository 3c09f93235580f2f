"""Which packets the NetworkPolicies of a cluster allow, worked out from the objects alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, collapse_addresses, ip_network
from typing import Any, Literal

Labels = Mapping[str, str]
Networks = tuple[IPv4Network, ...]
Direction = Literal["in", "out"]
_TYPES: dict[Direction, tuple[str, str, str]] = {
    "in": ("Ingress", "ingress", "from"),
    "out": ("Egress", "egress", "to"),
}


@dataclass(frozen=True)
class Pod:
    """A pod that has a network of its own."""

    namespace: str
    labels: Labels
    address: str


@dataclass(frozen=True)
class Ports:
    """A protocol and, unless all of them, its ports from the first to the last."""

    protocol: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Path:
    """One thing that is allowed.

    Attributes:
        direction: as seen from the pods.
        pods: addresses of those whom the policy selects.
        peers: whom they may speak to, or be spoken to by; None for anybody.
        ports: of the side that is spoken to; None for all.
    """

    direction: Direction
    pods: frozenset[str]
    peers: Networks | None
    ports: tuple[Ports, ...] | None


@dataclass(frozen=True)
class Rules:
    """What is allowed, all in all.

    Attributes:
        known: addresses of every pod. Anybody else with one of these addresses is unknown yet, and may do nothing.
        closed: in each direction, the addresses of pods for which only the paths are allowed.
        paths: what is allowed to those.
        ignored: parts of policies that are not understood, in words; such a part allows nothing.
    """

    known: frozenset[str]
    closed: Mapping[Direction, frozenset[str]]
    paths: tuple[Path, ...]
    ignored: tuple[str, ...]


class UnknownPartError(Exception):
    """A part of a policy that nothing of ours uses, and so nothing here enforces."""


def work_out(pods: Iterable[Pod], namespaces: Mapping[str, Labels], policies: Iterable[Mapping[str, Any]]) -> Rules:
    """Turn objects into rules.

    Args:
        pods: all of them.
        namespaces: labels of each namespace.
        policies: NetworkPolicy objects, as the API gives them.
    """
    everybody = tuple(pods)
    closed: dict[Direction, set[str]] = {"in": set(), "out": set()}
    paths: list[Path] = []
    ignored: list[str] = []
    for policy in policies:
        where, spec = policy["metadata"], policy["spec"]
        selector = spec.get("podSelector")
        chosen = frozenset(
            pod.address for pod in everybody if pod.namespace == where["namespace"] and selects(selector, pod.labels)
        )
        for direction in _directions(spec):
            closed[direction] |= chosen
            _, rules, side = _TYPES[direction]
            for rule in spec.get(rules) or ():
                try:
                    peers = _peers(rule.get(side), where["namespace"], everybody, namespaces)
                    paths.append(Path(direction, chosen, peers, _ports(rule.get("ports"))))
                except UnknownPartError as error:
                    ignored.append(f"{where['namespace']}/{where['name']}: {error}")
    return Rules(
        known=frozenset(pod.address for pod in everybody),
        closed={direction: frozenset(addresses) for direction, addresses in closed.items()},
        paths=tuple(path for path in paths if path.pods and path.peers != ()),
        ignored=tuple(ignored),
    )


def selects(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Whether a label selector of Kubernetes chooses something with these labels; an empty one chooses everything."""
    selector = selector or {}
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_meets(expression, labels) for expression in selector.get("matchExpressions") or ())


def _meets(expression: Mapping[str, Any], labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    meets = {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return meets[expression["operator"]]


def _directions(spec: Mapping[str, Any]) -> Sequence[Direction]:
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    return [direction for direction, (name, _, _) in _TYPES.items() if name in types]


def _peers(
    peers: Sequence[Mapping[str, Any]] | None, namespace: str, pods: Sequence[Pod], namespaces: Mapping[str, Labels]
) -> Networks | None:
    if not peers:
        return None
    found: list[IPv4Network] = []
    for peer in peers:
        if block := peer.get("ipBlock"):
            found += _block(block)
        else:
            found += [IPv4Network(pod.address) for pod in pods if _is_peer(pod, peer, namespace, namespaces)]
    return tuple(collapse_addresses(found))


def _is_peer(pod: Pod, peer: Mapping[str, Any], namespace: str, namespaces: Mapping[str, Labels]) -> bool:
    if "namespaceSelector" in peer:
        here = selects(peer["namespaceSelector"], namespaces.get(pod.namespace, {})) and pod.namespace in namespaces
    else:
        here = pod.namespace == namespace
    return here and selects(peer.get("podSelector"), pod.labels)


def _block(block: Mapping[str, Any]) -> Networks:
    """An `ipBlock` without its exceptions; this node has no pods with IPv6."""
    return _parts(block["cidr"], tuple(block.get("except") or ()))


@cache
def _parts(cidr: str, exceptions: tuple[str, ...]) -> Networks:
    parts = [network for network in (ip_network(cidr),) if isinstance(network, IPv4Network)]
    for exception in map(ip_network, exceptions):
        if isinstance(exception, IPv4Network):
            parts = [left for part in parts for left in _without(part, exception)]
    return tuple(parts)


def _without(network: IPv4Network, hole: IPv4Network) -> Iterable[IPv4Network]:
    if network.subnet_of(hole):
        return ()
    return network.address_exclude(hole) if hole.subnet_of(network) else (network,)


def _ports(ports: Sequence[Mapping[str, Any]] | None) -> tuple[Ports, ...] | None:
    return tuple(map(_port, ports)) if ports else None


def _port(port: Mapping[str, Any]) -> Ports:
    protocol, first = port.get("protocol", "TCP").lower(), port.get("port")
    if first is None:
        return Ports(protocol)
    if not isinstance(first, int):
        raise UnknownPartError(f"the name of a port, {first!r}")
    return Ports(protocol, first, port.get("endPort", first))
