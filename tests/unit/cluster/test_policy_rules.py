"""What NetworkPolicies allow: each case asks whether one pod may open a connection to somebody."""

import pathlib
from ipaddress import IPv4Address
from typing import Any

import pytest
import yaml

from tests.cluster.policy_rules import Direction, Path, Pod, Rules, selects, work_out

INSTALLED = pathlib.Path(__file__).parents[3] / "argo-install" / "base" / "network.yaml"
API = "192.168.7.11"
OUTSIDE = "8.8.8.8"
NAMESPACES = {"ours": {"kubernetes.io/metadata.name": "ours"}, "other": {"team": "other"}}
PODS = {
    "web": Pod("ours", {"app": "web", "tier": "front"}, "10.244.0.2"),
    "store": Pod("ours", {"app": "store"}, "10.244.0.3"),
    "bare": Pod("ours", {}, "10.244.0.4"),
    "guest": Pod("other", {"app": "web"}, "10.244.0.5"),
}
DENY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def policy(spec: dict[str, Any], *, namespace: str = "ours", name: str = "a") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


def rules(*specs: dict[str, Any]) -> Rules:
    return work_out(PODS.values(), NAMESPACES, [policy(spec) for spec in specs])


def may(found: Rules, source: str, target: str, port: int = 80, protocol: str = "tcp") -> bool:
    """Whether a connection is allowed by both sides; names of pods, or addresses of others."""
    ours, theirs = (PODS[each].address if each in PODS else each for each in (source, target))
    sides: dict[Direction, tuple[str, str]] = {"out": (ours, theirs), "in": (theirs, ours)}
    return all(
        pod not in found.closed[direction]
        or any(
            pod in path.pods and _leads(path, peer, port, protocol)
            for path in found.paths
            if path.direction == direction
        )
        for direction, (pod, peer) in sides.items()
    )


def _leads(path: Path, peer: str, port: int, protocol: str) -> bool:
    if path.peers is not None and not any(IPv4Address(peer) in network for network in path.peers):
        return False
    return path.ports is None or any(
        each.protocol == protocol and (each.first is None or each.first <= port <= (each.last or 0))
        for each in path.ports
    )


def egress(*to: dict[str, Any], ports: list[dict[str, Any]] | None = None, of: Any = None) -> dict[str, Any]:
    rule = {"to": list(to), "ports": ports or []}
    return {"podSelector": of or {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": [rule]}


def ingress(*peers: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    rule = {"from": list(peers), "ports": ports or []}
    return {"podSelector": {"matchLabels": {"app": "store"}}, "policyTypes": ["Ingress"], "ingress": [rule]}


def test_without_policies_everything_is_allowed() -> None:
    assert may(rules(), "web", "guest")
    assert may(rules(), "web", OUTSIDE)


def test_default_deny_closes_both_directions_of_its_namespace_only() -> None:
    found = rules(DENY)
    for source, target in (("web", "store"), ("web", OUTSIDE), ("guest", "web"), (OUTSIDE, "web")):
        assert not may(found, source, target)
    assert may(found, "guest", OUTSIDE)


def test_a_policy_closes_only_the_pods_it_selects_and_only_its_direction() -> None:
    found = rules(egress({"podSelector": {"matchLabels": {"app": "store"}}}))
    assert may(found, "web", "store")
    assert not may(found, "web", "bare")
    assert may(found, "bare", "store")
    assert may(found, OUTSIDE, "web")


def test_both_sides_must_allow() -> None:
    to_store = egress({"podSelector": {"matchLabels": {"app": "store"}}})
    assert not may(rules(DENY, to_store), "web", "store")
    assert may(rules(DENY, to_store, ingress({"podSelector": {"matchLabels": {"app": "web"}}})), "web", "store")


def test_policies_add_up() -> None:
    found = rules(egress({"ipBlock": {"cidr": "8.8.8.0/24"}}), egress({"podSelector": {}}))
    assert may(found, "web", OUTSIDE)
    assert may(found, "web", "bare")
    assert not may(found, "web", "9.9.9.9")


def test_pods_are_looked_for_in_the_policy_s_own_namespace() -> None:
    found = rules(ingress({"podSelector": {"matchLabels": {"app": "web"}}}))
    assert may(found, "web", "store")
    assert not may(found, "guest", "store")


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ({"namespaceSelector": {"matchLabels": {"team": "other"}}}, {"guest"}),
        ({"namespaceSelector": {}}, {"web", "bare", "guest"}),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}, {"web", "guest"}),
        ({"namespaceSelector": {"matchLabels": {"team": "nobody"}}}, set()),
    ],
)
def test_selectors_of_namespaces(peer: dict[str, Any], allowed: set[str]) -> None:
    found = rules(ingress(peer))
    assert {name for name in ("web", "bare", "guest") if may(found, name, "store")} == allowed


