"""Sections of the configuration that only the install into a cluster reads."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from orchestrator.config.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable

IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_QUANTITY = r"^[0-9]{1,9}(\.[0-9]{1,3})?(m|[kMGTP]i?)?$"
_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_SUBJECT = r"^[A-Za-z0-9]([A-Za-z0-9._:@/-]{0,251}[A-Za-z0-9])?$"


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


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(
            f"{value!r} is no network: {error}; write it as 10.0.0.0/8, one address as 10.0.0.1/32"
        ) from None


def _within(value: str) -> str:
    """A network that is not wholly among those that no pod may reach."""
    if is_never(value):
        raise ValueError(f"{value}: no pod may reach this, for there clouds give out the credentials of the machine")
    return value


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
    outer = ipaddress.ip_network(cidr)
    given = [ipaddress.ip_network(each) for each in networks]
    given += [_translated(each) for each in given if isinstance(each, ipaddress.IPv4Network)]
    inner = [each for each in given if each != outer and _holds(outer, each)]
    return [str(each) for each in inner if not any(other != each and _holds(other, each) for other in inner)]


def _translated(network: IpNetwork) -> IpNetwork:
    first = ipaddress.IPv6Address("64:ff9b::") + int(network.network_address)
    return ipaddress.IPv6Network((first, 96 + network.prefixlen))


def _account(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}", value):
        raise ValueError(f"{value!r} is no service account; write namespace/name")
    return value


Cidr = Annotated[str, AfterValidator(_cidr)]
Port = Annotated[int, Field(ge=1, le=65535)]
Quantity = Annotated[str, Field(pattern=_QUANTITY)]
Concurrency: TypeAlias = Literal["Forbid", "Replace", "Allow"]


class ApiServer(Section):
    """Where pods reach the Kubernetes API; no scan pod reaches anything else.

    Attributes:
        cidrs: networks of its addresses, the Service's and the endpoints'.
        ports: its ports, likewise.
    """

    cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    ports: Annotated[tuple[Port, ...], Field(min_length=1)] = (443, 6443)


class Network(Section):
    """What pods may reach beside the public internet; the metadata services of clouds are never among it.

    Attributes:
        private: networks within the private ranges where mirrors, registries, git hosts, databases or receivers of ours
            are: for pods that may go out at all, and the ports that these may go to.
        ports: further ports where receivers of results answer, when their URLs stand in a Secret.
    """

    private: tuple[Annotated[Cidr, AfterValidator(_within)], ...] = ()
    ports: tuple[Port, ...] = ()


class History(Section):
    """Ended Workflows of the schedule that stay in the cluster."""

    succeeded: Annotated[int, Field(ge=0, le=100)] = 3
    failed: Annotated[int, Field(ge=0, le=100)] = 3


class Operator(Section):
    """Somebody who may start, watch and end runs: exactly one of a group, a user and a service account."""

    group: Annotated[str, Field(pattern=_SUBJECT)] | None = None
    user: Annotated[str, Field(pattern=_SUBJECT)] | None = None
    service_account: Annotated[str, AfterValidator(_account)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Operator:
        if sum(value is not None for value in (self.group, self.user, self.service_account)) != 1:
            raise ValueError("an operator is exactly one of group, user and serviceAccount")
        return self


class Quota(Section):
    """Most that the pods of the namespace may take together; what is over waits.

    Attributes:
        pods: running or waiting at the same time.
        cpu: requested.
        memory: requested.
        memory_limit: of all limits.
    """

    pods: Annotated[int, Field(ge=10, le=100_000)] = 250
    cpu: Quantity = "64"
    memory: Quantity = "128Gi"
    memory_limit: Quantity = "512Gi"


class SchedulerPods(Section):
    """The Deployment of `scanmatrix schedule`.

    Attributes:
        replicas: how many of them; 0 leaves it in the cluster without a pod.
        store_secret: Secret whose key `url` is the URL of the store; None for a file on the volume.
        kubeconfig_secret: Secret whose key `kubeconfig` has the contexts of other clusters; None for none.
        environment_secret: Secret whose keys become variables: credentials of exports and notifications; None for none.
    """

    replicas: Annotated[int, Field(ge=0, le=20)] = 0
    store_secret: Annotated[str, Field(pattern=_NAME)] | None = None
    kubeconfig_secret: Annotated[str, Field(pattern=_NAME)] | None = None
    environment_secret: Annotated[str, Field(pattern=_NAME)] | None = None

    @model_validator(mode="after")
    def _one_store(self) -> SchedulerPods:
        if self.replicas > 1 and not self.store_secret:
            raise ValueError("several replicas need a database that all of them reach: give storeSecret")
        return self


class Nfs(Section):
    """An export for the volume."""

    server: Annotated[str, Field(pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:-]*$")]
    path: Annotated[str, Field(pattern=r"^(/[^/\s]+)+$")]
