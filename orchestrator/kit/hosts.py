"""Names of hosts, as they stand in URLs and references."""

import ipaddress


def host_name(host: str) -> str:
    """`host[:port]` without its port, an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(name: str, *, exactly: bool = False) -> bool:
    """Whether the name of a host means the machine itself, without asking any name server.

    Args:
        name: without a port; an IPv6 address may have brackets.
        exactly: whether only `localhost` itself and addresses count. RFC 6761 gives every name below it the same
            meaning (`registry.localhost`), and browsers keep to that; but a resolver need not, and then somebody else
            answers. So a `Host` that a browser sends, and a host that is sent a password in the clear, are held to it.
    """
    lower = name.lower()
    if lower == "localhost" or (not exactly and f".{lower.rstrip('.')}".endswith(".localhost")):
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