def test_a_rule_without_peers_allows_everybody_but_only_its_ports() -> None:
    found = rules(egress(ports=[{"protocol": "TCP", "port": 443}]))
    assert may(found, "web", OUTSIDE, 443)
    assert may(found, "web", "guest", 443)
    assert not may(found, "web", OUTSIDE, 80)
    assert not may(found, "web", OUTSIDE, 443, "udp")


def test_a_rule_whose_selectors_choose_nobody_allows_nobody() -> None:
    assert not may(rules(egress({"podSelector": {"matchLabels": {"app": "gone"}}})), "web", "store")


def test_networks_and_their_exceptions() -> None:
    block = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.244.0.4/32", "172.16.0.0/12"]}
    found = rules(egress({"ipBlock": block}))
    assert may(found, "web", "10.0.0.1")
    assert may(found, "web", "store")
    assert not may(found, "web", "10.1.2.3")
    assert not may(found, "web", "bare")
    assert not may(found, "web", OUTSIDE)


def test_the_exception_of_one_network_is_not_one_of_another() -> None:
    found = rules(
        egress({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}, {"ipBlock": {"cidr": "10.1.0.0/16"}})
    )
    assert may(found, "web", "10.1.2.3")
    assert not may(found, "web", "10.2.2.3")


def test_networks_of_ipv6_allow_nobody_here() -> None:
    found = rules(egress({"ipBlock": {"cidr": "::/0", "except": ["fd00::/8"]}}))
    assert not may(found, "web", OUTSIDE)


def test_ports_by_range_and_by_protocol_alone() -> None:
    found = rules(egress(ports=[{"port": 8000, "endPort": 8010}, {"protocol": "UDP"}]))
    assert {port for port in (7999, 8000, 8010, 8011) if may(found, "web", OUTSIDE, port)} == {8000, 8010}
    assert may(found, "web", OUTSIDE, 5353, "udp")


def test_a_named_port_is_said_to_be_ignored_and_allows_nothing() -> None:
    found = rules(egress(ports=[{"port": "https"}]))
    assert not may(found, "web", OUTSIDE, 443)
    assert ["ours/a" in each and "https" in each for each in found.ignored] == [True]


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "x"]}, {"web"}),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, {"store", "bare"}),
        ({"key": "tier", "operator": "Exists"}, {"web"}),
        ({"key": "tier", "operator": "DoesNotExist"}, {"store", "bare"}),
    ],
)
def test_expressions(expression: dict[str, Any], chosen: set[str]) -> None:
    here = {name: pod for name, pod in PODS.items() if pod.namespace == "ours"}
    selector = {"matchExpressions": [expression]}
    assert {name for name, pod in here.items() if selects(selector, pod.labels)} == chosen
    assert not selects({"matchLabels": {"a": "b"}, **selector}, here["web"].labels)


def test_types_that_a_policy_does_not_name_follow_from_its_rules() -> None:
    everything: dict[str, Any] = {"podSelector": {}}
    assert may(rules(everything), "web", OUTSIDE)
    assert not may(rules(everything), OUTSIDE, "web")
    assert not may(rules(everything | {"egress": [{"ports": [{"port": 1}]}]}), "web", OUTSIDE)


def _installed(component: str, address: str) -> Pod:
    labels = {"app.kubernetes.io/part-of": "scanmatrix", "app.kubernetes.io/component": component}
    return Pod("scanmatrix", labels, address)


def test_of_what_we_install_a_scanner_reaches_the_api_and_nothing_else() -> None:
    installed = {"scan": "10.244.0.10", "pull": "10.244.0.11", "cache": "10.244.0.12"}
    dns = Pod("kube-system", {"k8s-app": "kube-dns"}, "10.244.0.13")
    everybody = [*(_installed(*each) for each in installed.items()), dns]
    namespaces = {name: {"kubernetes.io/metadata.name": name} for name in ("scanmatrix", "kube-system")}
    policies = [each for each in yaml.safe_load_all(INSTALLED.read_text()) if each]
    found = work_out(everybody, namespaces, policies)
    scan, pull, cache = installed.values()
    assert found.ignored == ()
    assert may(found, scan, API, 6443)
    for target, port in ((cache, 5000), (dns.address, 53), (OUTSIDE, 443), (API, 22), (pull, 80)):
        assert not may(found, scan, target, port)
        assert not may(found, scan, target, port, "udp")
    assert may(found, pull, cache, 5000)
    assert may(found, pull, dns.address, 53, "udp")
    assert not may(found, pull, OUTSIDE, 443)
    assert may(found, cache, OUTSIDE, 443)
    assert not may(found, OUTSIDE, cache, 5000)
