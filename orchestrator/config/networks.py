"""Networks that pods may reach: what none ever does, and what the configuration has to name."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Networks that no pod may reach whatever the configuration says: link-local addresses (RFC 3927, RFC 4291), where the
#: metadata services of clouds answer with credentials of the machine, and those of them that answer elsewhere (Alibaba,
#: Azure, Oracle, AWS and Google by IPv6), loopback, multicast, and IPv4 within IPv6 (RFC 4291 2.5.5.1, RFC 8215,
#: RFC 3056), which leads there as well. IPv4-mapped addresses (2.5.5.2) are IPv4 on the wire, and Kubernetes takes none
#: in a policy.
NEVER = (
    "0.0.0.0/8",
    "100.100.100.200/32",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "224.0.0.0/4",
    "::/96",
    "64:ff9b:1::/48",
    "2002::/16",
    "fd00:ec2::/32",
    "fd20:ce::/32",
    "fe80::/10",
    "ff00::/8",
)
#: Networks that a pod reaches only where the configuration names them: private ones (RFC 1918, RFC 6598, RFC 4193),
#: those for benchmarks and reserved ones (RFC 6890).
PRIVATE = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "240.0.0.0/4",
    "fc00::/7",
    "fec0::/10",
)


def is_never(cidr: str) -> bool:
    """Whether a network lies wholly in one that no pod may reach."""
    network = ipaddress.ip_network(cidr)
    nevers = [ipaddress.ip_network(each) for each in NEVER]
    nevers += [_translated(each) for each in nevers if isinstance(each, ipaddress.IPv4Network)]
    return any(_holds(each, network) for each in nevers)


def _holds(outer: IpNetwork, inner: IpNetwork) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type] # one version


def excepted(cidr: str, networks: Iterable[str]) -> list[str]:
    """Those of some networks that lie within a network and are not all of it, as an `except` of Kubernetes wants.

    Those of IPv4 also as IPv6 has them behind a translator, whose prefix (RFC 6052, 2.1) itself stays open: by it,
    clusters of IPv6 alone reach the internet.
    """
    return list(_excepted(cidr, tuple(networks)))


@lru_cache(maxsize=256)
def _excepted(cidr: str, networks: tuple[str, ...]) -> tuple[str, ...]:
    outer = ipaddress.ip_network(cidr)
    given = [ipaddress.ip_network(each) for each in networks]
    given += [_translated(each) for each in given if isinstance(each, ipaddress.IPv4Network)]
    inner = [each for each in given if each != outer and _holds(outer, each)]
    return tuple(str(each) for each in inner if not any(other != each and _holds(other, each) for other in inner))


def _translated(network: IpNetwork) -> IpNetwork:
    first = ipaddress.IPv6Address("64:ff9b::") + int(network.network_address)
    return ipaddress.IPv6Network((first, 96 + network.prefixlen))
