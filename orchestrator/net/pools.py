"""Connections: TLS by the system's certificates or those of a file, proxies of the environment."""

import os
import ssl
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.util import parse_url

from orchestrator.kit.hosts import is_loopback
from orchestrator.net.errors import Untrusted

_CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def make_pool(context: ssl.SSLContext | None, proxy: str) -> urllib3.PoolManager:
    """Connections with this TLS, through this proxy where there is one, logged in to as its URL says."""
    if not proxy:
        return urllib3.PoolManager(num_pools=16, maxsize=64, ssl_context=context)
    login = parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else None
    return urllib3.ProxyManager(proxy, num_pools=16, maxsize=64, ssl_context=context, proxy_headers=headers)


def tls_context(*, verify: bool, file: str | None = None) -> ssl.SSLContext:
    """The system's certificates, or those of a file: this one, or the one that the usual variables name."""
    file = file or next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), None)
    try:
        context = ssl.create_default_context(cafile=file)
    except OSError as error:
        raise Untrusted(f"{file}: cannot be read as a file of CA certificates") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def proxy_for(url: str) -> str:
    """The proxy the environment names for a URL; empty for none, and always for this machine itself."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow to load, and rarely used

    parts = urlsplit(url)
    proxies = getproxies()
    name = parts.hostname or ""
    if is_loopback(name) or proxy_bypass(parts.netloc) or _in_network(name, proxies.get("no", "")):
        return ""
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _in_network(name: str, exceptions: str) -> bool:
    """Whether an address lies in one of the networks in NO_PROXY, as clusters write them (`10.0.0.0/8`)."""
    for exception in exceptions.split(","):
        try:
            if ip_address(name) in ip_network(exception.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
