"""How far away an IP address is: of the internet, of a private network, of this machine, of the link it is on.

What a stranger's answer names must not lead from the internet to where only insiders are listened to.
Sources: the IANA special-purpose address registries (RFC 6890); cloud metadata services as their vendors document them.
"""

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from orchestrator.kit.hosts import is_loopback


class Zone(IntEnum):
    """Who can reach an address, from everybody to nobody but what runs here."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    LINK_LOCAL = 3
    """The link itself, with the services on it that hand out a cloud's credentials to any process that asks."""


_Address = IPv4Address | IPv6Address

#: Services of clouds that give away credentials or settings, and do not lie in 169.254.0.0/16.
_METADATA: Final = frozenset(
    map(ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
_THIS_HOST: Final = ip_network("0.0.0.0/8")  # Linux connects 0.0.0.0 to itself
#: Prefixes that stand for the IPv4 address in their last 32 bits (RFC 6052, 8215, 4291).
_TRANSLATED: Final = tuple(ip_network(text) for text in ("64:ff9b::/96", "::ffff:0:0/96", "::/96", "::ffff:0:0:0/96"))


def zone_of(address: str) -> Zone:
    """The zone of an address as `getaddrinfo` and `getpeername` spell it.

    An IPv6 address that carries an IPv4 address (mapped, translated, 6to4, Teredo) is what that one is, if that is
    nearer. Whatever the IANA registries do not call globally reachable, and multicast, is private at least.

    Raises:
        ValueError: not an address.
    """
    parsed = ip_address(address.partition("%")[0])
    return max(_zone(each) for each in _meant(parsed))


def literal_zone(host: str) -> Zone:
    """The zone that a host in a URL has without asking any name server; names but `localhost` count as public."""
    name = host.strip("[]").rstrip(".").lower()
    if is_loopback(name):
        return Zone.LOOPBACK
    try:
        return zone_of(name)
    except ValueError:
        return Zone.PUBLIC


def may_lead(source: Zone, target: Zone) -> bool:
    """Whether somebody in one zone may name an address of another, for us to go there.

    To the same zone and to the internet always; from this machine to a private network, too, since what runs here
    reaches it anyway.
    """
    return target in {Zone.PUBLIC, source} or (source is Zone.LOOPBACK and target is Zone.PRIVATE)


def _meant(address: _Address) -> list[_Address]:
    """An address, and the IPv4 addresses it may stand for."""
    found: list[_Address] = [address]
    if isinstance(address, IPv6Address) and address != IPv6Address("::1"):
        if any(address in network for network in _TRANSLATED):
            found = [IPv4Address(int(address) & 0xFFFFFFFF)]
        if address.sixtofour is not None:  # versions of Python differ on whether 2002::/16 itself is global
            found = [address.sixtofour]
        found += address.teredo or ()
    return found


def _zone(address: _Address) -> Zone:
    if address.is_link_local or address in _METADATA:
        return Zone.LINK_LOCAL
    if address.is_loopback or address.is_unspecified or address in _THIS_HOST:
        return Zone.LOOPBACK
    return Zone.PUBLIC if address.is_global and not address.is_multicast else Zone.PRIVATE
